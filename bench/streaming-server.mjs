// An MCP server (2026-07-28) that answers each call with a stream that stays open until the other side closes it.
// `streaming-server.mjs <port>`.

import { startStatelessServer } from "../e2e/lib/stateless-server.mjs";

const NOTE = { jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: "still at it" } };

await startStatelessServer({
  port: Number(process.argv[2]),
  list: () => ({ tools: [{ name: "stay", inputSchema: { type: "object" } }], ttlMs: 3_600_000, cacheScope: "public" }),
  call: ({ response }) => response.writeHead(200, { "content-type": "text/event-stream" }).write(`data: ${JSON.stringify(NOTE)}

`),
});
