// Streams of audit events and requests on the real program: whatever a receiver does, and however the process ends, nothing is lost, and
// nothing arrives twice but what was under way.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { callApi } from "./lib/api.mjs";
import { MEGABYTE, memory } from "./lib/figures.mjs";
import { STORES, startGateway } from "./lib/gateway.mjs";
import { toolCall } from "./lib/mcp.mjs";
import { ANSWERS, SECRET, startSyslog, startWebhook } from "./lib/receivers.mjs";
import { startStatelessServer } from "./lib/stateless-server.mjs";
import { within } from "./lib/time.mjs";

const CANARY = "canary-9d1f";
const TOOL = { name: "say", inputSchema: { type: "object", properties: { what: { type: "string" } } } };

/** A gateway instance with what is stopped after the test. */
async function world(t, { store = "sqlite", files = false } = {}) {
  const running = [];
  t.after(async () => {
    for (const each of running.reverse()) await each.stop();
  });
  const begin = async (starting) => {
    const started = await starting;
    running.push(started);
    return started;
  };
  const folder = files ? await mkdtemp(join(tmpdir(), "gatewright-streams-")) : undefined;
  if (folder) running.push({ stop: () => rm(folder, { recursive: true, force: true }) });
  const env = folder ? { GATEWRIGHT__STREAMS__DIRECTORY: folder } : {};
  const gateway = await begin(startGateway({ store, env, logLevel: "info" }));
  const instance = (method, path, body) => callApi(gateway.url, gateway.instanceKey, method, path, body);
  let number = 0;
  /** Makes an audit event of the project, with a secret that must be in no stream. */
  const change = (origin = gateway.url) => {
    number += 1;
    const fields = { name: `SECRET_${number}`, value: `${CANARY}-${number}`, origins: ["https://api.example.com"] };
    return callApi(origin, gateway.projectKey, "POST", `${gateway.project}/secrets`, fields);
  };
  /** The IDs of all audit events, of the project and of the instance. */
  const events = async () => {
    const ids = [];
    for (const [path, key] of [[gateway.project, gateway.projectKey], ["", gateway.instanceKey]]) {
      for (let cursor = ""; cursor !== null; ) {
        const page = await callApi(gateway.url, key, "GET", `${path}/audit-events?limit=200${cursor && `&cursor=${cursor}`}`);
        ids.push(...page.items.map(({ id }) => id));
        cursor = page.next_cursor;
      }
    }
    return ids;
  };
  const state = async (id) => (await instance("GET", `/streams/${id}`)).state;
  return { gateway, instance, change, events, state, begin, folder };
}

/** What happened after `before`, sorted, and without what is there twice. */
const since = (before, ids) => ids.filter((id) => !before.includes(id)).sort();
const idsOf = (records) => records.map(({ id }) => id).sort();

