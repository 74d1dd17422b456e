// An MCP server of 2026-07-28 with the extension `io.modelcontextprotocol/tasks`: the tools that the official conformance suite
// asks for. Each user, identified by the gateway's assertion, has tasks numbered from 1, so that two users have tasks of one ID.

import { createServer } from "node:http";
import { bodyOf, listen } from "./listen.mjs";

const JSON_BODY = { "content-type": "application/json" };
const EXTENSION = "io.modelcontextprotocol/tasks";
const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";
const HINT = { ttlMs: 300_000, cacheScope: "public" };
const COMPLETE = { resultType: "complete" };

const text = (value, more = {}) => ({ content: [{ type: "text", text: value }], ...more });
const elicit = (message) => ({
  method: "elicitation/create",
  params: { mode: "form", message, requestedSchema: { type: "object", properties: { confirm: { type: "boolean" } } } },
});

/** What each tool that works as a task does: after how many seconds it ends and how, and what it asks before. */
const JOBS = {
  slow_compute: ({ seconds = 0 }) => ({ seconds, result: { ...text(`Computed for ${seconds} seconds`), resultType: "complete" } }),
  failing_job: () => ({ seconds: 0.2, result: text("It failed.", { isError: true, resultType: "complete" }) }),
  protocol_error_job: () => ({ seconds: 0.2, error: { code: -32603, message: "It broke." } }),
  confirm_delete: () => ({ asks: { confirm: elicit("Delete it?") }, result: text("It is deleted.", { resultType: "complete" }) }),
  multi_input: () => ({ asks: { first: elicit("First?"), second: elicit("Second?") }, result: text("Both are known.", { resultType: "complete" }) }),
};

/** The tool that asks for input before it begins a task. */
const ASKS_FIRST = "test_tool_with_task";

/** Tools that need a client that can follow tasks. */
const REQUIRED = ["failing_job"];

const inputSchema = { type: "object" };
const TOOLS = ["greet", ASKS_FIRST, ...Object.keys(JOBS)].map((name) => ({ name, description: name, inputSchema }));

/** The parameter that `Mcp-Name` repeats. */
const NAMED = { "tools/call": "name", "tasks/get": "taskId", "tasks/update": "taskId", "tasks/cancel": "taskId" };

class RpcError extends Error {
  constructor(code, message, data) {
    super(message);
    Object.assign(this, { code, data });
  }
}

const notDeclared = () =>
  new RpcError(-32021, "Missing required client capability", { requiredCapabilities: { extensions: { [EXTENSION]: {} } } });

/** One task. */
class Task {
  constructor(taskId, { seconds = 0, asks = {}, ...outcome }) {
    const now = new Date().toISOString();
    const status = Object.keys(asks).length > 0 ? "input_required" : "working";
    Object.assign(this, { taskId, seconds, asks, outcome, status, createdAt: now, lastUpdatedAt: now, listeners: new Set() });
    if (status === "working") this.work();
  }

  state() {
    const { taskId, status, createdAt, lastUpdatedAt } = this;
    return { taskId, status, createdAt, lastUpdatedAt, ttlMs: null, pollIntervalMs: 50, "com.example/kept": 1.5 };
  }

  detailed() {
    const more = this.status === "input_required" ? { inputRequests: this.asks } : this.isDone ? this.outcome : {};
    return { ...this.state(), ...more };
  }

  get isDone() {
    return ["completed", "failed"].includes(this.status);
  }

  become(status) {
    Object.assign(this, { status, lastUpdatedAt: new Date().toISOString() });
    for (const tell of this.listeners) tell(this.detailed());
  }

  work() {
    if (this.status !== "working") this.become("working");
    const end = () => this.become(this.outcome.error ? "failed" : "completed");
    this.timer = setTimeout(() => this.status === "working" && end(), this.seconds * 1_000).unref();
  }

  answer(responses) {
    for (const key of Object.keys(responses)) delete this.asks[key];
    if (this.status === "input_required" && Object.keys(this.asks).length === 0) this.work();
  }

  cancel() {
    if (this.isDone || this.status === "cancelled") return;
    clearTimeout(this.timer);
    this.become("cancelled");
  }
}

/** Who the gateway says is asking. */
function userOf(request) {
  const assertion = request.headers["gatewright-assertion"];
  return assertion ? JSON.parse(Buffer.from(assertion.split(".")[1], "base64url")).sub : "nobody";
}

