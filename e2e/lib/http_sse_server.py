"""A server of the official Python SDK that speaks only the HTTP+SSE transport, on the port given as argument."""

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("http-sse")


@server.tool()
def echo(message: str) -> str:
    """Returns what it is told."""
    return f"You said: {message}"


@server.prompt()
def greeting(name: str) -> str:
    """Asks for a greeting."""
    return f"Greet {name}."


@server.resource("note://first")
def note() -> str:
    """A note."""
    return "Written down."


server.run(transport="sse", host="127.0.0.1", port=int(sys.argv[1]))
