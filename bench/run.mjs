// The benchmark: one upstream MCP server reached directly, through nginx as a plain proxy, through a bare hyper proxy, and
// through the gateway with token verification. Interleaved rounds on one machine, medians, printed as ratios.

import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { accessToken } from "../e2e/lib/access-token.mjs";
import { BINARIES, startGateway } from "../e2e/lib/gateway.mjs";
import { freePort, start } from "../e2e/lib/process.mjs";
import { startProvider } from "../e2e/lib/provider.mjs";

const { values: options } = parseArgs({
  options: { seconds: { type: "string", default: "2" }, rounds: { type: "string", default: "3" } },
});
const CONCURRENCY = [1, 32, 128];
const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};
const call = (name) => ({ method: "tools/call", name, params: { name, arguments: { query: "forty-two" }, _meta: META } });
const JOBS = {
  "tools/call, small": call("small"),
  "tools/call, 100 kB": call("large"),
  "tools/list, 50 tools": { method: "tools/list", params: { _meta: META } },
};
const running = [];

/** Ticks of processor time that a process and its children have used, in seconds. */
async function cpuSeconds(pids) {
  let ticks = 0;
  for (const pid of pids) {
    const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).replace(/^.*\) /, "").split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / 100;
}

async function childrenOf(pid) {
  return (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim().split(" ").filter(Boolean).map(Number);
}

async function load({ url, job, connections, token, user, seconds }) {
  const headers = {
    "Content-Type": "application/json",
    Accept: "application/json, text/event-stream",
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": job.method,
    ...(job.name && { "Mcp-Name": job.name }),
    ...(token && { Authorization: `Bearer ${token}` }),
    ...(user && { "Gatewright-User-ID": user }),
  };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: job.method, params: job.params });
  const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "5s", "-s", join(import.meta.dirname, "post.lua"), url];
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const wrk = spawn("wrk", args, { env: { ...process.env, BODY: body, HEADERS: lines.join("\n") } });
  let text = "";
  wrk.stdout.setEncoding("utf8").on("data", (part) => (text += part));
  wrk.stderr.setEncoding("utf8").on("data", (part) => (text += part));
  await new Promise((done) => wrk.once("close", done));
  const line = text.match(/RESULT (.*)/);
  if (!line) throw new Error(`wrk against ${url} printed:\n${text}`);
  return JSON.parse(line[1]);
}

/** The middle value; of an even number the mean of the two in the middle. */
const median = (numbers) => {
  const sorted = numbers.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};

async function targets() {
  const folder = await mkdtemp(join(tmpdir(), "gatewright-bench-"));
  const [upstreamPort, nginxPort, passPort] = [await freePort(), await freePort(), await freePort()];
  const upstream = await start(join(BINARIES, "bench-upstream"), [String(upstreamPort)], {
    readyUrl: `http://127.0.0.1:${upstreamPort}/mcp`,
  });
  const configuration = (await readFile(join(import.meta.dirname, "nginx.conf"), "utf8"))
    .replaceAll("@PORT@", String(nginxPort))
    .replaceAll("@UPSTREAM@", `127.0.0.1:${upstreamPort}`)
    .replaceAll("@FOLDER@", folder);
  await mkdir(join(folder, "logs"), { recursive: true });
  await writeFile(join(folder, "nginx.conf"), configuration);
  const nginx = await start("/usr/sbin/nginx", ["-c", join(folder, "nginx.conf"), "-p", folder], {
    readyUrl: `http://127.0.0.1:${nginxPort}/mcp`,
  });
  const pass = await start(join(BINARIES, "bench-passthrough"), [String(passPort), `http://127.0.0.1:${upstreamPort}`], {
    readyUrl: `http://127.0.0.1:${passPort}/mcp`,
  });
  // As in production: the default log, written to a file and not through this process.
  const gateway = await startGateway({ outputFile: join(folder, "gateway.log") });
  const provider = await startProvider({ redirectUri: gateway.callback });
  running.push(upstream, nginx, pass, gateway, provider, { stop: () => rm(folder, { recursive: true, force: true }) });
  const create = (kind, body) => gateway.api("POST", `${gateway.project}/${kind}`, body);
  const source = await create("user-sources", {
    name: "Company",
    issuer: provider.issuer,
    client_id: provider.client.client_id,
    client_secret: provider.client.client_secret,
  });
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
    nginx: { url: `http://127.0.0.1:${nginxPort}/mcp`, pids: await childrenOf(nginx.child.pid) },
    hyper: { url: `http://127.0.0.1:${passPort}/mcp`, pids: [pass.child.pid] },
    gateway: { url: made.url, pids: [gateway.pid()], token },
    // The same path with a key look-up instead of token verification: the difference is the cost of verification.
    "gateway, by key": { url: keyed.url, pids: [gateway.pid()], token: key, user: "bench" },
  };
}

/** One checked response of the gateway, so that a refusal is never measured as speed. */
async function check(target, job) {
  const answer = await fetch(target.url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": job.method,
      ...(job.name && { "mcp-name": job.name }),
      ...(target.token && { authorization: `Bearer ${target.token}` }),
      ...(target.user && { "gatewright-user-id": target.user }),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: job.method, params: job.params }),
  });
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
          const measured = await load({ ...target, job, connections, seconds: options.seconds });
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
