// Traces, metrics and logs as a collector receives them: of a real sign-in and of real calls, with the client's trace, without secrets, while the
// collector is down and after it is back, and through a real collector.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { accessToken } from "./lib/access-token.mjs";
import { sourceFields } from "./lib/api.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { mcpHeaders, mcpMessage, toolCall } from "./lib/mcp.mjs";
import { freePort, run, start } from "./lib/process.mjs";
import { startProvider } from "./lib/provider.mjs";
import { startStatelessServer } from "./lib/stateless-server.mjs";
import { within } from "./lib/time.mjs";

const PYTHON = process.env.GATEWRIGHT_TEST_PYTHON ?? "/usr/bin/python3";
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";
const CANARY = "canary-that-no-collector-may-see";
/** The kinds of spans in OTLP's JSON. */
const [SERVER, CLIENT] = ["SPAN_KIND_SERVER", "SPAN_KIND_CLIENT"];

/** A receiver that decodes what arrives with PyPI's opentelemetry-proto. */
async function startReceiver() {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const running = await start(PYTHON, ["-u", join(import.meta.dirname, "lib/otlp_receiver.py"), String(port)], {});
  await within(10_000, () => /ready/.test(running.output()), () => `the receiver is not ready: ${running.output()}`);
  const received = async () => (await fetch(`${url}/received`)).json();
  const all = async (path, resources, scopes, items) =>
    (await received())
      .filter((each) => each.path === path)
      .flatMap(({ message }) => message[resources] ?? [])
      .flatMap((resource) => resource[scopes])
      .flatMap((scope) => scope[items]);
  return {
    url,
    received,
    spans: async () => (await all("/v1/traces", "resourceSpans", "scopeSpans", "spans")).map(readable),
    logs: async () => (await all("/v1/logs", "resourceLogs", "scopeLogs", "logRecords")).map(readable),
    metrics: () => all("/v1/metrics", "resourceMetrics", "scopeMetrics", "metrics"),
    answerWith: (status) => fetch(`${url}/answer/${status}`, { method: "PUT" }),
    stop: running.stop,
  };
}

