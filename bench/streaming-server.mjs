// An MCP server (2026-07-28) that answers each call with a stream that stays open until the other side closes it.
// `streaming-server.mjs <port>`.

import { createServer } from "node:http";

const DISCOVERED = {
  resultType: "complete",
  supportedVersions: ["2026-07-28"],
  capabilities: { tools: {} },
  ttlMs: 3_600_000,
  cacheScope: "public",
  _meta: { "io.modelcontextprotocol/serverInfo": { name: "streaming", version: "1" } },
};
const LISTED = { resultType: "complete", tools: [{ name: "stay", inputSchema: { type: "object" } }], ttlMs: 3_600_000, cacheScope: "public" };
const NOTE = { jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: "still at it" } };

createServer((request, response) => {
  let text = "";
  request.setEncoding("utf8").on("data", (part) => (text += part));
  request.on("end", () => {
    const { id, method } = text ? JSON.parse(text) : {};
    const answer = (result) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ jsonrpc: "2.0", id, result }));
    if (method === "server/discover") return answer(DISCOVERED);
    if (method === "tools/list") return answer(LISTED);
    if (method !== "tools/call") return response.writeHead(id === undefined ? 202 : 404).end();
    return response.writeHead(200, { "content-type": "text/event-stream" }).write(`data: ${JSON.stringify(NOTE)}\n\n`);
  });
}).listen(Number(process.argv[2]), "127.0.0.1");
