// The benchmark: one upstream MCP server reached directly, through nginx as a plain proxy, through a bare hyper proxy, and
// through the gateway with token verification. Interleaved rounds on one machine, medians, printed as ratios.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { accessToken } from "../e2e/lib/access-token.mjs";
import { sourceFields } from "../e2e/lib/api.mjs";
import { childrenOf, median, processorTime } from "../e2e/lib/figures.mjs";
import { BINARIES, startGateway } from "../e2e/lib/gateway.mjs";
import { mcpHeaders, mcpMessage } from "../e2e/lib/mcp.mjs";
import { startNginx } from "../e2e/lib/nginx.mjs";
import { freePort, start } from "../e2e/lib/process.mjs";
import { startProvider } from "../e2e/lib/provider.mjs";
import { wrk } from "./wrk.mjs";

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "2" },
    rounds: { type: "string", default: "3" },
    jobs: { type: "string", default: "" },
  },
});
const CONCURRENCY = [1, 32, 128];
const call = (name) => ({ method: "tools/call", name, params: { name, arguments: { query: "forty-two" } } });
const ALL_JOBS = {
  "tools/call, small": call("small"),
  "tools/call, 100 kB": call("large"),
  "tools/list, 50 tools": { method: "tools/list", params: {} },
  "prompts/list, 50 prompts": { method: "prompts/list", params: {} },
  "resources/list, 50 resources": { method: "resources/list", params: {} },
};
/** The jobs whose titles contain these words. */
const JOBS = Object.fromEntries(Object.entries(ALL_JOBS).filter(([title]) => title.includes(options.jobs)));
const running = [];

/** The processor time that several processes have used, in seconds. */
async function cpuSeconds(pids) {
  const times = await Promise.all(pids.map(processorTime));
  return times.reduce((sum, time) => sum + time, 0) / 1000;
}

const requestOf = ({ token, user }, { method, name, params }) => ({
  method: "POST",
  headers: mcpHeaders({ bearer: token, user, method, name }),
  body: mcpMessage(method, params),
});

function load(target, job, connections) {
  const { headers, body } = requestOf(target, job);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return wrk("post.lua", target.url, { connections, seconds: options.seconds, env: { BODY: body, HEADERS: lines.join("\n") } });
}

async function targets() {
  const [upstreamPort, nginxPort, passPort] = [await freePort(), await freePort(), await freePort()];
  const upstream = await start(join(BINARIES, "bench-upstream"), [String(upstreamPort)], {
    readyUrl: `http://127.0.0.1:${upstreamPort}/mcp`,
  });
  const configuration = (await readFile(join(import.meta.dirname, "nginx.conf"), "utf8"))
    .replaceAll("@PORT@", String(nginxPort))
    .replaceAll("@UPSTREAM@", `127.0.0.1:${upstreamPort}`);
  const nginx = await startNginx(configuration, { workers: 2, readyUrl: `http://127.0.0.1:${nginxPort}/mcp` });
  const pass = await start(join(BINARIES, "bench-passthrough"), [String(passPort), `http://127.0.0.1:${upstreamPort}`], {
    readyUrl: `http://127.0.0.1:${passPort}/mcp`,
  });
  // As in production: the default log, written to a file and not through this process.
  // All connections are of one person, who may have more requests at once than usual.
  const env = { GATEWRIGHT__LIMITS__RUNNING_PER_PERSON: "256" };
  const gateway = await startGateway({ logsToFile: true, env });
  const provider = await startProvider({ redirectUri: gateway.callback });
  running.push(upstream, nginx, pass, gateway, provider);
  const { create } = gateway;
  const source = await create("user-sources", sourceFields(provider));
  const server = await create("servers", { slug: "bench", name: "Bench", url: `http://127.0.0.1:${upstreamPort}/mcp` });
  const made = await create("gateways", {
    name: "Bench",
    slug: "bench",
    authentication_mode: "user_source",
    user_source_id: source.id,
    servers: [server.id],
  });
  const token = await accessToken({ url: made.url });
  const keyed = await create("gateways", {
    name: "Bench by key",
    slug: "bench-key",
    authentication_mode: "headers",
    servers: [server.id],
  });
  const { key } = await create("api-keys", { name: "bench", role: "gateway" });
  return {
    direct: { url: `http://127.0.0.1:${upstreamPort}/mcp`, pids: [upstream.child.pid] },
    nginx: { url: `http://127.0.0.1:${nginxPort}/mcp`, pids: await childrenOf(nginx.pid) },
    hyper: { url: `http://127.0.0.1:${passPort}/mcp`, pids: [pass.child.pid] },
    gateway: { url: made.url, pids: [gateway.pid()], token },
    // The same path with a key look-up instead of token verification: the difference is the cost of verification.
    "gateway, by key": { url: keyed.url, pids: [gateway.pid()], token: key, user: "bench" },
  };
}

/** One checked response of the gateway, so that a refusal is never measured as speed. */
async function check(target, job) {
  const answer = await fetch(target.url, requestOf(target, job));
  const text = await answer.text();
  if (answer.status !== 200 || !text.includes('"result"')) throw new Error(`${target.url}: ${answer.status} ${text}`);
}

try {
  const all = await targets();
  const seen = {};
  for (const job of Object.values(JOBS)) for (const target of Object.values(all)) await check(target, job);
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const [title, job] of Object.entries(JOBS)) {
      for (const connections of CONCURRENCY) {
        for (const [name, target] of Object.entries(all)) {
          const before = await cpuSeconds(target.pids);
          const measured = await load(target, job, connections);
          const cpu = (await cpuSeconds(target.pids)) - before;
          if (measured.errors > 0) throw new Error(`${name}, ${title}, ${connections}: ${measured.errors} errors`);
          ((seen[`${title} | ${connections}`] ??= {})[name] ??= []).push({
            rate: (measured.requests * 1e6) / measured.micros,
            p50: measured.p50,
            p99: measured.p99,
            cpu: (cpu * 1e6) / measured.requests,
          });
        }
      }
    }
  }
  console.log(`\nMedians of ${options.rounds} interleaved rounds of ${options.seconds} s; ratios against nginx in the same run.\n`);
  console.log("job | connections | target | requests/s | of nginx | p50 µs | p99 µs | p99 of hyper | CPU µs/call");
  console.log("--- | --- | --- | --- | --- | --- | --- | --- | ---");
  for (const [key, byTarget] of Object.entries(seen)) {
    const of = (name, field) => median(byTarget[name].map((each) => each[field]));
    for (const name of Object.keys(byTarget)) {
      const share = (of(name, "rate") / of("nginx", "rate")).toFixed(2);
      const tail = (of(name, "p99") / of("hyper", "p99")).toFixed(2);
      const numbers = [of(name, "rate").toFixed(0), share, of(name, "p50"), of(name, "p99"), tail, of(name, "cpu").toFixed(1)];
      console.log(`${key} | ${name} | ${numbers.join(" | ")}`);
    }
  }
} finally {
  for (const each of running.reverse()) await each.stop();
}