/** A real collector, rotel from PyPI, which passes on what it accepts to a receiver. */
async function startCollector(receiver) {
  const found = await run(PYTHON, ["-c", "import rotel; print(rotel.__file__)"]);
  const agent = join(dirname(found.trim()), "rotel-agent");
  const [http, grpc] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${http}`;
  const words = ["start", "--otlp-http-endpoint", `127.0.0.1:${http}`, "--otlp-grpc-endpoint", `127.0.0.1:${grpc}`];
  const to = ["--exporter", "otlp", "--otlp-exporter-endpoint", receiver.url, "--otlp-exporter-protocol", "http"];
  const running = await start(agent, [...words, ...to], {});
  const answers = () => fetch(url).then(() => true, () => false);
  await within(10_000, answers, () => `the collector is not ready: ${running.output()}`);
  return { url, stop: running.stop };
}

/** IDs as text, and attributes as an object. */
function readable({ traceId, spanId, parentSpanId, attributes = [], ...rest }) {
  const hex = (id) => id && Buffer.from(id, "base64").toString("hex");
  const plain = ({ key, value }) => [key, Object.values(value)[0]];
  return {
    ...rest,
    traceId: hex(traceId),
    spanId: hex(spanId),
    parentSpanId: hex(parentSpanId),
    attributes: Object.fromEntries(attributes.map(plain)),
  };
}

/** A gateway that sends to a collector, a provider, and a server that keeps what it is sent. */
async function begin(t, { endpoint, more = {} }) {
  const running = [];
  t.after(async () => {
    for (const each of running.reverse()) await each.stop();
  });
  const add = async (starting) => {
    const started = await starting;
    running.push(started);
    return started;
  };
  const calls = [];
  const upstream = await add(
    startStatelessServer({
      list: () => ({ ttlMs: 60_000, cacheScope: "public", tools: [{ name: "add", inputSchema: { type: "object" } }] }),
      call: ({ params, request, reply }) => {
        calls.push({ params, headers: request.headers });
        reply({ content: [{ type: "text", text: CANARY }], isError: params.arguments.fails === true });
      },
    }),
  );
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_EXPORTER_OTLP_HEADERS: `x-key=${CANARY}-header`,
    OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=tests",
    GATEWRIGHT__OTLP__INTERVAL_SECONDS: "1",
    GATEWRIGHT__OTLP__METRICS_INTERVAL_SECONDS: "1",
    ...more,
  };
  const gateway = await add(startGateway({ env, outbound: 'allow = ["127.0.0.0/8"]' }));
  const provider = await add(startProvider({ redirectUri: gateway.callback }));
  const { create } = gateway;
  const source = await create("user-sources", sourceFields(provider));
  const server = await create("servers", {
    slug: "sums",
    url: upstream.url,
    headers: [{ name: "x-secret", value: `${CANARY}-of-server` }],
  });
  const made = await create("gateways", {
    name: "Traced",
    slug: "traced",
    authentication_mode: "user_source",
    user_source_id: source.id,
    servers: [server.id],
  });
  const bearer = await accessToken({ url: made.url });
  const call = (given = {}, headers = {}) => {
    const options = toolCall({ name: "add", bearer, arguments: { secret: CANARY, ...given } });
    return fetch(made.url, { ...options, headers: { ...options.headers, ...headers } });
  };
  return { gateway, gatewayId: made.id, url: made.url, bearer, call, calls, provider, server };
}

/** Waits until the spans have such a one; returns it. */
async function spanOf(receiver, matches, what) {
  let found;
  const look = async () => (found = (await receiver.spans()).find(matches)) !== undefined;
  await within(15_000, look, () => `no span ${what}`);
  return found;
}

test("a sign-in and calls are traced, measured and logged, in the trace of the client, without secrets", async (t) => {
  const receiver = await startReceiver();
  t.after(() => receiver.stop());
  const { gateway, gatewayId, url, bearer, call, calls, server, provider } = await begin(t, { endpoint: receiver.url });
  const metricsUrl = `${gateway.url}/metrics`;

  await t.test("the trace of the client goes on to the server, by header", async () => {
    const answer = await call({}, { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: "vendor=1" });
    assert.equal(answer.status, 200);
    await answer.text();
    const isOf = (kind) => (span) => span.traceId === TRACE && span.kind === kind;
    const [own, attempt] = [await spanOf(receiver, isOf(SERVER), "of the request"), await spanOf(receiver, isOf(CLIENT), "of the attempt")];
    assert.equal(own.parentSpanId, PARENT);
    assert.equal(attempt.parentSpanId, own.spanId);
    assert.equal(own.name, "tools/call add");
    assert.equal(own.traceState, "vendor=1");
    assert.ok(BigInt(attempt.startTimeUnixNano) >= BigInt(own.startTimeUnixNano));
    for (const span of [own, attempt]) {
      assert.equal(span.attributes["mcp.method.name"], "tools/call");
      assert.equal(span.attributes["gen_ai.tool.name"], "add");
      assert.equal(span.attributes["gen_ai.operation.name"], "execute_tool");
      assert.equal(span.attributes["mcp.protocol.version"], "2026-07-28");
      assert.equal(span.attributes["gatewright.outcome"], "ok");
      assert.equal(span.status, undefined);
    }
    assert.equal(own.attributes["gatewright.gateway.id"], gatewayId);
    assert.equal(own.attributes["http.response.status_code"], "200");
    assert.match(own.attributes["user.id"], /^usr_/);
    assert.equal(attempt.attributes["gatewright.server.id"], server.id);
    assert.equal(attempt.attributes["server.address"], "127.0.0.1");
    const sent = calls.at(-1);
    assert.equal(sent.headers.traceparent, `00-${TRACE}-${attempt.spanId}-01`);
    assert.equal(sent.headers.tracestate, "vendor=1");
    assert.ok(!("traceparent" in sent.params._meta), "what the client did not write is not added");
  });

  await t.test("and by _meta, in whose place the span of the attempt is", async () => {
    const trace = createHash("md5").update("meta").digest("hex");
    const message = JSON.parse(mcpMessage("tools/call", { name: "add", arguments: { a: 1.0, b: "\u00e9" } }));
    message.params._meta = { traceparent: `00-${trace}-${PARENT}-01`, ...message.params._meta };
    const options = { method: "POST", headers: mcpHeaders({ bearer, name: "add" }), body: JSON.stringify(message) };
    await (await fetch(url, options)).text();
    const attempt = await spanOf(receiver, (span) => span.traceId === trace && span.kind === CLIENT, "of the attempt");
    const sent = calls.at(-1);
    assert.equal(sent.params._meta.traceparent, `00-${trace}-${attempt.spanId}-01`);
    assert.equal(sent.headers.traceparent, `00-${trace}-${attempt.spanId}-01`);
  });

  await t.test("a client that does not record its trace is not recorded here, and its trace goes on", async () => {
    const trace = createHash("md5").update("unsampled").digest("hex");
    await (await call({}, { traceparent: `00-${trace}-${PARENT}-00` })).text();
    assert.equal(calls.at(-1).headers.traceparent, `00-${trace}-${PARENT}-00`);
    await (await call({}, { traceparent: "00-not-a-trace-01" })).text();
    const began = /^00-(\w{32})-\w{16}-03$/.exec(calls.at(-1).headers.traceparent);
    await spanOf(receiver, (span) => span.traceId === began[1], "of a trace that begins here");
    assert.ok((await receiver.spans()).every((span) => span.traceId !== trace));
  });

  await t.test("a failing tool is an error, and its row in the activity has the same trace", async () => {
    await (await call({ fails: true })).text();
    const own = await spanOf(receiver, (span) => span.kind === SERVER && span.attributes["error.type"] === "tool_error", "that failed");
    assert.equal(own.status.code, "STATUS_CODE_ERROR");
    assert.equal(own.parentSpanId, undefined);
    const row = async () => (await gateway.api("GET", `${gateway.project}/activity?trace_id=${own.traceId}`)).items[0];
    await within(5_000, async () => (await row()) !== undefined, () => "no such row");
    assert.equal((await row()).trace_id, own.traceId);
  });

  await t.test("the steps of the sign-in are in one trace", async () => {
    const whole = await spanOf(receiver, (span) => span.name === "sign-in", "of the sign-in");
    const isStep = (step) => (span) => span.traceId === whole.traceId && span.name === `sign-in ${step}`;
    for (const step of ["authorize", "consent", "redirect", "callback", "token_request", "id_token", "subject", "code", "token"]) {
      const found = await spanOf(receiver, isStep(step), `of the step ${step}`);
      assert.equal(found.parentSpanId, whole.spanId);
    }
  });

  await t.test("log lines have the trace of their request", async () => {
    const isLine = ({ traceId, body }) => traceId === TRACE && body.stringValue === "request";
    let line;
    await within(10_000, async () => (line = (await receiver.logs()).find(isLine)), () => "no line with the trace");
    assert.equal(line.attributes.request_id, line.spanId);
    assert.equal(line.attributes.route, "/mcp/{slug}");
    assert.equal(line.attributes.status, "200");
    assert.equal(line.severityText, "INFO");
  });

  await t.test("metrics are those of the page, with exemplars", async () => {
    const byName = async (name) => (await receiver.metrics()).filter((metric) => metric.name === name).at(-1);
    await within(10_000, async () => await byName("gatewright_otlp_sent"), () => "no metrics");
    const requests = await byName("gatewright_http_requests");
    assert.equal(requests.sum.aggregationTemporality, "AGGREGATION_TEMPORALITY_CUMULATIVE");
    assert.equal(requests.sum.isMonotonic, true);
    const exemplars = async () =>
      ((await byName("gatewright_gateway_request_duration"))?.histogram.dataPoints ?? []).flatMap((point) => point.exemplars ?? []);
    await within(10_000, async () => (await exemplars()).length > 0, () => "no exemplars");
    const text = await (await fetch(metricsUrl)).text();
    assert.match(text, new RegExp(`gateway_request_duration_seconds_bucket{le="[^"]+",gateway="${gatewayId}",outcome="ok"} \\d+ # {trace_id="\\w{32}"}`));
    const names = new Set((await receiver.metrics()).map((metric) => metric.name));
    for (const [, name] of text.matchAll(/^# TYPE (\S+)/gm)) {
      assert.ok(names.has(name) || names.has(name.replace(/_(seconds|bytes)$/, "")), name);
    }
  });

  const everything = await receiver.received();
  assert.ok(everything.every(({ headers }) => headers["x-key"] === `${CANARY}-header`), "each request has the configured header");
  const attributes = everything[0].message[Object.keys(everything[0].message)[0]][0].resource.attributes;
  const named = Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue]));
  assert.equal(named["service.name"], "gatewright");
  assert.equal(named["deployment.environment.name"], "tests");
  const bytes = everything.map((each) => Buffer.from(each.bytes, "base64").toString("latin1")).join("\n");
  for (const secret of [CANARY, bearer, provider.client.client_secret, gateway.projectKey, gateway.instanceKey, gateway.masterKey]) {
    assert.ok(!bytes.includes(secret), `a secret is in what was sent: ${secret}`);
  }
});

