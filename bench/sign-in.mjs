// The cost of signing in: complete sign-ins, redemptions and refreshes per second with an instant provider, on both stores and with
// more and more grants in them; metadata and challenges per second compared with nginx with a fixed response.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { MEGABYTE, median, memory } from "../e2e/lib/figures.mjs";
import { addressOf, code, refreshing, signInFast, tokens } from "../e2e/lib/flow.mjs";
import { STORES } from "../e2e/lib/gateway.mjs";
import { startSignInWorld } from "../e2e/lib/instant.mjs";
import { startNginx } from "../e2e/lib/nginx.mjs";
import { freePort } from "../e2e/lib/process.mjs";
import { hangUp } from "../e2e/lib/raw.mjs";
import { seedGrants } from "./seed.mjs";
import { perSecond, wrk } from "./wrk.mjs";

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "2" },
    rounds: { type: "string", default: "3" },
    grants: { type: "string", default: "10,1000,100000" },
  },
});
const SECONDS = Number(options.seconds);
const ROUNDS = Number(options.rounds);
/** Concurrent sign-ins. */
const WORKERS = 32;
/** Codes are valid for a minute; this many are redeemed in much less. */
const CODES = 200;
const CONNECTIONS = [32, 128];
const running = [];

/** Sign-ins, redemptions and refreshes per second, measured separately. */
async function flows(world) {
  const { url, client } = world;
  const whole = await perSecond(WORKERS, SECONDS, (worker) => signInFast(world, addressOf(worker)));
  const waiting = [];
  for (let count = 0; count < CODES; count += WORKERS) {
    const some = Array.from({ length: WORKERS }, (_, worker) => code(url, client, addressOf(worker)));
    waiting.push(...(await Promise.all(some)));
  }
  const began = performance.now();
  const held = [];
  const redeem = async (worker) => {
    for (let form = waiting.pop(); form; form = waiting.pop()) held.push(await tokens(url, form, addressOf(worker)));
  };
  await Promise.all(Array.from({ length: WORKERS }, (_, worker) => redeem(worker)));
  const redemptions = (held.length * 1000) / (performance.now() - began);
  const refreshes = await perSecond(WORKERS, SECONDS, async (worker) => {
    held[worker] = await tokens(url, refreshing(client, held[worker].refresh_token), addressOf(worker));
  });
  return { whole, redemptions, refreshes };
}

async function growth(store) {
  const world = await startSignInWorld({ store, logsToFile: true });
  running.push(world);
  await signInFast(world, addressOf(0));
  let seeded = 0;
  for (const grants of options.grants.split(",").map(Number)) {
    await seedGrants(world.gateway, store, seeded, grants);
    seeded = grants;
    const begun = performance.now();
    await world.gateway.restart();
    const startUp = performance.now() - begun;
    await flows(world);
    const seen = [];
    for (let round = 0; round < ROUNDS; round += 1) seen.push(await flows(world));
    const of = (name) => median(seen.map((each) => each[name])).toFixed(0);
    const resident = ((await memory(world.gateway.pid())).resident / MEGABYTE).toFixed(1);
    const numbers = [of("whole"), of("redemptions"), of("refreshes"), startUp.toFixed(0), resident];
    console.log(`${store} | ${grants} | ${numbers.join(" | ")}`);
  }
}

/** Requests per second and the 99th percentile, of requests that must all have this status. */
async function gets(url, connections, status) {
  const { requests, micros, p99, wrong } = await wrk("get.lua", url, { connections, seconds: SECONDS, env: { STATUS: String(status) } });
  if (wrong > 0 || requests === 0) throw new Error(`${url}: ${wrong} of ${requests} responses were not ${status}`);
  return { rate: (requests * 1e6) / micros, p99 };
}

/** Requests that every client sends first, without a token: compared with nginx with the same responses. */
async function documents() {
  const world = await startSignInWorld({ logsToFile: true });
  running.push(world);
  const { gateway, url } = world;
  const path = new URL(url).pathname;
  const metadata = `${gateway.url}/.well-known/oauth-protected-resource${path}`;
  const server = `${gateway.url}/.well-known/oauth-authorization-server${path}`;
  const challenge = (await fetch(url)).headers.get("www-authenticate");
  const port = await freePort();
  const configuration = (await readFile(join(import.meta.dirname, "fixed.conf"), "utf8"))
    .replaceAll("@PORT@", String(port))
    .replaceAll("@CHALLENGE@", challenge)
    .replaceAll("@METADATA@", await (await fetch(server)).text());
  const nginx = await startNginx(configuration, { workers: 2, readyUrl: `http://127.0.0.1:${port}/metadata` });
  running.push(nginx);
  const fixed = (name) => `http://127.0.0.1:${port}/${name}`;
  const jobs = {
    "authorization server metadata": [server, fixed("metadata"), 200],
    "protected resource metadata": [metadata, fixed("metadata"), 200],
    "401 with its challenge": [url, fixed("challenge"), 401],
  };
  console.log("\nanswer | connections | requests/s | of nginx | p99 µs | p99 µs of nginx\n--- | --- | --- | --- | --- | ---");
  for (const [title, [ours, theirs, status]] of Object.entries(jobs)) {
    for (const connections of CONNECTIONS) {
      const seen = { ours: [], theirs: [] };
      for (let round = 0; round < ROUNDS; round += 1) {
        seen.theirs.push(await gets(theirs, connections, status));
        seen.ours.push(await gets(ours, connections, status));
      }
      const of = (who, field) => median(seen[who].map((each) => each[field]));
      const share = (of("ours", "rate") / of("theirs", "rate")).toFixed(2);
      console.log(`${title} | ${connections} | ${of("ours", "rate").toFixed(0)} | ${share} | ${of("ours", "p99")} | ${of("theirs", "p99")}`);
    }
  }
}

try {
  await documents();
  console.log(`\nMedians of ${ROUNDS} rounds of ${SECONDS} s, ${WORKERS} sign-ins at once.\n`);
  console.log("store | grants | sign-ins/s | redemptions/s | refreshes/s | start ms | resident MB\n--- | --- | --- | --- | --- | --- | ---");
  for (const store of STORES) await growth(store);
} finally {
  hangUp();
  for (const each of running.reverse()) await each.stop();
}
