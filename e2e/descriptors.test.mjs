// One person's slow calls on a machine with a low limit of open files: everyone else is served as before.

import assert from "node:assert/strict";
import { Agent } from "node:http";
import { after, before, describe, test } from "node:test";
import { startGateway } from "./lib/gateway.mjs";
import { callTool, startSlowServer } from "./lib/slow-server.mjs";
import { pause } from "./lib/time.mjs";

/** The limit of open files: a tenth of what the calls of one person would need. */
const OPEN_FILES = 400;
const CALLS = 500;

describe("descriptors", () => {
  let gateway, upstream, url, key;
  const agent = new Agent({ keepAlive: false, maxSockets: Infinity });
  const open = [];

  /** Calls a tool as a person; returns the status once the head has arrived. */
  const call = (user, name) => callTool(url, { key, user, name, agent, open });

  before(async () => {
    upstream = await startSlowServer();
    gateway = await startGateway({ wrapper: ["sh", "-c", `ulimit -n ${OPEN_FILES}; exec "$@"`, "sh"] });
    await gateway.create("servers", { slug: "slow", url: upstream.url, timeout_ms: 60_000 });
    ({ url } = await gateway.create("gateways", {
      name: "Slow",
      slug: "slow",
      authentication_mode: "headers",
    }));
    ({ key } = await gateway.create("api-keys", { name: "slow", role: "gateway" }));
    assert.equal((await call("bob", "quick")).status, 200);
  });
  after(async () => {
    for (const each of open) each.destroy();
    await gateway?.stop();
    upstream?.stop();
  });

  test("a limit that is too low is reported at start, with the number of connections that fit", () => {
    assert.match(gateway.log(), /may open only 400 files and connections, so it accepts 66 connections/);
  });

  test("five hundred slow calls of one person leave others served", async () => {
    const answered = [];
    for (let sent = 0; sent < CALLS; sent += 1) call("ada", "slow").then((answer) => answered.push(answer));
    const deadline = Date.now() + 30_000;
    const began = performance.now();
    const other = await call("bob", "quick");
    assert.equal(other.status, 200);
    assert.ok(performance.now() - began < 10_000, "another person waited");
    while (answered.length < CALLS - 64 && Date.now() < deadline) await pause(50);
    const refused = answered.filter(({ status }) => status === 429);
    assert.ok(refused.length >= CALLS - 72, `${refused.length} of ${CALLS} were refused`);
    assert.ok(refused.every(({ retryAfter }) => retryAfter === "1"));
    assert.ok(upstream.waiting.size <= 27, `${upstream.waiting.size} calls reached the server`);
    assert.equal((await fetch(`${gateway.url}/readyz`)).status, 200);
    assert.equal((await call("bob", "quick")).status, 200);
    assert.doesNotMatch(gateway.log(), /no connection can be accepted/);
  });
});
