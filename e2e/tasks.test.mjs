// Tasks through a gateway: those of 2025-11-25 with version 1 of the official TypeScript SDK as client and server, and the
// extension of 2026-07-28 with the scenarios of the official conformance suite and plain requests.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CallToolResultSchema, ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { passed } from "./conformance/measure.mjs";
import { runSuite } from "./conformance/suite.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { startHeaderRelay } from "./lib/header-relay.mjs";
import { startSessionTaskServer } from "./lib/session-task-server.mjs";
import { startTaskServer } from "./lib/task-server.mjs";

const SUITE = "@modelcontextprotocol/conformance";
/** The scenarios of the extension, except one that the suite itself skips. */
const SCENARIOS = [
  "tasks-lifecycle",
  "tasks-capability-negotiation",
  "tasks-wire-fields",
  "tasks-request-state-removal",
  "tasks-mrtr-input",
  "tasks-request-headers",
  "tasks-dispatch-and-envelope",
  "tasks-required-task-error",
  "tasks-mrtr-composition",
];
const FOLLOWS = { extensions: { "io.modelcontextprotocol/tasks": {} } };

describe("tasks", () => {
  const parts = [];
  const urls = {};
  let key;
  let tasks;

  before(async () => {
    const kept = async (starting) => {
      const part = await starting;
      parts.unshift(part);
      return part;
    };
    const gateway = await kept(startGateway());
    ({ key } = await gateway.create("api-keys", { name: "tasks", role: "gateway" }));
    tasks = await kept(startTaskServer());
    const sessions = await kept(startSessionTaskServer());
    const servers = { stateless: { url: tasks.url, identity: "assertion" }, sessions: { url: sessions.url } };
    for (const [name, server] of Object.entries(servers)) {
      const { id } = await gateway.create("servers", { slug: `tasks-${name}`, ...server });
      for (const slug of [`tasks-${name}`, `tasks-${name}-other`]) {
        urls[slug] = (await gateway.create("gateways", { name: slug, slug, authentication_mode: "headers", servers: [id] })).url;
      }
    }
    urls.direct = tasks.url;
    urls.open = (await kept(startHeaderRelay(urls["tasks-stateless"], headersOf("suite")))).url;
  });

  after(async () => {
    for (const part of parts) await part.stop();
  });

  const headersOf = (user) => ({ authorization: `Bearer ${key}`, "gatewright-user-id": user });

  /** A client of 2025-11-25. */
  async function connect(user, { capabilities = {}, slug = "tasks-sessions" } = {}) {
    const client = new Client({ name: "follower", version: "1.0.0" }, { capabilities });
    if (capabilities.elicitation) client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: { name: "Ada" } }));
    await client.connect(new StreamableHTTPClientTransport(new URL(urls[slug]), { requestInit: { headers: headersOf(user) } }));
    await client.listTools();
    return client;
  }

  /** Calls a tool as a task; everything that is said of it. */
  async function follow(client, name) {
    const said = [];
    const stream = client.experimental.tasks.callToolStream({ name, arguments: {} }, CallToolResultSchema, { task: { ttl: 60_000 } });
    for await (const message of stream) said.push(message);
    return said;
  }

  /** Calls a tool as a task and does not wait for it; its ID. */
  async function begin(client, name) {
    const stream = client.experimental.tasks.callToolStream({ name, arguments: {} }, CallToolResultSchema, { task: { ttl: 60_000 } });
    const { value } = await stream.next();
    await stream.return();
    assert.equal(value.type, "taskCreated");
    return value.task.taskId;
  }

  test("a client and a server of 2025-11-25 follow a task to its end", async () => {
    const client = await connect("ada");
    const declared = client.getServerCapabilities();
    assert.deepEqual(declared.tasks, { list: {}, cancel: {}, requests: { tools: { call: {} } } });
    const said = await follow(client, "quick");
    assert.equal(said[0].type, "taskCreated");
    assert.match(said[0].task.taskId, /^v1\./);
    const { result } = said.at(-1);
    assert.equal(result.content[0].text, "It is done.");
    assert.equal(result._meta["io.modelcontextprotocol/related-task"].taskId, said[0].task.taskId);
    await client.close();
  });

  test("a task asks its client for input", async () => {
    const client = await connect("ada", { capabilities: { elicitation: {} } });
    const said = await follow(client, "ask");
    assert.equal(said.at(-1).result?.content[0].text, "Hello, Ada!", JSON.stringify(said));
    await client.close();
  });

  test("users list, get and cancel their own tasks only", async () => {
    const [ada, also, bob, elsewhere] = await Promise.all([
      connect("ada"),
      connect("ada"),
      connect("bob"),
      connect("ada", { slug: "tasks-sessions-other" }),
    ]);
    const [hers, his] = [await begin(ada, "endless"), await begin(bob, "endless")];
    const listed = async (client) => (await client.experimental.tasks.listTasks()).tasks.map(({ taskId }) => taskId);
    assert.ok((await listed(ada)).includes(hers) && !(await listed(ada)).includes(his));
    assert.deepEqual(await listed(bob), [his]);
    assert.deepEqual(await listed(elsewhere), []);
    for (const client of [bob, elsewhere]) {
      await assert.rejects(client.experimental.tasks.getTask(hers), /not issued by this gateway to this user/);
      await assert.rejects(client.experimental.tasks.cancelTask(hers), /not issued by this gateway to this user/);
    }
    // This server knows a task only within the session it was begun in, and another client has another one.
    await assert.rejects(also.experimental.tasks.getTask(hers), (error) => !/not issued/.test(error.message));
    assert.equal((await ada.experimental.tasks.cancelTask(hers)).status, "cancelled");
    assert.equal((await ada.experimental.tasks.getTask(hers)).taskId, hers);
    await Promise.all([ada, also, bob, elsewhere].map((client) => client.close()));
  });

  /** A request of a client of 2026-07-28; its status and message. */
  async function ask(user, method, params, { slug = "tasks-stateless", declares = FOLLOWS } = {}) {
    const meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": declares };
    const name = params.taskId ?? params.name;
    const headers = { "content-type": "application/json", "mcp-protocol-version": "2026-07-28", "mcp-method": method, ...headersOf(user) };
    const response = await fetch(urls[slug], {
      method: "POST",
      headers: { ...headers, accept: "application/json, text/event-stream", ...(name ? { "mcp-name": name } : {}) },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: meta } }),
    });
    return response;
  }

  const asked = async (...request) => (await ask(...request)).json();

  test("two users with tasks of one ID at one server never cross", async () => {
    const call = { name: "slow_compute", arguments: { seconds: 60 } };
    const begun = await Promise.all(["carol", "dave"].map((user) => asked(user, "tools/call", call)));
    const [hers, his] = begun.map(({ result }) => result.taskId);
    assert.notEqual(hers, his);
    assert.equal(begun[0].result["com.example/kept"], 1.5);
    assert.equal((await asked("carol", "tasks/cancel", { taskId: hers })).result.resultType, "complete");
    assert.equal((await asked("carol", "tasks/get", { taskId: hers })).result.status, "cancelled");
    assert.equal((await asked("dave", "tasks/get", { taskId: his })).result.status, "working");
    const before = tasks.received.length;
    for (const [user, taskId, slug] of [
      ["carol", his],
      ["dave", hers],
      ["carol", "1"],
      ["carol", `${hers.slice(0, -1)}${hers.endsWith("A") ? "B" : "A"}`],
      ["carol", hers, "tasks-stateless-other"],
    ]) {
      for (const method of ["tasks/get", "tasks/update", "tasks/cancel"]) {
        const { error } = await asked(user, method, { taskId, inputResponses: {} }, { slug });
        assert.equal(error.code, -32602);
        assert.match(error.message, /not issued by this gateway to this user/);
      }
    }
    assert.equal(tasks.received.length, before, "no such request reached the server");
    // The subject of an assertion begins with the project.
    const users = tasks.received.map(({ user, taskId }) => `${user.split("|").at(-1)}/${taskId}`);
    assert.deepEqual([...new Set(users)].sort(), ["carol/1", "dave/1"]);
  });

  test("a client is notified of the states of the tasks that it names", async () => {
    const { result } = await asked("erin", "tools/call", { name: "confirm_delete" });
    const taskId = result.taskId;
    const response = await ask("erin", "subscriptions/listen", { notifications: { taskIds: [taskId, "1"] } });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    const next = async () => {
      for (;;) {
        const found = /^data: (.+)\n\n/m.exec(text);
        if (found) {
          text = text.slice(found.index + found[0].length);
          return JSON.parse(found[1]);
        }
        const { value, done } = await reader.read();
        assert.ok(!done, "the stream goes on");
        text += value;
      }
    };
    assert.deepEqual((await next()).params.notifications, { taskIds: [taskId] });
    await asked("erin", "tasks/update", { taskId, inputResponses: { confirm: { action: "accept", content: { confirm: true } } } });
    const states = [await next(), await next()].map(({ method, params }) => [method, params.taskId, params.status]);
    assert.deepEqual(states, [
      ["notifications/tasks", taskId, "working"],
      ["notifications/tasks", taskId, "completed"],
    ]);
    await reader.cancel();
  });

  for (const scenario of SCENARIOS) {
    test(`the official suite finds no difference between a server and a gateway: ${scenario}`, async () => {
      const run = { folder: SUITE, args: ["--scenario", scenario] };
      const direct = await runSuite(run, urls.direct);
      const through = await runSuite(run, urls.open);
      const checks = [...direct.get(scenario).keys()];
      assert.ok(checks.length > 0);
      for (const check of checks) {
        assert.ok(passed(direct, scenario, check), `directly: ${check}: ${JSON.stringify(direct.get(scenario).get(check))}`);
        assert.ok(passed(through, scenario, check), `${check}: ${JSON.stringify(through.get(scenario)?.get(check))}`);
      }
    });
  }
});
