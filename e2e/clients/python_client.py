"""The official Python SDK doing its own OAuth against a gateway.

Usage: python_client.py <gateway url> <tool> <json arguments> [client metadata document url]

With CALL_AGAIN in the environment it prints `CALLED <access token>` after the call, waits for a line of input, and calls
once more.

It prints `AUTHORIZE <url>` when the user's browser should open a page, waits for the redirect on its own loopback port,
and prints one line of JSON with what it saw: tools, the tool's result, the tokens it was given (their lengths only).
"""

import asyncio
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata


class Storage:
    """Keeps what the SDK asks to keep."""

    def __init__(self):
        self.tokens = None
        self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


class Redirect:
    """A loopback listener for the one redirect of a sign-in."""

    def __init__(self):
        self.query = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.query = parse_qs(urlsplit(self.path).query)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"You can close this window.")

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/callback"
        self.thread = Thread(target=self.server.handle_request, daemon=True)
        self.thread.start()

    async def result(self):
        await asyncio.to_thread(self.thread.join)
        self.server.server_close()
        one = {name: values[0] for name, values in self.query.items()}
        return AuthorizationCodeResult(code=one["code"], state=one.get("state"), iss=one.get("iss"))


async def main():
    url, tool, arguments = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    document = sys.argv[4] if len(sys.argv) > 4 else None
    redirect, storage = Redirect(), Storage()
    refreshed = False

    asked = 0

    async def show(authorize):
        nonlocal asked
        asked += 1
        print("AUTHORIZE", authorize, flush=True)

    metadata = OAuthClientMetadata(
        client_name="Python SDK",
        redirect_uris=[redirect.url],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
    )
    auth = OAuthClientProvider(url, metadata, storage, show, redirect.result, client_metadata_url=document)
    async with httpx2.AsyncClient(auth=auth, timeout=30) as http:
        async with Client(streamable_http_client(url, http_client=http)) as client:
            tools = await client.list_tools()
            result = await client.call_tool(tool, arguments)
            if "CALL_AGAIN" in os.environ:
                first = storage.tokens
                print("CALLED", first.access_token, flush=True)
                await asyncio.to_thread(sys.stdin.readline)
                result = await client.call_tool(tool, arguments)
                refreshed = storage.tokens.access_token != first.access_token
    print(
        "RESULT",
        json.dumps(
            {
                "tools": [each.name for each in tools.tools],
                "text": [part.text for part in result.content if part.type == "text"],
                "structured": result.structured_content,
                "scope": storage.tokens.scope,
                "refreshable": storage.tokens.refresh_token is not None,
                "refreshed": refreshed,
                "sign_ins": asked,
                "client": storage.client.client_id if storage.client else None,
            }
        ),
        flush=True,
    )


asyncio.run(main())
