// Tool calls at a steady pace from a separate process, so that the rest of a benchmark does not affect their times.
// `tool-calls.mjs <url> <calls per second>`; the access token is in TOKEN. Each line on standard input ends a period and prints
// its measurements as JSON.

import { Agent, request } from "node:http";
import { createInterface } from "node:readline";
import { percentile } from "../e2e/lib/figures.mjs";
import { toolCall } from "../e2e/lib/mcp.mjs";

const [url, rate] = [process.argv[2], Number(process.argv[3])];
const { body, headers, method } = toolCall({ bearer: process.env.TOKEN, name: "small" });
headers["content-length"] = Buffer.byteLength(body);
const agent = new Agent({ keepAlive: true, maxSockets: 32 });
let [took, failed] = [[], 0];

function call() {
  const began = performance.now();
  const sent = request(url, { method, headers, agent });
  sent.on("error", () => (failed += 1));
  sent.on("response", (answer) => {
    answer.resume().on("end", () => {
      if (answer.statusCode === 200) took.push(performance.now() - began);
      else failed += 1;
    });
  });
  sent.end(body);
}

setInterval(call, 1000 / rate);
createInterface({ input: process.stdin }).on("line", () => {
  const at = (share) => percentile(took, share) ?? null;
  console.log(JSON.stringify({ calls: took.length, failed, p50: at(0.5), p99: at(0.99) }));
  [took, failed] = [[], 0];
});
