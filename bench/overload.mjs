// What happens at several times the capacity: how long admitted sign-in and refresh requests take, how quickly the others are
// refused and whether they get a `Retry-After`, and how calls with known tokens are affected.

import { execFileSync, spawn } from "node:child_process";
import { availableParallelism, setPriority } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { percentile } from "../e2e/lib/figures.mjs";
import { FORM, addressOf, authorizationRequest, backFromProvider, codeIn, formOf, redemption, refreshing, signInFast, tokens } from "../e2e/lib/flow.mjs";
import { BINARIES, STORES } from "../e2e/lib/gateway.mjs";
import { startSignInWorld } from "../e2e/lib/instant.mjs";
import { freePort, start } from "../e2e/lib/process.mjs";
import { hangUp, send } from "../e2e/lib/raw.mjs";
import { pause } from "../e2e/lib/time.mjs";
import { countThreads } from "./threads.mjs";
import { perSecond } from "./wrk.mjs";

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "10" },
    times: { type: "string", default: "5" },
    stores: { type: "string", default: STORES.join(",") },
    grants: { type: "string", default: "400" },
    niceness: { type: "string", default: "10" },
    calls: { type: "string", default: "100" },
    apart: { type: "boolean", default: false },
    threads: { type: "boolean", default: false },
  },
});
const SECONDS = Number(options.seconds);
const TIMES = Number(options.times);
const GRANTS = Number(options.grants);
/** The driver and the provider stand for other machines: while they send, the process that calls tools and the MCP server go first. */
const NICENESS = Number(options.niceness);
/** Workers that refresh, each after its last response, while capacity is measured. */
const WORKERS = 32;
/** Tool calls per second, the whole time. */
const CALLS = Number(options.calls);
/** The last processor is for the gateway alone, the others for everything else: as if that ran on other machines. Needs Linux. */
const APART = options.apart;
const LAST = availableParallelism() - 1;
const OF_GATEWAY = APART ? ["taskset", "--cpu-list", String(LAST)] : [];
/** The shares of the other requests: the rest are refreshes. A sign-in is five requests, four of which come here. */
const [PAGES, SIGN_INS] = [0.1, 0.02];
/** The maximum number of concurrent requests: above it, the driver would be measured instead of the gateway. */
const UNDER_WAY_MAX = 3_000;
const running = [];

const shown = (milliseconds) => (milliseconds === undefined || milliseconds === null ? "-" : milliseconds.toFixed(milliseconds < 10 ? 1 : 0));

/** The results of the requests of one kind. */
class Kind {
  admitted = [];
  refused = [];
  silent = 0;
  failed = 0;

  /** Sends one request and records the result; returns the response if it was admitted. `good` are the statuses of an admitted request. */
  async send(good, url, request) {
    const began = performance.now();
    const answer = await send(url, request).catch(() => undefined);
    const took = performance.now() - began;
    if (good.includes(answer?.status)) {
      this.admitted.push(took);
      return answer;
    }
    if (answer?.status === 429 || answer?.status === 503) {
      this.refused.push(took);
      if (!answer.headers["retry-after"]) this.silent += 1;
    } else {
      this.failed += 1;
    }
    return undefined;
  }
}

/** The tokens of this many sign-ins. */
async function signIns(world, count) {
  const held = [];
  let begun = 0;
  const work = async (worker) => {
    while (begun < count) {
      begun += 1;
      held.push(await signInFast(world, addressOf(worker)));
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker)));
  return held;
}

/** The process that calls tools; `measured()` ends a period. */
function toolCalls(url, serverUrl, token) {
  const child = spawn(process.execPath, [join(import.meta.dirname, "tool-calls.mjs"), url, serverUrl, String(CALLS)], {
    env: { ...process.env, TOKEN: token },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout });
  return {
    measured: async () => {
      const line = new Promise((done) => lines.once("line", done));
      child.stdin.write("next\n");
      return JSON.parse(await line);
    },
    stop: async () => {
      const closed = new Promise((done) => child.once("close", done));
      child.kill();
      await closed;
    },
  };
}

