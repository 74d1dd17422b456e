// How often something completes: measured with wrk over HTTP, or by workers of this process.

import { spawn } from "node:child_process";
import { join } from "node:path";

/** One run of wrk with one of the scripts beside this file; returns what the script reports. */
export async function wrk(script, url, { connections, seconds, env }) {
  const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "5s", "-s", join(import.meta.dirname, script), url];
  const child = spawn("wrk", args, { env: { ...process.env, ...env } });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (part) => (text += part));
  await new Promise((done) => child.once("close", done));
  const line = text.match(/RESULT (.*)/);
  if (!line) throw new Error(`wrk against ${url} printed:\n${text}`);
  return JSON.parse(line[1]);
}

/** Runs `work(worker)` repeatedly in this many workers for this long; returns how often per second it completed. */
export async function perSecond(workers, seconds, work) {
  const [began, until] = [performance.now(), performance.now() + seconds * 1000];
  let done = 0;
  const run = async (worker) => {
    while (performance.now() < until) {
      await work(worker);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: workers }, (_, worker) => run(worker)));
  return (done * 1000) / (performance.now() - began);
}
