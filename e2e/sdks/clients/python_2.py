"""Version 2 of the official Python SDK as a client, stateless (2026-07-28). Usage: see seen.py."""

import asyncio
import contextlib
import uuid

import anyio
import httpx2
from mcp import Client, types
from mcp.client.streamable_http import streamable_http_client

import seen
from seen import AFTER, WATCHED, repeated, said


class Connected:
    """A client, and what its server logs."""

    def __init__(self):
        self.logged = []

    async def elicit(self, context, params):
        url = isinstance(params, types.ElicitRequestURLParams)
        return types.ElicitResult(action="accept", content=None if url else {"name": "Ada"})

    async def sample(self, context, params):
        content = types.TextContent(text="Paris")
        return types.CreateMessageResult(role="assistant", content=content, model="a-model", stop_reason="endTurn")

    async def list_roots(self, context):
        return types.ListRootsResult(roots=[types.Root(uri="file:///work", name="work")])

    async def log(self, params):
        self.logged.append(params.data)

    async def called(self, name, given=None):
        return said(await self.client.call_tool(name, given or {}))


@contextlib.asynccontextmanager
async def connect(url, headers):
    connected = Connected()
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        client = Client(
            streamable_http_client(url, http_client=http),
            elicitation_callback=connected.elicit,
            sampling_callback=connected.sample,
            list_roots_callback=connected.list_roots,
            logging_callback=connected.log,
            log_level="info",
        )
        async with client:
            if client.protocol_version != "2026-07-28":
                raise RuntimeError(f"it speaks {client.protocol_version}")
            connected.client = client
            yield connected


async def tools(connected):
    [name] = [tool.name for tool in (await connected.client.list_tools()).tools if tool.name == "echo"]
    return f"{name}: {await connected.called(name, {'message': 'héllo'})}"


async def prompts(connected):
    [prompt] = (await connected.client.list_prompts()).prompts
    got = await connected.client.get_prompt(prompt.name, {"name": "Ada"})
    return f"{prompt.name}: {got.messages[0].content.text}"


async def resources(connected):
    listed = (await connected.client.list_resources()).resources
    [uri] = [each.uri for each in listed if each.name == "static"]
    return f"{uri}: {(await connected.client.read_resource(uri)).contents[0].text}"


async def templates(connected):
    [template] = (await connected.client.list_resource_templates()).resource_templates
    read = await connected.client.read_resource(template.uri_template.replace("{id}", "7"))
    return f"{template.uri_template}: {read.contents[0].text}"


async def completion(connected):
    ref = types.PromptReference(name="greet")
    result = await connected.client.complete(ref, {"name": "name", "value": "par"})
    return ",".join(result.completion.values[:2])


async def listening(connected, act, **filters):
    """The first event, while `act` is repeated."""
    events = []

    async def hear(subscription):
        async for event in subscription:
            events.append(event)

    async with connected.client.listen(**filters) as subscription:
        hearing = asyncio.create_task(hear(subscription))
        try:
            return await repeated(act, lambda: events and events[0])
        finally:
            hearing.cancel()


async def list_changes(connected):
    event = await listening(connected, lambda: connected.called("change_tools"), tools_list_changed=True)
    return {"ToolsListChanged": "tools"}[type(event).__name__]


async def subscriptions(connected):
    event = await listening(connected, lambda: connected.called("touch"), resource_subscriptions=[WATCHED])
    return str(event.uri)


async def logging(connected):
    await connected.called("log")
    # A server may send them on another stream than the answer.
    heard = lambda: len(connected.logged) >= 3 and ",".join(connected.logged)  # noqa: E731
    return await repeated(lambda: anyio.sleep(0), heard, AFTER)


async def progress(connected):
    steps = []

    async def heard(step, total, message):
        steps.append(str(int(step)))

    await connected.client.call_tool("progress", {}, progress_callback=heard)
    return ",".join(steps)


async def cancellation(connected):
    key = str(uuid.uuid4())
    with anyio.move_on_after(0.2):
        await connected.called("wait", {"key": key})

    async def was():
        return await connected.called("was_cancelled", {"key": key}) == "true" and "true"

    return await repeated(lambda: anyio.sleep(0), was)


async def ping(connected):
    """Shows that the SDK has no ping in this revision."""
    try:
        await connected.client.send_ping()
    except Exception as error:
        return f"absent: {error}"
    return "pong"


SEES = {
    "tools": tools,
    "prompts": prompts,
    "resources": resources,
    "templates": templates,
    "completion": completion,
    "form": lambda connected: connected.called("ask_form"),
    "url": lambda connected: connected.called("ask_url"),
    "sampling": lambda connected: connected.called("ask_model"),
    "roots": lambda connected: connected.called("ask_roots"),
    "list changes": list_changes,
    "subscriptions": subscriptions,
    "logging": logging,
    "progress": progress,
    "cancellation": cancellation,
    "ping": ping,
}

if __name__ == "__main__":
    seen.main(connect, SEES)
