// A rolling restart behind nginx, with the guide's configuration unchanged: two replicas are stopped and started
// one after the other while clients of the official TypeScript SDK call a tool; no call is lost and none acts twice. Signals
// do what the guide says.

import assert from "node:assert/strict";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { createProject } from "./lib/api.mjs";
import { continuously } from "./lib/continuous.mjs";
import { adminInit, configure, startReplica } from "./lib/gateway.mjs";
import { blocks, filledIn } from "./lib/guide.mjs";
import { startNginx } from "./lib/nginx.mjs";
import { startOddUpstream } from "./lib/odd-upstream.mjs";
import { freePort, start } from "./lib/process.mjs";
import { within } from "./lib/time.mjs";

/** How often each replica is restarted. */
const ROUNDS = 3;

/** How many calls complete before and after each step of a restart. */
const SOME = 40;

/** Enough that nginx has several connections to each replica. */
const CLIENTS = 8;

/** The default: the guide's nginx relies on it. */
const DRAIN = { GATEWRIGHT__SERVER__DRAIN_SECONDS: "5" };
const NO_DRAIN = { GATEWRIGHT__SERVER__DRAIN_SECONDS: "0" };

describe("a rolling restart behind the nginx of the guide", () => {
  let made, upstream, key, url;
  const replicas = [];
  const parts = [];

  /** A replica with its own port; nginx has the port of the public URL. */
  const replica = () => startReplica(made, { env: DRAIN });

  async function end(each, signal) {
    assert.equal(await each.stop(signal), 0, each.log());
  }

  before(async () => {
    made = await configure({ store: "postgres" });
    upstream = await startOddUpstream();
    const instanceKey = await adminInit(made);
    replicas.push(await replica(), await replica());
    const { create } = await createProject(replicas[0].origin, instanceKey);
    const server = await create("servers", { slug: "acts", name: "Acts", url: upstream.url });
    await create("gateways", { name: "Agents", slug: "agents", authentication_mode: "headers", servers: [server.id] });
    ({ key } = await create("api-keys", { name: "agents", role: "gateway" }));
    url = `${made.url}/mcp/agents`;
    // The other replica has seen none of this, and knows it only after reading it.
    await replicas[1].restart();
  });

  /** Starts nginx with the guide's file, changed by `change`, at the port of `origin`. */
  async function nginx(origin, change = (text) => text) {
    const [balanced] = await blocks("replicas", "nginx", "## The load balancer");
    const [server] = await blocks("tls", "nginx", "## nginx");
    const plain = server.replace(/^\s*ssl_certificate.*\n/gm, "");
    const filled = filledIn(`${change(balanced)}\n${plain}`, {
      "10.0.0.11:8080": replicas[0].listen,
      "10.0.0.12:8080": replicas[1].listen,
      "listen 443 ssl": `listen ${new URL(origin).host}`,
      "http://127.0.0.1:8080": "http://gatewright",
    });
    const running = await startNginx(filled, { readyUrl: `${origin}/healthz` });
    parts.push(() => running.stop());
    return running;
  }

  /** Clients that call the tool repeatedly at this URL, and how often it has acted since. */
  async function calling(at) {
    const headers = { authorization: `Bearer ${key}`, "gatewright-user-id": "ada-1815" };
    const clients = [];
    for (let index = 0; index < CLIENTS; index += 1) {
      const client = new Client({ name: "rolling", version: "1" });
      await client.connect(new StreamableHTTPClientTransport(new URL(at), { requestInit: { headers } }));
      parts.push(() => client.close());
      clients.push(client);
    }
    const before = upstream.seen.acted;
    const act = async (index) => {
      const { content, isError } = await clients[index % CLIENTS].callTool({ name: "act", arguments: {} });
      assert.ok(!isError, JSON.stringify(content));
    };
    return { ...continuously(act, { parallel: CLIENTS, limit: 500_000 }), acted: () => upstream.seen.acted - before };
  }

  after(async () => {
    for (const part of parts.reverse()) await part();
    for (const each of replicas) await each.stop();
    upstream?.stop();
    if (made) await rm(made.folder, { recursive: true, force: true });
  });

  test("loses no call, and none acts twice", async () => {
    const proxy = await nginx(made.url);
    const calls = await calling(url);
    await calls.more(SOME);
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const each of replicas) {
        await end(each, round === 1 ? "SIGQUIT" : "SIGTERM");
        await calls.more(SOME);
        await each.begin();
        await calls.more(SOME);
      }
    }
    const failures = await calls.stop();
    // Replicas were down, and nginx has seen that; it has seen no other errors.
    const errors = (await proxy.errors()).trim().split("\n");
    const refused = errors.filter((line) => line.includes("connect() failed (111: Connection refused)"));
    const others = errors.filter((line) => !refused.includes(line));
    assert.deepEqual([...failures.map(String), ...others], []);
    assert.notEqual(refused.length, 0);
    assert.ok(calls.acted() >= calls.done() && calls.acted() <= calls.done() + failures.length, "a call acted twice");
  });

  test("without max_fails=0 the same restart is an outage", async () => {
    const origin = `http://127.0.0.1:${await freePort()}`;
    const proxy = await nginx(origin, (text) => text.replaceAll(" max_fails=0", ""));
    for (const each of replicas) {
      await end(each);
      await each.begin(NO_DRAIN);
    }
    const calls = await calling(`${origin}/mcp/agents`);
    for (const each of replicas) {
      await end(each);
      await calls.more(SOME);
      await each.begin();
    }
    assert.notEqual((await calls.stop()).length, 0);
    assert.match(await proxy.errors(), /no live upstreams/);
  });

  test("SIGHUP never ends a replica and changes the level of its log", async () => {
    const [each] = replicas;
    const before = each.log();
    assert.ok(!before.includes("the level of the log was read again"));
    each.running().child.kill("SIGHUP");
    await within(5_000, () => each.log().includes("the level of the log was read again"), () => `it was not read:\n${each.log()}`);
    assert.equal((await fetch(`${each.origin}/readyz`)).status, 200);
  });

  test("SIGHUP does not end a process that still waits for its database", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const database = `postgres://nobody:none@127.0.0.1:${silent.address().port}/none`;
    const env = { GATEWRIGHT__DATABASE__URL: database, GATEWRIGHT__SERVER__LISTEN: `127.0.0.1:${await freePort()}` };
    const asked = once(silent, "connection");
    const starting = await start(made.program, ["serve", ...made.config], { env });
    const [connection] = await asked;
    starting.child.kill("SIGHUP");
    // The first of the two that happens is how it ended.
    assert.equal(await starting.stop(), "SIGTERM", starting.output());
    connection.destroy();
    silent.close();
  });

  test("while it drains it says so to load balancers and keeps serving", async () => {
    const [each] = replicas;
    each.running().child.kill("SIGTERM");
    const told = async () => {
      const answer = await fetch(`${each.origin}/readyz`);
      return [answer.status, (await answer.json()).status];
    };
    await within(2_000, async () => (await told())[0] !== 200, "it says that it is ready");
    assert.deepEqual(await told(), [503, "stopping"]);
    assert.equal((await fetch(`${each.origin}/healthz`)).status, 200);
    assert.match(await (await fetch(`${each.origin}/metrics`)).text(), /^gatewright_ready 0$/m);
    assert.equal(await each.running().exited, 0, each.log());
    await each.begin();
  });
});