/** Starts it on a free port. `received` has what it was asked about tasks: method, user and ID. */
export async function startTaskServer() {
  const tasks = new Map();
  const counts = new Map();
  const received = [];

  const create = (user, job) => {
    const count = (counts.get(user) ?? 0) + 1;
    counts.set(user, count);
    const task = new Task(String(count), job);
    tasks.set(`${user}/${task.taskId}`, task);
    return task;
  };
  const found = (user, taskId) => {
    const task = tasks.get(`${user}/${taskId}`);
    if (!task) throw new RpcError(-32602, "Task not found");
    return task;
  };
  const call = (user, { name, arguments: given = {}, inputResponses, requestState }, follows) => {
    if (name === "greet") return { ...COMPLETE, ...text(`Hello, ${given.name}!`) };
    if (name === ASKS_FIRST && !inputResponses) {
      return { resultType: "input_required", inputRequests: { begin: elicit("Begin?") }, requestState: "first round" };
    }
    if (name === ASKS_FIRST && requestState !== "first round") throw new RpcError(-32602, "Unknown state");
    const said = { result: text(JSON.stringify(inputResponses), { resultType: "complete" }) };
    const job = name === ASKS_FIRST ? said : JOBS[name]?.(given);
    if (!job) throw new RpcError(-32602, `Unknown tool: ${name}`);
    if (!follows && REQUIRED.includes(name)) throw notDeclared();
    if (!follows) return job.result;
    return { resultType: "task", ...create(user, job).state() };
  };
  const about = (user, method, { taskId, inputResponses = {} }) => {
    received.push({ method, user, taskId });
    const task = found(user, taskId);
    if (method === "tasks/get") return { ...COMPLETE, ...task.detailed() };
    if (method === "tasks/update") task.answer(inputResponses);
    if (method === "tasks/cancel") task.cancel();
    return COMPLETE;
  };
  const answer = (user, method, params) => {
    const declared = params._meta?.[CAPABILITIES];
    if (!declared) throw new RpcError(-32602, "no capabilities");
    const follows = Boolean(declared.extensions?.[EXTENSION]);
    switch (method) {
      case "server/discover":
        return { ...COMPLETE, ...HINT, supportedVersions: ["2026-07-28"], capabilities: { tools: {}, extensions: { [EXTENSION]: {} } } };
      case "tools/list":
        return { ...COMPLETE, ...HINT, tools: TOOLS };
      case "tools/call":
        return call(user, params, follows);
      case "tasks/get":
      case "tasks/update":
      case "tasks/cancel":
        if (!follows) throw notDeclared();
        return about(user, method, params);
      default:
        throw new RpcError(-32601, "Method not found");
    }
  };

  /** Streams the states of the tasks that a subscription names. */
  const tell = (response, id, user, { notifications, _meta }) => {
    const ids = notifications.taskIds ?? [];
    if (ids.length > 0 && !_meta[CAPABILITIES].extensions?.[EXTENSION]) throw notDeclared();
    response.writeHead(200, { "content-type": "text/event-stream" });
    const meta = { "io.modelcontextprotocol/subscriptionId": id };
    const send = (method, params) =>
      response.write(`data: ${JSON.stringify({ jsonrpc: "2.0", method, params: { _meta: meta, ...params } })}\n\n`);
    const known = ids.map((taskId) => tasks.get(`${user}/${taskId}`)).filter(Boolean);
    const honored = known.length > 0 ? { taskIds: known.map(({ taskId }) => taskId) } : {};
    send("notifications/subscriptions/acknowledged", { notifications: honored });
    const listener = (state) => send("notifications/tasks", state);
    for (const { listeners } of known) listeners.add(listener);
    response.on("close", () => known.forEach(({ listeners }) => listeners.delete(listener)));
  };

  const server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    const { id, method, params = {} } = body ? JSON.parse(body) : {};
    if (id === undefined) return response.writeHead(202).end();
    const user = userOf(request);
    const reply = (status, outcome) => response.writeHead(status, JSON_BODY).end(JSON.stringify({ jsonrpc: "2.0", id, ...outcome }));
    try {
      const named = NAMED[method] && params[NAMED[method]];
      if (request.headers["mcp-method"] !== method || request.headers["mcp-name"] !== named) throw new RpcError(-32020, "Header mismatch");
      if (method === "subscriptions/listen") return tell(response, id, user, params);
      return reply(200, { result: answer(user, method, params) });
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      const status = [-32020, -32021].includes(error.code) ? 400 : error.code === -32601 ? 404 : 200;
      return reply(status, { error: { code: error.code, message: error.message, data: error.data } });
    }
  });
  const { origin, stop } = await listen(server);
  return { url: `${origin}/mcp`, stop, received };
}
