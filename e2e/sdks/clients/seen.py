"""What the clients in Python have in common: they take servers and primitives, and print what they see.

Usage of each: python_1.py <json>, where the JSON has `urls` by the name of a server, `headers`, and `primitives`. It prints one JSON object:
what was seen by server and primitive; what failed begins with `failed: `.
"""

import asyncio
import json
import sys
import time

# How long a client waits for what it is told, and how often it has the server tell it again, in seconds.
PATIENCE, AGAIN = 15, 0.25
# How long it waits for log messages after the answer.
AFTER = 2
WATCHED = "memo://watched"


def said(result):
    """The text of a tool's result."""
    return ",".join(part.text for part in result.content)


async def repeated(act, seen, patience=PATIENCE):
    """Repeats `act` until `seen` returns something, because streams exist a moment later than what they could carry first."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        await act()
        await asyncio.sleep(AGAIN)
        found = seen()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
    raise TimeoutError(f"nothing came within {patience} s")


def first_cause(error):
    """The innermost error of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"failed: {type(error).__name__}: {error}"


async def observe(connected, sees, primitives):
    """What a connected client sees of each primitive that it has."""
    seen = {}
    for primitive in primitives:
        if primitive in sees:
            try:
                seen[primitive] = await sees[primitive](connected)
            except Exception as error:
                seen[primitive] = first_cause(error)
    return seen


def main(connect, sees):
    """Runs what the only argument asks for; `connect(url, headers)` is a context manager."""

    async def every(job):
        seen = {}
        for server, url in job["urls"].items():
            try:
                async with connect(url, job["headers"]) as connected:
                    seen[server] = await observe(connected, sees, job["primitives"])
            except Exception as error:
                seen[server] = {primitive: first_cause(error) for primitive in job["primitives"]}
        print(json.dumps(seen), flush=True)

    asyncio.run(every(json.loads(sys.argv[1])))
