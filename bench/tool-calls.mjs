// Tool calls at a steady pace from a separate process, so that the rest of a benchmark does not affect their times.
// `tool-calls.mjs <url> <calls per second>`; the access token is in TOKEN. Each line on standard input ends a period and prints
// its measurements as JSON.

import { Agent, request } from "node:http";
import { createInterface } from "node:readline";

const [url, rate] = [process.argv[2], Number(process.argv[3])];
const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};
const BODY = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "small", arguments: {}, _meta: META } });
const headers = {
  authorization: `Bearer ${process.env.TOKEN}`,
  accept: "application/json, text/event-stream",
  "content-type": "application/json",
  "content-length": Buffer.byteLength(BODY),
  "mcp-protocol-version": "2026-07-28",
  "mcp-method": "tools/call",
  "mcp-name": "small",
};
const agent = new Agent({ keepAlive: true, maxSockets: 32 });
let [took, failed] = [[], 0];

function call() {
  const began = performance.now();
  const sent = request(url, { method: "POST", headers, agent });
  sent.on("error", () => (failed += 1));
  sent.on("response", (answer) => {
    answer.resume().on("end", () => {
      if (answer.statusCode === 200) took.push(performance.now() - began);
      else failed += 1;
    });
  });
  sent.end(BODY);
}

setInterval(call, 1000 / rate);
createInterface({ input: process.stdin }).on("line", () => {
  const sorted = took.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
  console.log(JSON.stringify({ calls: took.length, failed, p50: at(0.5), p99: at(0.99) }));
  [took, failed] = [[], 0];
});
