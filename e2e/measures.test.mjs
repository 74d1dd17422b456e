// Faults that operators can meet, caused on the real program, and read where the guide says that they show: in `/metrics`, in
// the log, and in the doctor's output.

import assert from "node:assert/strict";
import { copyFile, readdir, rename } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { apiHeaders } from "./lib/api.mjs";
import { startBreakingUpstream } from "./lib/breaking-upstream.mjs";
import { disconnectOthers, freshDatabase, setReadOnly } from "./lib/database.mjs";
import { smallDisk } from "./lib/disk.mjs";
import { memory } from "./lib/figures.mjs";
import { BINARIES, startGateway } from "./lib/gateway.mjs";
import { mcpHeaders, mcpMessage } from "./lib/mcp.mjs";
import { run, start } from "./lib/process.mjs";
import { startRelay } from "./lib/relay.mjs";
import { pause } from "./lib/time.mjs";

const READY = "gatewright_ready";
const WRITABLE = "gatewright_database_writable";
const AGE = "gatewright_directory_age_seconds";
const WRITING = 'gatewright_job_failing{job="writing to the database"}';

/** The current values of `/metrics`, by metric with its labels. */
async function measures({ url }) {
  const text = await (await fetch(`${url}/metrics`)).text();
  const samples = text.split("\n").filter((line) => line && !line.startsWith("#"));
  return Object.fromEntries(samples.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]));
}

/** Waits until the metrics match; returns them. `meanwhile` runs before each check. */
async function until(gateway, holds, { seconds = 60, meanwhile = () => {} } = {}) {
  const deadline = Date.now() + seconds * 1_000;
  for (;;) {
    await meanwhile();
    const found = await measures(gateway);
    if (holds(found)) return found;
    const conditions = Object.entries(found).filter(([name]) => !name.startsWith("gatewright_http"));
    assert.ok(Date.now() < deadline, `${holds}\n${conditions.join("\n")}\n${gateway.log()}`);
    await pause(50);
  }
}

const isWell = (found) => found[READY] === 1 && found[WRITABLE] === 1 && found[WRITING] === 0 && found[AGE] < 5;
const writesNothing = (found) => found[READY] === 0 && found[WRITABLE] === 0 && found[WRITING] === 1;

/** A gateway in Headers mode in front of a server; returns its URL, its callers' key and the server's ID. */
async function before(gateway, upstream) {
  const { create } = gateway;
  const server = await create("servers", { slug: "one", url: upstream.url });
  const { url } = await create("gateways", { name: "Measured", slug: "measured", authentication_mode: "headers" });
  const { key } = await create("api-keys", { name: "measured", role: "gateway" });
  const post = (method, params, name) =>
    fetch(url, {
      method: "POST",
      headers: mcpHeaders({ bearer: key, user: "ada", method, name }),
      body: mcpMessage(method, params),
    });
  return { server, post };
}

test("a database that is unavailable or silent", async (t) => {
  const relay = await startRelay(await freshDatabase());
  let gateway;
  t.after(async () => {
    await gateway?.stop();
    await relay.stop();
  });
  gateway = await startGateway({ databaseUrl: relay.url, logLevel: "warn" });
  await until(gateway, isWell);
  for (const [goes, comesBack] of [
    [relay.silence, relay.mend],
    [relay.takeAway, relay.bringBack],
  ]) {
    await goes();
    await until(gateway, (found) => found[READY] === 0 && found[AGE] > 5);
    await comesBack();
    await until(gateway, isWell);
  }
});

test("a database that is read-only", async (t) => {
  const url = await freshDatabase();
  const gateway = await startGateway({ databaseUrl: url, logLevel: "warn" });
  t.after(gateway.stop);
  await until(gateway, isWell);
  const set = async (isReadOnly) => {
    await setReadOnly(url, isReadOnly);
    await disconnectOthers(url);
  };
  await set(true);
  await until(gateway, writesNothing);
  await set(false);
  await until(gateway, isWell);
});

test("a disk that is full, also for the doctor and at start", async (t) => {
  const disk = await smallDisk();
  const data = join(disk.folder, "data");
  let gateway;
  t.after(async () => {
    await gateway?.stop();
    await disk.stop();
  });
  gateway = await startGateway({ dataDir: data, wrapper: disk.wrapper, logLevel: "warn" });
  await until(gateway, isWell);
  const { program, config } = gateway;
  const file = join(data, "gatewright.db");
  const fails = async (command) => {
    const running = await start(program, [command, ...config], {});
    assert.equal(await running.exited, 1, running.output());
    return running.output();
  };

  await disk.fill(gateway.pid());
  let saved = 0;
  // The existing contents of the database's log are overwritten before it has to grow.
  const save = () =>
    fetch(`${gateway.url}/api/v1${gateway.project}/servers`, {
      method: "POST",
      headers: apiHeaders(gateway.projectKey),
      body: JSON.stringify({ slug: `s${(saved += 1)}`, name: "Server", url: `https://mcp.example.com/${"d".repeat(400)}` }),
    }).then((answer) => answer.text());
  await until(gateway, writesNothing, { seconds: 90, meanwhile: save });
  if (disk.isMounted) {
    const said = await fails("doctor");
    assert.ok(said.includes(`FAIL  disk: it is full: ${file} cannot grow`), said);
  }
  await disk.free(gateway.pid());
  await until(gateway, isWell);

  // A limit for one process does not bind others.
  if (disk.isMounted) {
    for (const signal of ["SIGKILL", "SIGTERM"]) {
      await gateway.restart();
      const { exited, stop } = gateway.running();
      stop(signal);
      await exited;
      await disk.fill();
      const said = await fails("serve");
      assert.ok(said.includes(`the disk is full, so ${file} cannot be written`), `${signal}: ${said}`);
      await disk.free();
    }
  }
});

