// The process is killed in the middle of any work, repeatedly, on both stores.

import { STORES } from "../e2e/lib/gateway.mjs";
import { hangUp } from "../e2e/lib/raw.mjs";
import { pause, seconds } from "../e2e/lib/time.mjs";
import { Administrator } from "./administrator.mjs";
import { invariants } from "./invariants.mjs";
import { People } from "./people.mjs";
import { signInWorld } from "./world.mjs";

async function killLoop(store, bounds) {
  const world = await signInWorld({ store });
  const load = [new People(world), new Administrator(world)];
  let slowest = 0;
  try {
    await bounds.each(async () => {
      for (const each of load) each.begin();
      await pause(200 + Math.random() * 1_200);
      const began = performance.now();
      const back = world.gateway.restart("SIGKILL");
      await Promise.all(load.map((each) => each.end()));
      await back;
      slowest = Math.max(slowest, performance.now() - began);
      hangUp();
      for (const each of load) await each.verify();
      await invariants(world.gateway, store);
    });
  } finally {
    hangUp();
    await world.stop();
  }
  return `${load.join(", ")}; nothing lost, nothing duplicated; ready again after at most ${seconds(slowest)}`;
}

export default STORES.map((store) => ({
  part: "kills",
  fault: `killed on ${store === "sqlite" ? "SQLite" : "PostgreSQL"}`,
  done: "`kill -9` while people sign in, clients refresh and revoke, and an administrator saves",
  promised:
    "everything acknowledged exists exactly once; no code and no refresh token works twice; a repeated creation creates nothing new; the database is intact",
  rounds: 60,
  minutes: 4,
  short: 4,
  run: (bounds) => killLoop(store, bounds),
}));
