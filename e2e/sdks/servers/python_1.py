"""A server with sessions (2025-11-25), on version 1 of the official Python SDK. Usage: python_1.py <port>"""

import contextlib
import sys
import weakref

import anyio
import mcp.server.lowlevel.server as lowlevel
import uvicorn
from mcp import types
from mcp.server.fastmcp.server import StreamableHTTPASGIApp
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.session import ServerSession
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.message import ServerMessageMetadata
from pydantic import AnyUrl
from starlette.applications import Starlette
from starlette.routing import Route

from repertoire import FORM, PAGE, PROMPT, QUESTION, RESOURCES, TEMPLATE, TOOLS, WATCHED, completed, listed, text_of

SESSIONS = weakref.WeakSet()
CANCELLED = set()


class Session(ServerSession):
    """A session that is known from its beginning, because changes are announced in all of them."""

    async def __aenter__(self):
        SESSIONS.add(self)
        return await super().__aenter__()


lowlevel.ServerSession = Session


class MemoServer(Server):
    """A server that declares what it does; the SDK's own declaration denies subscriptions."""

    def get_capabilities(self, notification_options, experimental_capabilities):
        every = NotificationOptions(tools_changed=True, prompts_changed=True, resources_changed=True)
        capabilities = super().get_capabilities(every, experimental_capabilities)
        capabilities.resources.subscribe = True
        return capabilities


server = MemoServer("python-1")


async def announce(how):
    for session in list(SESSIONS):
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            await how(session)


async def ask_form(given, ctx):
    answer = await ctx.session.elicit_form("What is your name?", FORM, related_request_id=ctx.request_id)
    return f"Hello, {answer.content['name']}!"


async def ask_url(given, ctx):
    answer = await ctx.session.elicit_url(PAGE["message"], PAGE["url"], "consent-1", related_request_id=ctx.request_id)
    return f"The page was {answer.action}ed."


async def ask_model(given, ctx):
    asked = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=QUESTION))
    answer = await ctx.session.create_message([asked], max_tokens=50, related_request_id=ctx.request_id)
    return f"The model said: {answer.content.text}"


async def ask_roots(given, ctx):
    # `list_roots` of the SDK asks on the stream that its client listens to, which calls of stateless clients do not have.
    metadata = ServerMessageMetadata(related_request_id=ctx.request_id)
    asked = types.ServerRequest(types.ListRootsRequest())
    answer = await ctx.session.send_request(asked, types.ListRootsResult, metadata=metadata)
    return ",".join(str(root.uri) for root in answer.roots)


async def log(given, ctx):
    for word in ("one", "two", "three"):
        await ctx.session.send_log_message("info", word, related_request_id=ctx.request_id)
    return "logged"


async def progress(given, ctx):
    for step in (1, 2, 3):
        await ctx.session.send_progress_notification(
            ctx.meta.progressToken, step, 3, related_request_id=str(ctx.request_id)
        )
    return "done"


async def wait(given, ctx):
    try:
        await anyio.sleep_forever()
    except anyio.get_cancelled_exc_class():
        CANCELLED.add(given["key"])
        raise


async def was_cancelled(given, ctx):
    return "true" if given["key"] in CANCELLED else "false"


async def change_tools(given, ctx):
    await announce(lambda session: session.send_tool_list_changed())
    return "announced"


async def touch(given, ctx):
    await announce(lambda session: session.send_resource_updated(AnyUrl(WATCHED)))
    return "announced"


async def echo(given, ctx):
    return given["message"]


@server.list_tools()
async def list_tools() -> list[types.Tool]:
    return [types.Tool(**listed(name)) for name in TOOLS]


@server.call_tool()
async def call_tool(name, given):
    return [types.TextContent(type="text", text=await globals()[name](given, server.request_context))]


@server.list_prompts()
async def list_prompts() -> list[types.Prompt]:
    return [types.Prompt(**PROMPT)]


@server.get_prompt()
async def get_prompt(name, given):
    content = types.TextContent(type="text", text=f"Greet {given['name']}.")
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])


@server.list_resources()
async def list_resources() -> list[types.Resource]:
    return [types.Resource(**each) for each in RESOURCES]


@server.list_resource_templates()
async def list_resource_templates():
    return [types.ResourceTemplate(**TEMPLATE)]


@server.read_resource()
async def read_resource(uri):
    return text_of(str(uri))


@server.completion()
async def complete(ref, argument, context):
    return types.Completion(values=completed(argument.value))


@server.subscribe_resource()
async def subscribe(uri):
    pass


@server.unsubscribe_resource()
async def unsubscribe(uri):
    pass


@server.set_logging_level()
async def set_level(level):
    pass


manager = StreamableHTTPSessionManager(server)


@contextlib.asynccontextmanager
async def lifespan(app):
    async with manager.run():
        yield


app = Starlette(routes=[Route("/mcp", endpoint=StreamableHTTPASGIApp(manager))], lifespan=lifespan)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
