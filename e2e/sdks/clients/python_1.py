"""Version 1 of the official Python SDK as a client, with a session (2025-11-25). Usage: see seen.py."""

import contextlib
import uuid

import anyio
import httpx
from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl

import seen
from seen import AFTER, WATCHED, repeated, said


class Connected:
    """A session, and what its server tells."""

    def __init__(self):
        self.told = []
        self.logged = []

    async def elicit(self, context, params):
        url = isinstance(params, types.ElicitRequestURLParams)
        return types.ElicitResult(action="accept", content=None if url else {"name": "Ada"})

    async def sample(self, context, params):
        content = types.TextContent(type="text", text="Paris")
        return types.CreateMessageResult(role="assistant", content=content, model="a-model", stopReason="endTurn")

    async def list_roots(self, context):
        return types.ListRootsResult(roots=[types.Root(uri="file:///work", name="work")])

    async def log(self, params):
        self.logged.append(params.data)

    async def hear(self, message):
        if isinstance(message, types.ServerNotification):
            self.told.append(message.root)

    async def called(self, name, given=None):
        return said(await self.session.call_tool(name, given or {}))


@contextlib.asynccontextmanager
async def connect(url, headers):
    connected = Connected()
    async with (
        httpx.AsyncClient(headers=headers, timeout=30) as http,
        streamable_http_client(url, http_client=http) as (reading, writing, _),
        ClientSession(
            reading,
            writing,
            sampling_callback=connected.sample,
            elicitation_callback=connected.elicit,
            list_roots_callback=connected.list_roots,
            logging_callback=connected.log,
            message_handler=connected.hear,
        ) as session,
    ):
        await session.initialize()
        connected.session = session
        yield connected


async def tools(connected):
    [name] = [tool.name for tool in (await connected.session.list_tools()).tools if tool.name == "echo"]
    return f"{name}: {await connected.called(name, {'message': 'héllo'})}"


async def prompts(connected):
    [prompt] = (await connected.session.list_prompts()).prompts
    got = await connected.session.get_prompt(prompt.name, {"name": "Ada"})
    return f"{prompt.name}: {got.messages[0].content.text}"


async def resources(connected):
    listed = (await connected.session.list_resources()).resources
    [uri] = [each.uri for each in listed if each.name == "static"]
    return f"{uri}: {(await connected.session.read_resource(uri)).contents[0].text}"


async def templates(connected):
    [template] = (await connected.session.list_resource_templates()).resourceTemplates
    read = await connected.session.read_resource(AnyUrl(template.uriTemplate.replace("{id}", "7")))
    return f"{template.uriTemplate}: {read.contents[0].text}"


async def completion(connected):
    ref = types.PromptReference(type="ref/prompt", name="greet")
    result = await connected.session.complete(ref, {"name": "name", "value": "par"})
    return ",".join(result.completion.values[:2])


async def list_changes(connected):
    def heard():
        return any(isinstance(each, types.ToolListChangedNotification) for each in connected.told) and "tools"

    return await repeated(lambda: connected.called("change_tools"), heard)


async def subscriptions(connected):
    def heard():
        found = [each for each in connected.told if isinstance(each, types.ResourceUpdatedNotification)]
        return found and str(found[0].params.uri)

    await connected.session.subscribe_resource(AnyUrl(WATCHED))
    return await repeated(lambda: connected.called("touch"), heard)


async def logging(connected):
    await connected.session.set_logging_level("info")
    await connected.called("log")
    # A server may send them on another stream than the answer.
    heard = lambda: len(connected.logged) >= 3 and ",".join(connected.logged)  # noqa: E731
    return await repeated(lambda: anyio.sleep(0), heard, AFTER)


async def progress(connected):
    steps = []

    async def heard(step, total, message):
        steps.append(str(int(step)))

    await connected.session.call_tool("progress", {}, progress_callback=heard)
    return ",".join(steps)


async def cancellation(connected):
    key = str(uuid.uuid4())
    # This version does not tell the server that a call was abandoned: the client sends the notification itself.
    number = connected.session._request_id
    async with anyio.create_task_group() as group:
        group.start_soon(connected.called, "wait", {"key": key})
        await anyio.sleep(0.2)
        params = types.CancelledNotificationParams(requestId=number)
        await connected.session.send_notification(types.ClientNotification(types.CancelledNotification(params=params)))
        group.cancel_scope.cancel()

    async def was():
        return await connected.called("was_cancelled", {"key": key}) == "true" and "true"

    return await repeated(lambda: anyio.sleep(0), was)


async def ping(connected):
    await connected.session.send_ping()
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
