"""What servers and clients in Python have in common with those in repertoire.mjs, as plain JSON, for both versions of the SDK."""

import re

TOOLS = {
    "echo": ["message"],
    "ask_form": [],
    "ask_url": [],
    "ask_model": [],
    "ask_roots": [],
    "log": [],
    "progress": [],
    "wait": ["key"],
    "was_cancelled": ["key"],
    "change_tools": [],
    "touch": [],
}
FORM = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
PAGE = {"url": "https://example.com/consent", "message": "Please consent."}
PROMPT = {"name": "greet", "description": "Greets", "arguments": [{"name": "name", "required": True}]}
WATCHED = "memo://watched"
RESOURCES = [{"uri": f"memo://{name}", "name": name, "mimeType": "text/plain"} for name in ("static", "watched")]
TEMPLATE = {"uriTemplate": "memo://items/{id}", "name": "items", "mimeType": "text/plain"}
QUESTION = "What is the capital of France?"


def listed(name):
    """A tool as it is listed."""
    needs = TOOLS[name]
    schema = {"type": "object", "properties": {each: {"type": "string"} for each in needs}, "required": needs}
    return {"name": name, "description": f"The tool {name}", "inputSchema": schema}


def text_of(uri):
    """The text of a resource."""
    if uri == "memo://static":
        return "The static text."
    if uri == WATCHED:
        return "The watched text."
    return f"Item {re.fullmatch(r'memo://items/(.+)', uri)[1]}"


def completed(value):
    """The values that complete the name of a person to greet."""
    return [word for word in ("paris", "park", "party") if word.startswith(value)]
