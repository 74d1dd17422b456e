// A run of tests that ends in the middle leaves no database running and no file system mounted.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { start } from "./lib/process.mjs";
import { pause } from "./lib/time.mjs";

const SCRIPT = `
  import { smallDisk } from "./lib/disk.mjs";
  import { startPostgres } from "./lib/postgres.mjs";
  const disk = await smallDisk();
  const database = await startPostgres();
  console.log(JSON.stringify({ folder: disk.folder, pids: database.processes() }));
  database.silence();
  process.exit();
`;

/** Whether a process runs; a zombie does not count. */
function runs(pid) {
  const file = `/proc/${pid}/stat`;
  return existsSync(file) && !/^.*\) Z/.test(readFileSync(file, "utf8"));
}

test("a process that exits in the middle of a test leaves nothing behind", async () => {
  const running = await start(process.execPath, ["--input-type=module", "--eval", SCRIPT], { cwd: import.meta.dirname });
  assert.equal(await running.exited, 0, running.output());
  const deadline = Date.now() + 10_000;
  // What it printed may arrive later than the news of its exit.
  while (!running.output().includes("\n") && Date.now() < deadline) await pause(20);
  const { folder, pids } = JSON.parse(running.output());
  assert.ok(pids.length > 1);
  // A signal takes a moment to end a process.
  while (pids.some(runs) && Date.now() < deadline) await pause(20);
  assert.deepEqual(pids.filter(runs), []);
  assert.ok(!readFileSync("/proc/mounts", "utf8").includes(folder));
  assert.ok(!existsSync(folder));
});

test("a program that is not installed fails the command and not the whole run", async () => {
  const running = await start("gatewright-has-no-such-program", [], {});
  assert.equal(await running.exited, "ENOENT");
  assert.match(running.output(), /ENOENT/);
});