test("a collector that is down costs what is counted, and gets what comes after; the last spans are sent at the stop", async (t) => {
  const receiver = await startReceiver();
  t.after(() => receiver.stop());
  const { gateway, call } = await begin(t, { endpoint: receiver.url, more: { GATEWRIGHT__OTLP__SIGNALS: "traces" } });
  const failing = async () => /gatewright_job_failing{job="sending traces"} 1/.test(await (await fetch(`${gateway.url}/metrics`)).text());
  await receiver.answerWith(503);
  const [lost, after, last] = ["down", "up", "stop"].map((word) => createHash("md5").update(word).digest("hex"));
  const traced = async (trace) => (await call({}, { traceparent: `00-${trace}-${PARENT}-01` })).text();
  await traced(lost);
  await within(10_000, failing, () => "the job does not fail");
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url };
  const examined = () => run(gateway.program, ["doctor", ...gateway.config], { env }).catch((error) => String(error));
  assert.match(await examined(), /does not accept traces: .*HTTP 503/);
  await receiver.answerWith(200);
  assert.match(await examined(), /accepts traces, metrics, logs/);
  await traced(after);
  for (const trace of [lost, after]) await spanOf(receiver, (span) => span.traceId === trace, "of before and after");
  await within(10_000, async () => !(await failing()), () => "the job still fails");
  await traced(last);
  await gateway.restart();
  await spanOf(receiver, (span) => span.traceId === last, "of the last request");
});

test("a real collector accepts everything and passes it on", async (t) => {
  const receiver = await startReceiver();
  t.after(() => receiver.stop());
  const collector = await startCollector(receiver);
  t.after(() => collector.stop());
  const { call } = await begin(t, { endpoint: collector.url });
  await (await call({}, { traceparent: `00-${TRACE}-${PARENT}-01` })).text();
  const own = await spanOf(receiver, (span) => span.traceId === TRACE && span.kind === SERVER, "through the collector");
  assert.equal(own.parentSpanId, PARENT);
  await within(15_000, async () => (await receiver.logs()).some((log) => log.traceId === TRACE), () => "no log through the collector");
  await within(15_000, async () => (await receiver.metrics()).length > 10, () => "no metrics through the collector");
});
