// One of two replicas is cut off from the database, silently or by broken connections, while the other keeps serving.

import { addressOf, postForm, signInFast } from "../e2e/lib/flow.mjs";
import { statusWith } from "../e2e/lib/mcp.mjs";
import { hangUp } from "../e2e/lib/raw.mjs";
import { startRelay } from "../e2e/lib/relay.mjs";
import { pause, seconds, within } from "../e2e/lib/time.mjs";
import { invariants } from "./invariants.mjs";
import { People } from "./people.mjs";
import { readiness, signInWorld } from "./world.mjs";

/** Configuration is trusted for five seconds; on a busy machine the response may come this much later. */
const STALE = 5_000;
const LATE = 1_500;
/** It is back within this time, without a restart. */
const BACK = 15_000;

async function twoReplicas() {
  const world = await signInWorld({ store: "postgres" });
  const link = await startRelay(world.gateway.databaseUrl);
  world.running.push(link);
  const cut = await world.gateway.replica({ env: { GATEWRIGHT__DATABASE__URL: link.url } });
  world.running.push(cut);
  return { world, link, cut, there: world.url.replace(world.gateway.url, cut.origin) };
}

/** A grant is revoked at the working replica: when the other replica allows a request with it for the last time. */
async function lastYes({ world, there }, held) {
  const answer = await postForm(`${world.url}/oauth2/revoke`, { client_id: world.client, token: held.refresh_token });
  if (answer.status !== 200) throw new Error(`the working replica does not revoke: ${answer.status} ${answer.text}`);
  const revoked = performance.now();
  let last = 0;
  while (performance.now() - revoked < STALE + LATE + 2_000) {
    const began = performance.now();
    if ((await statusWith(there, held.access_token)) === 200) last = began - revoked;
    await pause(20);
  }
  return last;
}

async function cutOff(bounds) {
  const replicas = await twoReplicas();
  const { world, link, cut, there } = replicas;
  const people = new People(world, { workers: 2 });
  const slowest = { yes: 0, unready: 0, back: 0 };
  const note = (what, value) => (slowest[what] = Math.max(slowest[what], value));
  const served = { calls: 0, failed: 0 };
  try {
    await bounds.each(async (round) => {
      const from = addressOf(round);
      const [held, kept] = [await signInFast(world, from), await signInFast(world, from)];
      if ((await statusWith(there, held.access_token)) !== 200) throw new Error("a valid token does not work at the second replica");
      people.begin();
      let serving = true;
      const others = (async () => {
        while (serving) {
          served.calls += 1;
          if ((await statusWith(world.url, kept.access_token)) !== 200) served.failed += 1;
          await pause(20);
        }
      })();
      link[round % 2 ? "break" : "silence"]();
      const since = performance.now();
      const unready = within(STALE + LATE, async () => (await readiness(cut.origin)) === 503, "the disconnected replica says that it is ready");
      const [yes, noticed] = await Promise.all([lastYes(replicas, held), unready]);
      note("yes", yes);
      note("unready", noticed);
      if (yes > STALE + LATE) throw new Error(`a revoked token worked for ${seconds(yes)} at the disconnected replica`);
      link.mend();
      note("back", await within(BACK, async () => (await readiness(cut.origin)) === 200, "the replica is not back"));
      if ((await statusWith(there, kept.access_token)) !== 200) throw new Error("a valid token does not work once it is back");
      if ((await statusWith(there, held.access_token)) !== 401) throw new Error("a revoked token works once it is back");
      serving = false;
      await Promise.all([others, people.end()]);
      if (performance.now() - since > 60_000) throw new Error("running requests did not end");
      await people.verify();
      await invariants(world.gateway, "postgres");
    });
    if (served.failed > 0) throw new Error(`${served.failed} of ${served.calls} calls failed at the working replica`);
  } finally {
    hangUp();
    await world.stop();
  }
  return (
    `no revoked token accepted later than ${seconds(slowest.yes)}, not ready after at most ${seconds(slowest.unready)}, back ` +
    `within ${seconds(slowest.back)}; at the other replica ${served.calls} calls, none failed, and ${people}`
  );
}

export default [
  {
    part: "replicas",
    fault: "a replica cut off from PostgreSQL",
    done: "the network between one of two replicas and the database goes silent, or breaks, for about nine seconds; a grant is revoked during that time",
    promised: "after five seconds the replica allows nothing and is not ready; the other one serves without a failure; it recovers automatically",
    rounds: 6,
    minutes: 2,
    short: 2,
    run: cutOff,
  },
];
