// Continuous work: memory and descriptors stay constant.

import { Agent } from "node:http";
import { MEGABYTE, median, memory, openFiles } from "../e2e/lib/figures.mjs";
import { hangUp } from "../e2e/lib/raw.mjs";
import { callTool, startSlowServer } from "../e2e/lib/slow-server.mjs";
import { pause } from "../e2e/lib/time.mjs";
import { invariants } from "./invariants.mjs";
import { People } from "./people.mjs";
import { signInWorld } from "./world.mjs";

/** One round of work, in milliseconds. Rounds of the first part are not compared, because caches fill up then. */
const ROUND = 5_000;
const WARM = 0.4;
/** The last rounds may use this many times the memory of those before them. */
const GROWTH = 1.1;

const megabytes = (bytes) => `${(bytes / MEGABYTE).toFixed(0)} MB`;

async function soak(bounds) {
  const world = await signInWorld({ store: "sqlite" });
  const { gateway } = world;
  const upstream = await startSlowServer();
  world.running.push(upstream);
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  let calls = 0;
  try {
    const { id } = await world.create("servers", { slug: "soak", url: upstream.url });
    const { url } = await world.create("gateways", { name: "Soak", slug: "soak", authentication_mode: "headers", servers: [id] });
    const { key } = await world.create("api-keys", { name: "soak", role: "gateway" });
    const people = new People(world, { workers: 4 });
    const atRest = await openFiles(gateway.pid());
    const sizes = [];
    await bounds.each(async () => {
      const until = performance.now() + ROUND;
      people.begin();
      const caller = async (number) => {
        while (performance.now() < until) {
          const { status, whole } = await callTool(url, { key, user: `user ${number} ${calls % 500}`, name: "quick", agent });
          await whole;
          if (status !== 200) throw new Error(`a call returns ${status}`);
          calls += 1;
          await pause(5);
        }
      };
      await Promise.all(Array.from({ length: 8 }, (_, number) => caller(number)));
      await people.end();
      await people.verify();
      sizes.push((await memory(gateway.pid())).resident);
    });
    await invariants(gateway, "sqlite");
    hangUp();
    agent.destroy();
    let open = await openFiles(gateway.pid());
    for (let waited = 0; open > atRest + 5 && waited < 100; waited += 1) {
      await pause(100);
      open = await openFiles(gateway.pid());
    }
    if (open > atRest + 5) throw new Error(`${open} descriptors are open, ${atRest} were at first`);
    const warm = sizes.slice(Math.floor(sizes.length * WARM));
    const half = Math.ceil(warm.length / 2);
    const [early, late] = [median(warm.slice(0, half)), median(warm.slice(-half))];
    if (late > early * GROWTH) throw new Error(`memory grew from ${megabytes(early)} to ${megabytes(late)}: ${sizes.map(megabytes).join(", ")}`);
    return `${people}, ${calls} calls; memory ${megabytes(early)}, at the end ${megabytes(late)}; descriptors ${atRest}, at the end ${open}`;
  } finally {
    hangUp();
    agent.destroy();
    await world.stop();
  }
}

export default [
  {
    part: "soak",
    fault: "continuous load",
    done: "people sign in, refresh and revoke, and tools are called, for several minutes",
    promised: "memory and descriptors stay constant",
    rounds: 1_000,
    minutes: 4,
    run: soak,
  },
];