// They mostly wait for the next attempt, each with an instance of its own.
describe("streams", { concurrency: 3 }, () => {
  for (const store of STORES) {
    test(`a webhook that fails in every way gets each event once it works (${store})`, async (t) => {
      const { gateway, instance, change, events, state, begin } = await world(t, { store });
      const webhook = await startWebhook();
      const before = await events();
      const { id } = await instance("POST", "/streams", { name: "SIEM", kind: "webhook", url: webhook.url, secret: SECRET });
      await within(10_000, () => webhook.accepted.length === 1, "the first event has not arrived");
      const { resident: idle } = await memory(gateway.pid());
      for (const how of Object.keys(ANSWERS).filter((how) => how !== "ok")) {
        webhook.answers.push(how);
        const attempts = webhook.attempts.length;
        await change();
        await within(25_000, () => webhook.attempts.length > attempts && webhook.answers.length === 0, `no attempt for ${how}`);
        await change();
        const waits = async () => (await state(id)).waiting > 0;
        await within(25_000, async () => !(await waits()), async () => `${how}: ${JSON.stringify(await state(id))}\n${gateway.log()}`);
      }
      // Away for a while: nothing listens.
      await webhook.stop();
      for (let count = 0; count < 30; count += 1) await change();
      await within(10_000, async () => (await state(id)).failed_attempts > 0, "no attempt failed");
      const failing = await state(id);
      assert.match(failing.last_error, /127\.0\.0\.1/);
      assert.ok(failing.waiting >= 30 && failing.next_attempt_at > failing.failing_since, JSON.stringify(failing));
      await begin(webhook.again());
      await within(40_000, async () => (await state(id)).waiting === 0, () => gateway.log());
      assert.deepEqual(idsOf(webhook.accepted), since(before, await events()), "each event arrived, and once");
      const pause = webhook.attempts.findIndex(({ how }) => how === "429");
      assert.ok(webhook.attempts[pause + 1].at - webhook.attempts[pause].at >= 2_900, "Retry-After is respected");
      const { delivered, lost, last_error } = await state(id);
      assert.deepEqual([delivered, lost, last_error], [webhook.accepted.length, 0, null]);
      assert.ok((await memory(gateway.pid())).peak - idle < 64 * MEGABYTE, "memory is bounded");
      assert.ok(!webhook.bodies.join("").includes(CANARY) && !webhook.bodies.join("").includes(SECRET));
      assert.ok(!gateway.log().includes("in-the-query") && !gateway.log().includes(SECRET));
      const trail = await instance("GET", "/audit-events?limit=200");
      assert.ok(!JSON.stringify(trail).includes("in-the-query"), "the rest of a URL may be a secret");
      const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
      assert.match(metrics, new RegExp(`gatewright_stream_delivered_total\\{stream="${id}"\\} ${delivered}`));
      assert.match(metrics, new RegExp(`gatewright_stream_failures_total\\{stream="${id}"\\} [1-9]`));
    });
  }

  test("two replicas send each event once, and one goes on when the other is killed", async (t) => {
    const { gateway, instance, change, events, state, begin } = await world(t, { store: "postgres" });
    const replica = await begin(gateway.replica());
    const webhook = await begin(startWebhook({ lines: true }));
    const before = await events();
    const fields = { name: "SIEM", kind: "webhook", url: webhook.url, secret: SECRET, batching: "lines" };
    const { id } = await instance("POST", "/streams", fields);
    for (let count = 0; count < 40; count += 1) await change(count % 2 ? replica.origin : gateway.url);
    const isDone = async () => (await state(id)).waiting === 0;
    await within(10_000, isDone, () => gateway.log());
    assert.deepEqual(idsOf(webhook.accepted), since(before, await events()));
    // Whichever has the stream: the first is killed while it sends, or has nothing to do with it.
    const changes = Array.from({ length: 20 }, () => change(replica.origin));
    gateway.running().child.kill("SIGKILL");
    await Promise.all(changes);
    const stateAt = async () => (await callApi(replica.origin, gateway.instanceKey, "GET", `/streams/${id}`)).state;
    await within(60_000, async () => (await stateAt()).waiting === 0, () => replica.log());
    await gateway.restart();
    const wanted = since(before, await events());
    const arrived = new Set(idsOf(webhook.accepted));
    assert.deepEqual([...arrived].sort(), wanted);
    assert.ok(webhook.accepted.length - wanted.length <= 500, "at most the batch that was under way is there twice");
  });

  /** Makes a gateway in Headers mode whose requests leave rows; `call(count)` sends requests. */
  async function requests({ gateway, begin }) {
    const answer = ({ reply }) => reply({ content: [{ type: "text", text: CANARY }] });
    const list = () => ({ tools: [TOOL], ttlMs: 60_000, cacheScope: "public" });
    const server = await begin(startStatelessServer({ list, call: answer }));
    await gateway.create("servers", { slug: "one", url: server.url });
    const { url } = await gateway.create("gateways", { name: "Active", slug: "active", authentication_mode: "headers" });
    const { key } = await gateway.create("api-keys", { name: "active", role: "gateway" });
    let number = 0;
    return async (count) => {
      const caller = async () => {
        for (; number < count; ) {
          number += 1;
          const response = await fetch(url, toolCall({ bearer: key, user: `user-${number}`, name: "say", arguments: { what: CANARY } }));
          await response.text();
          assert.equal(response.status, 200);
        }
      };
      await Promise.all(Array.from({ length: 8 }, caller));
    };
  }

  test("a file has every event and request, is rotated, and is whole after a kill", async (t) => {
    const made = await world(t, { files: true });
    const { gateway, instance, change, events, state, folder } = made;
    const call = await requests(made);
    const before = await events();
    const fields = { name: "File", kind: "file", file_name: "all.jsonl", max_size_mb: 1, max_files: 20, activity: true, format: "ocsf" };
    const { id } = await instance("POST", "/streams", fields);
    await call(1_500);
    const changes = Array.from({ length: 10 }, () => change().catch(() => undefined));
    gateway.running().child.kill("SIGKILL");
    await Promise.all(changes);
    await gateway.restart();
    await change();
    await within(60_000, async () => (await state(id)).waiting === 0, async () => `${JSON.stringify(await state(id))} ${gateway.log()}`);
    const names = (await readdir(folder)).sort();
    assert.ok(names.length > 1 && names.includes("all.jsonl.1"), names.join());
    const records = [];
    for (const name of names) {
      const text = await readFile(join(folder, name), "utf8");
      assert.ok(text.length <= MEGABYTE && text.endsWith("\n"));
      assert.ok(!text.includes(CANARY));
      records.push(...text.trim().split("\n").map((line) => JSON.parse(line)));
    }
    for (const event of records) {
      const { class_uid, category_uid, activity_id, type_uid, time, severity_id, metadata } = event;
      assert.ok([3001, 3004, 6003].includes(class_uid) && category_uid === Math.floor(class_uid / 1_000));
      assert.ok(type_uid === class_uid * 100 + activity_id && Number.isInteger(time) && severity_id >= 1);
      assert.ok(metadata.version && metadata.product.name === "Gatewright" && metadata.uid);
      if (class_uid === 6003) assert.ok(event.actor && event.api.operation && event.src_endpoint);
      if (class_uid === 3004) assert.ok(event.entity.uid && event.entity.type);
    }
    const arrived = [...new Set(records.map(({ metadata }) => metadata.uid))];
    assert.deepEqual(arrived.filter((uid) => uid.startsWith("evt_")).sort(), since(before, await events()));
    const rows = [];
    for (let cursor = ""; cursor !== null; ) {
      const page = await gateway.api("GET", `${gateway.project}/activity?limit=200${cursor && `&cursor=${cursor}`}`);
      rows.push(...page.items.map(({ id }) => id));
      cursor = page.next_cursor;
    }
    assert.deepEqual(arrived.filter((uid) => uid.startsWith("act_")).sort(), rows.sort());
    assert.ok(records.length - arrived.length <= 500, "at most the batch that was under way is there twice");
  });

  /** A certificate for 127.0.0.1 that is its own authority. */
  async function certificate(t) {
    const folder = await mkdtemp(join(tmpdir(), "gatewright-tls-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    execFileSync("openssl", ["req", "-x509", "-nodes", ...curve, "-keyout", key, "-out", cert, "-days", "2", ...subject], { stdio: "pipe" });
    return { key: await readFile(key), cert: await readFile(cert, "utf8") };
  }

  for (const transport of ["tcp", "tls"]) {
    test(`syslog over ${transport} gets each event in the form of RFC 5424`, async (t) => {
      const { gateway, instance, change, events, state, begin } = await world(t);
      const tls = transport === "tls" ? await certificate(t) : undefined;
      const syslog = await begin(startSyslog({ tls }));
      const before = await events();
      const to = { name: "Syslog", kind: "syslog", host: "127.0.0.1", port: syslog.port, transport };
      const { id } = await instance("POST", "/streams", to);
      if (tls) {
        await within(10_000, async () => /certificate/.test((await state(id)).last_error), "an unknown authority is refused");
        assert.equal(syslog.messages.length, 0);
        await instance("PATCH", `/streams/${id}`, { authorities: tls.cert });
      }
      await within(20_000, async () => (await state(id)).waiting === 0, async () => JSON.stringify(await state(id)));
      for (let count = 0; count < 3; count += 1) {
        // With TLS, what the receiver closes after its TLS layer has read it counts as delivered.
        if (!tls) syslog.answers.push("close");
        await change();
        if (!tls) await within(20_000, async () => (await state(id)).failed_attempts > 0, "a connection that was closed counts as delivered");
        await within(20_000, async () => (await state(id)).waiting === 0, async () => JSON.stringify(await state(id)));
      }
      // One that accepts and does not read has nothing, although all of it fits into the buffers between.
      const failures = (await state(id)).failed_attempts;
      syslog.answers.push("hang");
      await change();
      await within(30_000, async () => (await state(id)).failed_attempts > failures, "a receiver that hangs counts as having received");
      await within(30_000, async () => (await state(id)).waiting === 0, async () => JSON.stringify(await state(id)));
      const records = syslog.messages.map(({ record }) => record);
      assert.deepEqual(idsOf(records), since(before, await events()));
      for (const { pri, app, kind, host, record } of syslog.messages) {
        assert.deepEqual([app, kind, host, record.type], ["gatewright", "audit", "127.0.0.1", "audit"]);
        assert.ok([108, 109].includes(Number(pri)));
      }
      assert.ok(!JSON.stringify(syslog.messages).includes(CANARY));
      const tested = await instance("POST", `/streams/${id}/test`);
      assert.deepEqual(tested, { delivered: true, error: null });
      assert.equal(syslog.messages.at(-1).kind, "test");
      assert.ok(gateway.log().includes("a stream delivers again"));
    });
  }
});
