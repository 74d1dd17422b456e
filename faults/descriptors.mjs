// The process can open no more files or connections for a while.

import { connect } from "node:net";
import { openFiles, processorTime } from "../e2e/lib/figures.mjs";
import { hangUp } from "../e2e/lib/raw.mjs";
import { run } from "../e2e/lib/process.mjs";
import { pause, seconds, within } from "../e2e/lib/time.mjs";
import { invariants } from "./invariants.mjs";
import { People } from "./people.mjs";
import { readiness, signInWorld } from "./world.mjs";

const EXHAUSTED = 3_000;
const BACK = 5_000;
const CONNECTIONS = 100;

async function exhausted(bounds) {
  const world = await signInWorld();
  const { gateway } = world;
  const pid = gateway.pid();
  const people = new People(world, { workers: 6 });
  const limits = await run("prlimit", ["--pid", String(pid), "--nofile", "--noheadings", "--output", "SOFT,HARD"]);
  const [soft, hard] = limits.trim().split(/\s+/);
  const limit = (most) => run("prlimit", ["--pid", String(pid), `--nofile=${most}:${hard}`]);
  const atRest = await openFiles(pid);
  const slowest = { back: 0, busy: 0 };
  try {
    await bounds.each(async () => {
      people.begin();
      await pause(700);
      await limit((await openFiles(pid)) + 2);
      const before = await processorTime(pid);
      const strangers = Array.from({ length: CONNECTIONS }, () => connect(Number(new URL(gateway.url).port), "127.0.0.1").on("error", () => {}));
      // Everyone has to connect again.
      hangUp();
      await pause(EXHAUSTED);
      slowest.busy = Math.max(slowest.busy, ((await processorTime(pid)) - before) / EXHAUSTED);
      await limit(soft);
      slowest.back = Math.max(slowest.back, await within(BACK, async () => (await readiness(gateway.url)) === 200, "it does not answer again"));
      await people.end();
      for (const each of strangers) each.destroy();
      await gateway.said(/no connection can be accepted/);
      if (gateway.pid() !== pid) throw new Error("it was restarted");
      await people.verify();
      await invariants(gateway, "sqlite");
    });
    hangUp();
    await within(15_000, async () => (await openFiles(pid)) <= atRest + 5, `it holds more than the ${atRest} files it began with`);
  } finally {
    hangUp();
    await world.stop();
  }
  if (slowest.busy > 0.8) throw new Error(`it used ${(slowest.busy * 100).toFixed(0)} % of a processor while it could accept no connections`);
  return `answers again after at most ${seconds(slowest.back)}; ${(slowest.busy * 100).toFixed(0)} % of a processor in that time; no file is left open; ${people}; nothing lost`;
}

export default [
  {
    part: "descriptors",
    fault: "file descriptors run out",
    done: `the limit of open files is set to what is open plus two, ${CONNECTIONS} connections come, and after three seconds it is raised again`,
    promised: "the process keeps running and does not spin; nothing acknowledged is lost; it recovers automatically and leaks nothing",
    rounds: 6,
    minutes: 1,
    short: 1,
    run: exhausted,
  },
];
