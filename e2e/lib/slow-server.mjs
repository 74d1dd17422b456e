// A stateless MCP server (2026-07-28) whose tool `slow` never responds, and calls of its tools through a gateway.

import { createServer, request } from "node:http";

const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "slow", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

/** Starts it on `port`, or on a free one; `waiting` holds its pending responses. */
export async function startSlowServer(port = 0) {
  const waiting = new Set();
  const server = createServer(async (incoming, answer) => {
    let text = "";
    for await (const piece of incoming) text += piece;
    const { id, method, params } = JSON.parse(text);
    const tool = (name) => ({ name, inputSchema: { type: "object" } });
    const results = {
      "server/discover": { resultType: "complete", supportedVersions: ["2026-07-28"], capabilities: {} },
      "tools/list": { resultType: "complete", ttlMs: 60_000, cacheScope: "public", tools: [tool("slow"), tool("quick")] },
      "tools/call": { resultType: "complete", content: [{ type: "text", text: "done" }] },
    };
    if (params?.name === "slow") {
      waiting.add(answer);
      return;
    }
    answer.setHeader("content-type", "application/json");
    answer.end(JSON.stringify({ jsonrpc: "2.0", id, result: results[method] }));
  });
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}/mcp`,
    waiting,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/**
 * Calls a tool at a gateway in Headers mode as a person; returns the status once the head has arrived, or the code of the error. Running
 * calls are added to `open`.
 */
export function callTool(url, { key, user, name, agent, open = [] }) {
  return new Promise((done) => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: {}, _meta: META } });
    const sent = request(url, {
      agent,
      method: "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "gatewright-user-id": user,
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": name,
      },
    });
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
