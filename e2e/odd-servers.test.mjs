// Servers that behave in ways reported in public, behind the real program, used with the official TypeScript SDK: no
// tool acts twice, users are never stuck, lists do not wait for a server that hangs, and errors are explained.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { startGateway } from "./lib/gateway.mjs";
import { startOddUpstream } from "./lib/odd-upstream.mjs";
import { within } from "./lib/time.mjs";

const UNSURE = /may have carried the call out/;

describe("odd servers", () => {
  let gateway, key, count = 0;
  let parts = [];

  before(async () => {
    gateway = await startGateway();
    ({ key } = await create("api-keys", { name: "agents", role: "gateway" }));
  });

  afterEach(async () => {
    for (const part of parts.splice(0)) await part();
  });

  after(() => gateway?.stop());

  const create = (...of) => gateway.create(...of);
  const headers = () => ({ authorization: `Bearer ${key}`, "gatewright-user-id": "ada" });

  /** A separate gateway for servers that behave this way; returns how to use it. */
  async function behind(scripts, fields = {}) {
    count += 1;
    const odd = [];
    const servers = [];
    for (const [index, script] of [scripts].flat().entries()) {
      const upstream = await startOddUpstream(script);
      parts.push(() => upstream.stop());
      odd.push(upstream);
      servers.push((await create("servers", { slug: `odd-${count}-${index}`, url: upstream.url, ...fields })).id);
    }
    const made = await create("gateways", { name: `Odd ${count}`, slug: `odd-${count}`, authentication_mode: "headers", servers });
    const client = new Client({ name: "end-to-end", version: "1.0.0" });
    await client.connect(new StreamableHTTPClientTransport(new URL(made.url), { requestInit: { headers: headers() } }));
    parts.push(() => client.close());
    const names = async () => (await client.listTools()).tools.map(({ name }) => name);
    const act = async () => (await client.callTool({ name: "act", arguments: {} })).content[0].text;
    return { url: made.url, odd: odd[0], all: odd, servers, client, names, act };
  }

  const refused = (promise) => promise.then((value) => assert.fail(`it worked: ${JSON.stringify(value)}`), ({ message }) => message);

  test("a tool call that acted and then got a bad response acts once", async () => {
    const { odd, act } = await behind({});
    const own = (code, message) => `{"jsonrpc":"2.0","id":ID,"error":{"code":${code},"message":"${message}"}}`;
    for (const [status, body] of [
      [400, "bad"],
      [405, ""],
      [406, "Not Acceptable"],
      [404, own(-32601, "no such thing")],
      [400, own(-32000, "half done")],
      [400, own(-32022, "no such version")],
      [500, "boom"],
    ]) {
      odd.behaviour.call = { status, body };
      const before = odd.seen.acted;
      await refused(act());
      assert.equal(odd.seen.acted, before + 1, `${status} ${body}`);
    }
    odd.behaviour.call = undefined;
    assert.match(await act(), /done/, "and the next call works");
  });

  test("a session lost with any status is restarted by the next call", async () => {
    const { odd, act } = await behind({});
    await act();
    for (const status of [400, 401, 410, 500, 503]) {
      odd.behaviour.forget = status;
      odd.restart();
      const before = odd.seen.acted;
      await refused(act());
      assert.match(await act(), /done/, `${status}`);
      assert.equal(odd.seen.acted, before + 1, `${status}`);
    }
    odd.behaviour.forget = 404;
    odd.restart();
    assert.match(await act(), /done/, "by the standard nothing was done, so no one notices");
  });

  test("one server that hangs delays no list", async () => {
    const { names, all } = await behind([{}, { list: "silence" }]);
    for (const most of [2_000, 500, 500]) {
      const began = performance.now();
      assert.equal((await names()).length, 2);
      assert.ok(performance.now() - began < most, `${performance.now() - began} ms`);
    }
    all[1].behaviour.list = undefined;
  });

  for (const discover of ["500", "close", "silence"]) {
    test(`a server that answers discovery with ${discover} is asked in the older era`, async () => {
      const { names, act } = await behind({ discover });
      assert.deepEqual(await names(), ["act", "echo"]);
      assert.match(await act(), /done/);
    });
  }

  test("a notification answered with an open stream, old versions, a ping before the list", async () => {
    for (const script of [
      { initialized: "stream" },
      { versions: ["2025-03-26", "2024-11-05"] },
      { versions: ["2024-11-05"] },
      { version: "2024-11-05" },
      { ping: true },
    ]) {
      const { names, act, odd } = await behind(script);
      const began = performance.now();
      assert.deepEqual(await names(), ["act", "echo"], JSON.stringify(script));
      assert.match(await act(), /done/);
      assert.ok(performance.now() - began < 2_000, JSON.stringify(script));
      assert.equal(odd.seen.pongs > 0, Boolean(script.ping));
    }
  });

  test("a stream that breaks says that the call may have been carried out", async () => {
    const { odd, act } = await behind({ call: "break" });
    assert.match(await refused(act()), UNSURE);
    assert.equal(odd.seen.acted, 1);
  });

  test("errors name a redirect, to users and to administrators", async () => {
    for (const [script, words] of [
      [{ redirect: "https://elsewhere.example.com/in?token=hush" }, /https:\/\/elsewhere\.example\.com/],
      [{ redirect: "/mcp/" }, /slash at its end/],
    ]) {
      const { names, servers } = await behind(script);
      const told = await refused(names());
      assert.match(told, words);
      const check = await gateway.api("POST", `${gateway.project}/servers/${servers[0]}/check`, {});
      assert.match(JSON.stringify(check), words);
      assert.doesNotMatch(told + JSON.stringify(check), /hush/);
    }
  });

  test("five megabytes of arguments get their refusal, with a good token and without", async () => {
    const { url } = await behind({});
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "act", arguments: { text: "x".repeat(5 << 20) } } });
    const send = (sent, more) => fetch(url, { method: "POST", headers: { "content-type": "application/json", ...more }, body: sent });
    for (let round = 0; round < 3; round += 1) {
      const answer = await send(body, headers());
      assert.equal(answer.status, 413);
      const { jsonrpc, error } = await answer.json();
      assert.deepEqual([jsonrpc, error.code], ["2.0", -32600]);
      assert.match(error.message, /4 MiB/);
      const stranger = await send(body.slice(0, 4 << 20), {});
      assert.equal(stranger.status, 401);
      await stranger.text();
    }
  });

  test("the session with a removed server is ended there", async () => {
    const { odd, act, servers } = await behind({});
    await act();
    const { session } = odd.seen;
    await gateway.api("PATCH", `${gateway.project}/servers/${servers[0]}`, { timeout_ms: 30_000 });
    await act();
    assert.notEqual(odd.seen.session, session);
    await within(5_000, () => odd.seen.ended.includes(session), () => `the session is still there: ${odd.seen.ended.join()}`);
    assert.ok(!odd.seen.ended.includes(odd.seen.session));
  });
});
