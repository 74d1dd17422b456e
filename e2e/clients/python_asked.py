"""The official Python SDK as a client that servers ask for something.

Usage: python_asked.py <gateway url> <json headers> <json list of tools>

It calls each tool, answers what it is asked, and prints one JSON object with what each tool said.
"""

import asyncio
import json
import sys

import httpx2
from mcp import Client, types
from mcp.client.streamable_http import streamable_http_client


async def elicit(context, params):
    return types.ElicitResult(action="accept", content={"name": "Ada", "response": "Ada"})


async def sample(context, params):
    return types.CreateMessageResult(
        role="assistant",
        content=types.TextContent(type="text", text="Paris"),
        model="a-model",
        stop_reason="endTurn",
    )


async def list_roots(context):
    return types.ListRootsResult(roots=[types.Root(uri="file:///work", name="work")])


async def main():
    url, headers, tools = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
    said = {}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        client = Client(
            streamable_http_client(url, http_client=http),
            elicitation_callback=elicit,
            sampling_callback=sample,
            list_roots_callback=list_roots,
        )
        async with client:
            for tool in tools:
                result = await client.call_tool(tool, {})
                said[tool] = "\n".join(part.text for part in result.content if part.type == "text")
    print(json.dumps(said), flush=True)


asyncio.run(main())