test("a disk that is full at the first start leaves nothing behind", async (t) => {
  const disk = await smallDisk();
  t.after(disk.stop);
  if (!disk.isMounted) return t.skip("no file system may be mounted here");
  await disk.fill();
  const data = join(disk.folder, "data");
  const env = { GATEWRIGHT__DATABASE__DATA_DIR: data, GATEWRIGHT__KEYS__MASTER: "" };
  const running = await start(join(BINARIES, "gatewright"), ["migrate"], { env, cwd: disk.folder });
  assert.equal(await running.exited, 1, running.output());
  assert.ok(running.output().includes(`${join(data, "master.key")} cannot be written`), running.output());
  return assert.deepEqual(await readdir(data), []);
});

test("a database file that is deleted or replaced", async (t) => {
  const gateway = await startGateway({ logLevel: "warn" });
  t.after(gateway.stop);
  await until(gateway, isWell);
  const file = join(gateway.data, "gatewright.db");
  const aside = `${file}.aside`;
  for (const replaced of [false, true]) {
    await rename(file, aside);
    if (replaced) await copyFile(aside, file);
    await until(gateway, writesNothing);
    assert.ok(gateway.log().includes(file), gateway.log());
    await rename(aside, file);
    await until(gateway, isWell);
  }
});

test("responses that break off midway", async (t) => {
  const upstream = await startBreakingUpstream();
  t.after(upstream.stop);
  const gateway = await startGateway();
  t.after(gateway.stop);
  const { server, post } = await before(gateway, upstream);
  const broken = `gatewright_broken_answers_total{server="${server.id}",reason="broken"}`;
  const answer = await post("tools/call", { name: "half", arguments: {} }, "half");
  assert.equal(answer.status, 200);
  const reader = answer.body.getReader();
  assert.ok(!(await reader.read()).done);
  assert.equal((await measures(gateway))[broken], undefined);
  upstream.cut();
  await assert.rejects(reader.read());
  await until(gateway, (found) => found[broken] === 1);
  await gateway.said(/an answer of a server broke after its head/);
  const [, id] = gateway.log().match(/broke after its head.*request_id=([0-9a-f]{16})/);
  await gateway.said(new RegExp(`request_id="${id}" method="POST" route="/mcp/\\{slug\\}"`));
});

test("open files that run out", async (t) => {
  const limited = (words) => ["sh", "-c", 'ulimit -n 400; exec "$@"', "sh", ...words];
  const gateway = await startGateway({ wrapper: limited([]), logLevel: "warn" });
  t.after(gateway.stop);
  const idle = (await until(gateway, isWell)).gatewright_open_files;
  const sockets = Array.from({ length: 60 }, () => connect(Number(new URL(gateway.url).port), "127.0.0.1").on("error", () => {}));
  const found = await until(gateway, (now) => now.gatewright_open_files >= idle + 60 && now.gatewright_connections >= 60);
  assert.equal(found.gatewright_open_files_max, 400);
  const [program, ...words] = limited([gateway.program, "doctor", ...gateway.config]);
  assert.match(await run(program, words), /open files: .*LimitNOFILE=/);
  for (const socket of sockets) socket.destroy();
  await until(gateway, (now) => now.gatewright_open_files < idle + 30);
});

test("memory that grows with lists", async (t) => {
  const tools = { more: 60, length: 50_000 };
  const upstream = await startBreakingUpstream(tools);
  t.after(upstream.stop);
  const gateway = await startGateway({ logLevel: "warn" });
  t.after(gateway.stop);
  const { post } = await before(gateway, upstream);
  assert.equal((await measures(gateway)).gatewright_list_memory_bytes, 0);
  assert.equal((await post("tools/list", {})).status, 200);
  const found = await until(gateway, (now) => now.gatewright_list_memory_bytes > tools.more * tools.length);
  const { resident } = await memory(gateway.pid());
  const told = found.gatewright_resident_memory_bytes;
  assert.ok(Math.abs(told - resident) < resident / 4, `${told} is reported, and it is ${resident}`);
  assert.ok(told > found.gatewright_list_memory_bytes);
});