/** Sends this many requests per second, whatever happens to them. */
async function offer({ url, client, held }, rate) {
  const kinds = { page: new Kind(), allow: new Kind(), callback: new Kind(), code: new Kind(), refresh: new Kind() };
  let [underWay, number, notSent] = [0, 0, 0];
  const free = [...held];
  const token = `${url}/oauth2/token`;
  const post = (form, from) => ({ method: "POST", headers: FORM, body: new URLSearchParams(form).toString(), from });

  const refresh = async (from) => {
    const grant = free.pop();
    // All slots are in use: the driver has too few of them.
    if (!grant) return void (notSent += 1);
    const answer = await kinds.refresh.send([200], token, post(refreshing(client, grant.refresh_token), from));
    free.unshift(answer ? JSON.parse(answer.text) : grant);
  };
  const page = (from, { at } = authorizationRequest(url, client)) => kinds.page.send([200], at, { from });
  const signIn = async (from) => {
    const request = authorizationRequest(url, client);
    const asked = await page(from, request);
    if (!asked) return;
    const form = formOf(url, asked);
    const begun = await kinds.allow.send([303], form.url, { ...form, from });
    if (!begun) return;
    const { url: callback, ...returning } = await backFromProvider(begun, from);
    const back = await kinds.callback.send([303], callback, returning);
    if (!back || !codeIn(back)) return;
    await kinds.code.send([200], token, post(redemption(client, codeIn(back), request.verifier), from));
  };

  const began = performance.now();
  while (performance.now() - began < SECONDS * 1000) {
    const due = Math.floor(((performance.now() - began) * rate) / 1000);
    for (; number < due; number += 1) {
      if (underWay >= UNDER_WAY_MAX) {
        notSent += 1;
        continue;
      }
      const from = addressOf(number % 400);
      const draw = Math.random();
      underWay += 1;
      const work = draw < SIGN_INS ? signIn(from) : draw < SIGN_INS + PAGES ? page(from) : refresh(from);
      work.catch(() => {}).finally(() => (underWay -= 1));
    }
    await pause(5);
  }
  const took = (performance.now() - began) / 1000;
  while (underWay > 0) await pause(50);
  const sent = Object.values(kinds).reduce((sum, kind) => sum + kind.admitted.length + kind.refused.length + kind.failed, 0);
  return { kinds, sent: sent / took, notSent };
}

async function measure(store, upstream) {
  const bench = await startSignInWorld({ store, logLevel: "warn", logsToFile: true, serverUrl: upstream, wrapper: OF_GATEWAY });
  running.push(bench);
  const held = await signIns(bench, GRANTS);
  const calls = toolCalls(bench.url, upstream, held[0].access_token);
  try {
    await pause(1_000);
    await calls.measured();
    await pause(SECONDS * 1000);
    const quiet = await calls.measured();
    const capacity = await perSecond(WORKERS, Math.min(SECONDS, 5), async (worker) => {
      const form = refreshing(bench.client, held[worker].refresh_token);
      held[worker] = await tokens(bench.url, form, addressOf(worker));
    });
    await pause(1_000);
    await calls.measured();
    for (const pid of [process.pid, bench.provider.child.pid]) setPriority(pid, NICENESS);
    const printThreads = options.threads ? await countThreads({ gateway: bench.gateway.pid(), driver: process.pid }) : () => {};
    const { kinds, sent, notSent } = await offer({ ...bench, held }, capacity * TIMES);
    const loaded = await calls.measured();
    const factor = (sent / capacity).toFixed(1);
    console.log(`\n${store}: capacity ${capacity.toFixed(0)} refreshes/s; sent ${sent.toFixed(0)} requests/s (${factor} times), not sent by the driver ${notSent}\n`);
    console.log("request | admitted | refused | % refused | p99 ms admitted | p99 ms refused | without Retry-After | other responses");
    console.log("--- | --- | --- | --- | --- | --- | --- | ---");
    for (const [name, kind] of Object.entries(kinds)) {
      const [admitted, refused] = [kind.admitted.length, kind.refused.length];
      const share = ((100 * refused) / Math.max(1, admitted + refused)).toFixed(1);
      const times = [shown(percentile(kind.admitted, 0.99)), shown(percentile(kind.refused, 0.99))];
      console.log(`${[name, admitted, refused, share, ...times, kind.silent, kind.failed].join(" | ")}`);
    }
    for (const [way, name] of [["gateway", "tool calls"], ["direct", "the same, straight to the MCP server"]]) {
      const [before, under] = [quiet[way], loaded[way]];
      const ratio = (under.p99 / before.p99).toFixed(1);
      console.log(`\n${name}: p99 ${shown(before.p99)} ms without load, ${shown(under.p99)} ms under it (${ratio} times); failed ${before.failed + under.failed}`);
      console.log(`of ${before.calls} and ${under.calls} calls; median ${shown(before.p50)} and ${shown(under.p50)} ms`);
    }
    await printThreads();
  } finally {
    await calls.stop();
  }
}

try {
  if (APART) execFileSync("taskset", ["--cpu-list", "--pid", LAST ? `0-${LAST - 1}` : "0", String(process.pid)]);
  const port = await freePort();
  const upstream = `http://127.0.0.1:${port}/mcp`;
  running.push(await start(join(BINARIES, "bench-upstream"), [String(port)], { readyUrl: upstream }));
  const where = APART ? "the gateway has a processor of its own" : "driver, provider and server run on the same processors";
  console.log(`${SECONDS} s at ${TIMES} times the capacity; ${where}.`);
  for (const store of options.stores.split(",")) await measure(store, upstream);
} finally {
  hangUp();
  for (const each of running.reverse()) await each.stop();
}
