// Stands in front of two replicas and sends each request to the one that a test chooses, as a load balancer might.

import { createServer, request } from "node:http";
import { bodyOf, listen } from "./listen.mjs";

/** Starts it; `choose(message, request)` returns the index of one of `origins`. `counts` says how many requests each got. */
export async function startSpread(origins, choose) {
  const counts = origins.map(() => 0);
  const server = createServer(async (incoming, response) => {
    const body = await bodyOf(incoming);
    const chosen = choose(body ? JSON.parse(body) : {}, incoming);
    counts[chosen] += 1;
    const { hostname, port, host } = new URL(origins[chosen]);
    const headers = { ...incoming.headers, host };
    const sent = request({ hostname, port, path: incoming.url, method: incoming.method, headers, agent: false });
    sent.on("response", (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
      answer.on("error", () => response.destroy());
    });
    sent.on("error", () => response.destroy());
    response.on("close", () => sent.destroy());
    sent.end(body);
  });
  const { origin, stop } = await listen(server);
  return { origin, counts, stop };
}
