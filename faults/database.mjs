// PostgreSQL itself: silent with its connections open, read-only for a moment, and crashing.

import { disconnectOthers, psql, setReadOnly } from "../e2e/lib/database.mjs";
import { addressOf, refreshing, signInFast } from "../e2e/lib/flow.mjs";
import { statusWith } from "../e2e/lib/mcp.mjs";
import { startPostgres } from "../e2e/lib/postgres.mjs";
import { run } from "../e2e/lib/process.mjs";
import { hangUp } from "../e2e/lib/raw.mjs";
import { pause, seconds, within } from "../e2e/lib/time.mjs";
import { Administrator } from "./administrator.mjs";
import { invariants } from "./invariants.mjs";
import { People } from "./people.mjs";
import { ask, readiness, signInWorld } from "./world.mjs";

/** Configuration is trusted for five seconds, and writing is tried every five seconds; later than this much beyond that is too late. */
const NOTICED = 6_500;
const BACK = 15_000;
/** A statement is given up after eighteen seconds. */
const ENDED = 20_000;
const SILENT = 22_000;

/** A world on its own PostgreSQL; `work(world, postgres, note)` notes how long things took, and the slowest times are reported. */
async function onOwn(bounds, work) {
  const postgres = await startPostgres();
  let world;
  const slowest = {};
  const note = (what, milliseconds) => (slowest[what] = Math.max(slowest[what] ?? 0, milliseconds));
  try {
    world = await signInWorld({ databaseUrl: postgres.url });
    const load = [new People(world, { workers: 6 }), new Administrator(world)];
    world.ready = async () => (await readiness(world.gateway.url)) === 200;
    await bounds.each(async (round) => {
      const pid = world.gateway.pid();
      for (const each of load) each.begin();
      await pause(1_000);
      await work({ world, postgres, people: load[0], note, round });
      note("ready again", await within(BACK, world.ready, "it is not ready again"));
      const since = performance.now();
      await Promise.all(load.map((each) => each.end()));
      if (performance.now() - since > ENDED) throw new Error("requests under way did not end");
      if (world.gateway.pid() !== pid) throw new Error("it was restarted");
      for (const each of load) await each.verify();
      await invariants(world.gateway, "postgres");
    });
    const times = Object.entries(slowest).map(([what, most]) => `${what} after at most ${seconds(most)}`);
    return `${times.join(", ")}; ${load.join(", ")}; nothing lost, nothing doubled`;
  } finally {
    hangUp();
    await world?.stop();
    await postgres.stop();
  }
}

const unready = (world) => within(NOTICED, async () => (await readiness(world.gateway.url)) === 503, "it says that it is ready");

/** How long the slowest of several requests that start now takes to get a response. */
async function slowestEnd(world, round) {
  const form = refreshing(world.client, "made-up");
  const began = performance.now();
  const from = addressOf(round);
  await Promise.all(Array.from({ length: 20 }, () => ask(`${world.url}/oauth2/token`, form, from)));
  return performance.now() - began;
}

async function silent({ world, postgres, people, note, round }) {
  await postgres.silence();
  try {
    const [ended] = await Promise.all([
      slowestEnd(world, round),
      unready(world).then((after) => note("not ready", after)),
      pause(SILENT),
    ]);
    note("requests answered", ended);
    if (ended > ENDED) throw new Error(`a request got no response for ${seconds(ended)}`);
    // Including those that were running when it went silent.
    if (people.waits() > ENDED) throw new Error(`a running request got no response for ${seconds(people.waits())}`);
  } finally {
    await postgres.speak();
  }
}

async function readOnly({ world, postgres, note, round }) {
  const from = addressOf(round);
  const held = await signInFast(world, from);
  // As after a failover: connections are closed, and new ones are read-only.
  await setReadOnly(postgres.url, true);
  await disconnectOthers(postgres.url);
  note("not ready", await unready(world));
  await pause(1_000);
  const known = await statusWith(world.url, held.access_token, from);
  if (known !== 200) throw new Error(`a call with an earlier token returns ${known}`);
  // Existing connections stay as they are: the process has to notice itself.
  await setReadOnly(postgres.url, false);
}

async function crash({ postgres }) {
  const processes = await postgres.processes();
  const backends = await psql(postgres.url, ["SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"]);
  const [victim] = backends.trim().split("\n").map(Number);
  if (!processes.includes(victim)) throw new Error(`${victim} is not a process of the database`);
  // Killing one of its processes makes it end all others and recover from its log.
  process.kill(victim, "SIGKILL");
  await pause(1_000);
}

export default [
  {
    part: "database",
    fault: "PostgreSQL goes silent",
    done: "every process of it is stopped (SIGSTOP) for 22 seconds under load; its connections stay open",
    promised: "not ready after five seconds; all requests get a response, including running ones; nothing acknowledged is lost; it recovers automatically",
    rounds: 3,
    minutes: 2,
    short: 1,
    run: (bounds) => onOwn(bounds, silent),
  },
  {
    part: "database",
    fault: "PostgreSQL is read-only for a moment",
    done: "connections are closed and new ones are read-only, then writing is allowed again, as in a failover",
    promised: "not ready while nothing can be written; known tokens work; connections that refuse writes are replaced automatically",
    rounds: 5,
    minutes: 1.5,
    short: 1,
    run: (bounds) => onOwn(bounds, readOnly),
  },
  {
    part: "database",
    fault: "PostgreSQL crashes",
    done: "one of its processes is killed under load; it ends all connections and recovers from its log",
    promised: "nothing acknowledged is lost, nothing is duplicated; it recovers automatically",
    rounds: 15,
    minutes: 1.5,
    short: 2,
    run: (bounds) => onOwn(bounds, crash),
  },
];
