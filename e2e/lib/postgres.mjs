// A separate PostgreSQL for one test, which can be taken away and brought back.

import { readFileSync, rmSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atExit, freePort, run } from "./process.mjs";

const INSTALLED = "/usr/lib/postgresql";

/** Creates and starts a cluster; returns the URL of its maintenance database. */
export async function startPostgres() {
  const versions = (await readdir(INSTALLED)).map(Number).toSorted((a, b) => b - a);
  const bin = join(INSTALLED, String(versions[0]), "bin");
  const folder = await mkdtemp(join(tmpdir(), "gatewright-e2e-postgres-"));
  const data = join(folder, "data");
  // It refuses to run as root, so root runs it as the user that the package created.
  const isRoot = process.getuid() === 0;
  if (isRoot) await run("chown", ["postgres", folder]);
  const as = (program, args) =>
    isRoot
      ? run("runuser", ["-u", "postgres", "--", join(bin, program), ...args], { cwd: "/" })
      : run(join(bin, program), args);
  await as("initdb", ["-A", "trust", "-U", "postgres", "--no-sync", "-D", data]);
  const port = await freePort();
  const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off`;
  const control = (...args) => as("pg_ctl", ["-D", data, "-w", ...args]);
  const begin = () => control("-l", join(folder, "log"), "-o", options, "start");
  const end = () => control("-m", "fast", "stop");
  /** The process that accepts connections, and those it has started, including one for each connection. */
  const processes = () => {
    const main = Number(readFileSync(join(data, "postmaster.pid"), "utf8").split("\n")[0]);
    const begun = readFileSync(`/proc/${main}/task/${main}/children`, "utf8");
    return [main, ...begun.trim().split(" ").filter(Boolean).map(Number)];
  };
  const signal = (name) => {
    const [main] = processes();
    // The first one first, so that it starts no others in the meantime.
    process.kill(main, name);
    for (const pid of processes().slice(1)) process.kill(pid, name);
  };
  // It runs separately from this process, and can be stopped in the middle of a test.
  const removed = atExit(() => {
    try {
      // All at once: without the first one, the others are not found any more.
      for (const pid of processes()) process.kill(pid, "SIGKILL");
    } catch {
      // It is not running.
    }
    rmSync(folder, { recursive: true, force: true });
  });
  await begin();
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    takeAway: end,
    bringBack: begin,
    processes,
    /** It stops responding, and its connections stay open. */
    silence: () => signal("SIGSTOP"),
    /** It continues where it was. */
    speak: () => signal("SIGCONT"),
    stop: async () => {
      await end();
      await rm(folder, { recursive: true, force: true });
      removed();
    },
  };
}
