// An MCP server of the stateless revision 2026-07-28, which behaves as a test says.

import { createServer } from "node:http";
import { bodyOf, listen } from "./listen.mjs";

const JSON_BODY = { "content-type": "application/json" };

/**
 * Starts it on `port`, or on a free one. `name` and `version` are what it says about itself. `list(params)` returns what a page of its tools has besides
 * the type of the result. `call({ id, params, request, response, reply })` answers a call: `reply(result)` sends a result.
 * `admit(request)` returns a status with which a request is refused.
 */
export async function startStatelessServer({ name = "stateless", version = "1", port = 0, list, call, admit = () => undefined }) {
  const discovered = {
    supportedVersions: ["2026-07-28"],
    capabilities: { tools: {} },
    ttlMs: 3_600_000,
    cacheScope: "public",
    _meta: { "io.modelcontextprotocol/serverInfo": { name, version } },
  };
  const server = createServer(async (request, response) => {
    const text = await bodyOf(request);
    const refused = admit(request);
    if (refused) return response.writeHead(refused).end();
    const { id, method, params } = text ? JSON.parse(text) : {};
    const reply = (result) =>
      response.writeHead(200, JSON_BODY).end(JSON.stringify({ jsonrpc: "2.0", id, result: { resultType: "complete", ...result } }));
    if (id === undefined) return response.writeHead(202).end();
    if (method === "server/discover") return reply(discovered);
    if (method === "tools/list") return reply(list(params));
    if (method === "tools/call") return call({ id, params, request, response, reply });
    return response.writeHead(404).end();
  });
  const { origin, stop } = await listen(server, port);
  return { origin, url: `${origin}/mcp`, stop };
}
