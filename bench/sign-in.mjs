// The cost of signing in: complete sign-ins, redemptions and refreshes per second with an instant provider, on both stores and with
// more and more grants in them; metadata and challenges per second compared with nginx with a fixed response.

import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { STORES, startGateway } from "../e2e/lib/gateway.mjs";
import { freePort, start } from "../e2e/lib/process.mjs";
import { hangUp } from "../e2e/lib/raw.mjs";
import { addressOf, code, perSecond, register, tokens } from "./flow.mjs";
import { seedGrants } from "./seed.mjs";

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

const median = (numbers) => {
  const sorted = numbers.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};

/** A gateway whose provider answers immediately. */
async function instance(store, provider) {
  const folder = await mkdtemp(join(tmpdir(), "gatewright-bench-"));
  const gateway = await startGateway({ store, outputFile: join(folder, "gateway.log") });
  running.push(gateway, { stop: () => rm(folder, { recursive: true, force: true }) });
  const create = (kind, body) => gateway.api("POST", `${gateway.project}/${kind}`, body);
  const source = await create("user-sources", {
    name: "Instant",
    issuer: provider,
    client_id: "bench",
    client_secret: "bench-secret-of-some-length",
  });
  const made = await create("gateways", {
    name: "Bench",
    slug: "bench",
    authentication_mode: "user_source",
    user_source_id: source.id,
  });
  return { gateway, url: made.url, client: await register(made.url) };
}

/** Sign-ins, redemptions and refreshes per second, measured separately. */
async function flows({ url, client }) {
  const whole = await perSecond(WORKERS, SECONDS, async (worker) => {
    const from = addressOf(worker);
    await tokens(url, await code(url, client, from), from);
  });
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
    const form = { grant_type: "refresh_token", client_id: client, refresh_token: held[worker].refresh_token };
    held[worker] = await tokens(url, form, addressOf(worker));
  });
  return { whole, redemptions, refreshes };
}

async function resident(pid) {
  return Number((await readFile(`/proc/${pid}/status`, "utf8")).match(/VmRSS:\s+(\d+)/)[1]) / 1024;
}

async function growth(store, provider) {
  const world = await instance(store, provider);
  await tokens(world.url, await code(world.url, world.client, addressOf(0)), addressOf(0));
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
    const memory = (await resident(world.gateway.pid())).toFixed(1);
    const numbers = [of("whole"), of("redemptions"), of("refreshes"), startUp.toFixed(0), memory];
    console.log(`${store} | ${grants} | ${numbers.join(" | ")}`);
  }
}

/** One run of wrk; returns requests per second and the 99th percentile. `status` is the one every response must have. */
async function wrk(url, connections, status) {
  const args = ["-t1", `-c${connections}`, `-d${SECONDS}s`, "--timeout", "5s", "-s", join(import.meta.dirname, "get.lua"), url];
  const child = spawn("wrk", args, { env: { ...process.env, STATUS: String(status) } });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (part) => (text += part));
  await new Promise((done) => child.once("close", done));
  const line = text.match(/RESULT (.*)/);
  if (!line) throw new Error(`wrk against ${url} printed:\n${text}`);
  const { requests, micros, p99, wrong } = JSON.parse(line[1]);
  if (wrong > 0 || requests === 0) throw new Error(`${url}: ${wrong} of ${requests} responses were not ${status}`);
  return { rate: (requests * 1e6) / micros, p99 };
}

/** Requests that every client sends first, without a token: compared with nginx with the same responses. */
async function documents(provider) {
  const { gateway, url } = await instance("sqlite", provider);
  const path = new URL(url).pathname;
  const metadata = `${gateway.url}/.well-known/oauth-protected-resource${path}`;
  const server = `${gateway.url}/.well-known/oauth-authorization-server${path}`;
  const challenge = (await fetch(url)).headers.get("www-authenticate");
  const folder = await mkdtemp(join(tmpdir(), "gatewright-bench-fixed-"));
  await mkdir(join(folder, "logs"), { recursive: true });
  const port = await freePort();
  const configuration = (await readFile(join(import.meta.dirname, "fixed.conf"), "utf8"))
    .replaceAll("@PORT@", String(port))
    .replaceAll("@FOLDER@", folder)
    .replaceAll("@CHALLENGE@", challenge)
    .replaceAll("@METADATA@", await (await fetch(server)).text());
  await writeFile(join(folder, "fixed.conf"), configuration);
  const nginx = await start("/usr/sbin/nginx", ["-c", join(folder, "fixed.conf"), "-p", folder], {
    readyUrl: `http://127.0.0.1:${port}/metadata`,
  });
  running.push({ stop: () => rm(folder, { recursive: true, force: true }) }, nginx);
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
        seen.theirs.push(await wrk(theirs, connections, status));
        seen.ours.push(await wrk(ours, connections, status));
      }
      const of = (who, field) => median(seen[who].map((each) => each[field]));
      const share = (of("ours", "rate") / of("theirs", "rate")).toFixed(2);
      console.log(`${title} | ${connections} | ${of("ours", "rate").toFixed(0)} | ${share} | ${of("ours", "p99")} | ${of("theirs", "p99")}`);
    }
  }
}

try {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const provider = await start(process.execPath, [join(import.meta.dirname, "instant-provider.mjs"), String(port)], {
    readyUrl: `${issuer}/jwks`,
  });
  running.push(provider);
  await documents(issuer);
  console.log(`\nMedians of ${ROUNDS} rounds of ${SECONDS} s, ${WORKERS} sign-ins at once.\n`);
  console.log("store | grants | sign-ins/s | redemptions/s | refreshes/s | start ms | resident MB\n--- | --- | --- | --- | --- | --- | ---");
  for (const store of STORES) await growth(store, issuer);
} finally {
  hangUp();
  for (const each of running.reverse()) await each.stop();
}
