// An MCP server whose tool `slow` never responds, and calls of its tools through a gateway.

import { request } from "node:http";
import { toolCall } from "./mcp.mjs";
import { startStatelessServer } from "./stateless-server.mjs";

/** Starts it on `port`, or on a free one; `waiting` holds its pending responses. */
export async function startSlowServer(port = 0) {
  const waiting = new Set();
  const tools = ["slow", "quick"].map((name) => ({ name, inputSchema: { type: "object" } }));
  const server = await startStatelessServer({
    port,
    list: () => ({ ttlMs: 60_000, cacheScope: "public", tools }),
    call: ({ params, response, reply }) => {
      if (params.name === "slow") waiting.add(response);
      else reply({ content: [{ type: "text", text: "done" }] });
    },
  });
  return { ...server, waiting };
}

/**
 * Calls a tool at a gateway in Headers mode as a person; returns the status once the head has arrived, or the code of the error. Running
 * calls are added to `open`.
 */
export function callTool(url, { key, user, name, agent, open = [] }) {
  return new Promise((done) => {
    const { body, ...options } = toolCall({ bearer: key, user, name });
    const sent = request(url, { ...options, agent });
    sent.on("response", (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (part) => (text += part));
      const whole = new Promise((over) => answer.on("end", () => over(text)).on("error", () => over(undefined)));
      done({ status: answer.statusCode, retryAfter: answer.headers["retry-after"], whole });
    });
    sent.on("error", (error) => done({ status: error.code }));
    sent.end(body);
    open.push(sent);
  });
}
