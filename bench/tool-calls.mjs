// Tool calls at a steady pace from a separate process, so that the rest of a benchmark does not affect their times. Every second
// call goes straight to the MCP server: what the machine adds to that one, it also adds to the others.
// `tool-calls.mjs <url> <url of the server> <calls per second>`; the access token is in TOKEN. Each line on standard input ends a
// period and prints its measurements as JSON.

import { Agent, request } from "node:http";
import { createInterface } from "node:readline";
import { percentile } from "../e2e/lib/figures.mjs";
import { toolCall } from "../e2e/lib/mcp.mjs";

const [url, serverUrl, rate] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const { body, headers, method } = toolCall({ bearer: process.env.TOKEN, name: "small" });
headers["content-length"] = Buffer.byteLength(body);

/** Where calls go, and what became of those of the present period. */
class Way {
  agent = new Agent({ keepAlive: true, maxSockets: 32 });
  took = [];
  failed = 0;

  constructor(url) {
    this.url = url;
  }

  call() {
    const began = performance.now();
    const sent = request(this.url, { method, headers, agent: this.agent });
    sent.on("error", () => (this.failed += 1));
    sent.on("response", (answer) => {
      answer.resume().on("end", () => {
        if (answer.statusCode === 200) this.took.push(performance.now() - began);
        else this.failed += 1;
      });
    });
    sent.end(body);
  }

  period() {
    const at = (share) => percentile(this.took, share) ?? null;
    const measured = { calls: this.took.length, failed: this.failed, p50: at(0.5), p99: at(0.99) };
    [this.took, this.failed] = [[], 0];
    return measured;
  }
}

const [gateway, direct] = [new Way(url), new Way(serverUrl)];
setInterval(() => gateway.call(), 1000 / rate);
setTimeout(() => setInterval(() => direct.call(), 1000 / rate), 500 / rate);
createInterface({ input: process.stdin }).on("line", () => {
  console.log(JSON.stringify({ gateway: gateway.period(), direct: direct.period() }));
});
