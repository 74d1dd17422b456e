"""A server of both eras, on version 2 of the official Python SDK. Usage: python_2.py <port>"""

import sys

import anyio
import uvicorn
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated, ToolsListChanged

from repertoire import FORM, PAGE, PROMPT, QUESTION, RESOURCES, TEMPLATE, TOOLS, WATCHED, completed, listed, text_of

BUS = InMemorySubscriptionBus()
CANCELLED = set()


def asking(request):
    return types.InputRequiredResult(input_requests={"answer": request})


async def ask_form(given, ctx, answer):
    if answer:
        return f"Hello, {answer.content['name']}!"
    params = types.ElicitRequestFormParams(message="What is your name?", requested_schema=FORM)
    return asking(types.ElicitRequest(params=params))


async def ask_url(given, ctx, answer):
    if answer:
        return f"The page was {answer.action}ed."
    return asking(types.ElicitRequest(params=types.ElicitRequestURLParams(**PAGE)))


async def ask_model(given, ctx, answer):
    if answer:
        return f"The model said: {answer.content.text}"
    asked = types.SamplingMessage(role="user", content=types.TextContent(text=QUESTION))
    return asking(types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[asked], max_tokens=50)))


async def ask_roots(given, ctx, answer):
    return ",".join(str(root.uri) for root in answer.roots) if answer else asking(types.ListRootsRequest())


async def log(given, ctx, answer):
    for word in ("one", "two", "three"):
        await ctx.session.send_log_message("info", word, related_request_id=ctx.request_id)
    return "logged"


async def progress(given, ctx, answer):
    for step in (1, 2, 3):
        await ctx.session.report_progress(step, 3)
    return "done"


async def wait(given, ctx, answer):
    try:
        await anyio.sleep_forever()
    except anyio.get_cancelled_exc_class():
        CANCELLED.add(given["key"])
        raise


async def was_cancelled(given, ctx, answer):
    return "true" if given["key"] in CANCELLED else "false"


async def change_tools(given, ctx, answer):
    await BUS.publish(ToolsListChanged())
    return "announced"


async def touch(given, ctx, answer):
    await BUS.publish(ResourceUpdated(uri=WATCHED))
    return "announced"


async def echo(given, ctx, answer):
    return given["message"]


async def list_tools(ctx, params):
    return types.ListToolsResult(tools=[types.Tool(**listed(name)) for name in TOOLS])


async def call_tool(ctx, params):
    answer = (params.input_responses or {}).get("answer")
    done = await globals()[params.name](params.arguments or {}, ctx, answer)
    return types.CallToolResult(content=[types.TextContent(text=done)]) if isinstance(done, str) else done


async def list_prompts(ctx, params):
    return types.ListPromptsResult(prompts=[types.Prompt(**PROMPT)])


async def get_prompt(ctx, params):
    content = types.TextContent(text=f"Greet {params.arguments['name']}.")
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])


async def list_resources(ctx, params):
    return types.ListResourcesResult(resources=[types.Resource(**each) for each in RESOURCES])


async def list_resource_templates(ctx, params):
    return types.ListResourceTemplatesResult(resource_templates=[types.ResourceTemplate(**TEMPLATE)])


async def read_resource(ctx, params):
    contents = types.TextResourceContents(uri=params.uri, mime_type="text/plain", text=text_of(str(params.uri)))
    return types.ReadResourceResult(contents=[contents])


async def complete(ctx, params):
    return types.CompleteResult(completion=types.Completion(values=completed(params.argument.value)))


async def set_level(ctx, params):
    return types.EmptyResult()


server = Server(
    "python-2",
    on_list_tools=list_tools,
    on_call_tool=call_tool,
    on_list_prompts=list_prompts,
    on_get_prompt=get_prompt,
    on_list_resources=list_resources,
    on_list_resource_templates=list_resource_templates,
    on_read_resource=read_resource,
    on_completion=complete,
    on_set_logging_level=set_level,
    on_subscriptions_listen=ListenHandler(BUS),
)

if __name__ == "__main__":
    uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
