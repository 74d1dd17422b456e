// A stateless MCP server (2026-07-28) whose list has the requested size, and whose tool `half` breaks off on request.

import { once } from "node:events";
import { createServer } from "node:http";

export const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "measuring", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

/** The headers of a message to a gateway. */
export const headersOf = (key, method, name) => ({
  authorization: `Bearer ${key}`,
  "gatewright-user-id": "ada",
  accept: "application/json, text/event-stream",
  "content-type": "application/json",
  "mcp-protocol-version": "2026-07-28",
  "mcp-method": method,
  ...(name && { "mcp-name": name }),
});

/** Starts it, with a tool `half` and `more` others with long descriptions. */
export async function startBreakingUpstream({ more = 0, length = 0 } = {}) {
  const begun = new Set();
  const tool = (name) => ({ name, description: "d".repeat(length), inputSchema: { type: "object" } });
  const tools = ["half", ...Array.from({ length: more }, (_, index) => `tool_${index}`)].map(tool);
  const results = {
    "server/discover": { resultType: "complete", supportedVersions: ["2026-07-28"], capabilities: {} },
    "tools/list": { resultType: "complete", ttlMs: 600_000, cacheScope: "public", tools },
  };
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const piece of request.setEncoding("utf8")) text += piece;
    const { id, method } = JSON.parse(text);
    response.writeHead(200, { "content-type": "application/json" });
    if (results[method]) return response.end(JSON.stringify({ jsonrpc: "2.0", id, result: results[method] }));
    begun.add(response);
    return response.write('{"jsonrpc":"2.0","id":');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}/mcp`,
    /** Breaks the responses that have begun. */
    cut: () => {
      for (const each of begun) each.destroy();
      begun.clear();
    },
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
