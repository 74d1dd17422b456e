// A malicious MCP server (2026-07-28): huge results, endless lists.

import { createServer } from "node:http";
import { once } from "node:events";

const MEGABYTE = "x".repeat(1 << 20);
const DISCOVERED = {
  resultType: "complete",
  supportedVersions: ["2026-07-28"],
  capabilities: { tools: {} },
  ttlMs: 3_600_000,
  cacheScope: "public",
  _meta: { "io.modelcontextprotocol/serverInfo": { name: "hostile", version: "1" } },
};

/** A page of `count` tools, and with `endless` always another one after it. */
function page(number, endless, count) {
  const tools = Array.from({ length: count }, (_, index) => ({
    name: number === 0 && index === 0 ? "small" : `tool_${number}_${index}`,
    inputSchema: { type: "object" },
  }));
  if (number === 0) tools.push({ name: "huge", inputSchema: {} }, { name: "huge_event", inputSchema: {} });
  return { resultType: "complete", tools, ...(endless && { nextCursor: String(number + 1) }) };
}

/** Starts it; `endless` makes its list endless, `tools` is the number of tools per page. */
export async function startHostileUpstream({ endless = false, tools = 30, megabytes = 200 } = {}) {
  const seen = { pages: 0, headers: {} };
  const pour = async (response, before, after) => {
    const closed = new Promise((done) => response.once("close", done));
    response.write(before);
    for (let count = 0; count < megabytes && !response.destroyed; count += 1) {
      const drained = () => new Promise((done) => response.once("drain", done));
      if (!response.write(MEGABYTE)) await Promise.race([drained(), closed]);
    }
    response.end(after);
  };
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const part of request.setEncoding("utf8")) text += part;
    const { id, method, params } = JSON.parse(text);
    seen.headers = request.headers;
    if (id === undefined) return response.writeHead(202).end();
    const head = (type) => response.writeHead(200, { "content-type": type });
    const result = (value) => head("application/json").end(JSON.stringify({ jsonrpc: "2.0", id, result: value }));
    const open = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"resultType":"complete","content":[{"type":"text","text":"`;
    if (method === "server/discover") return result(DISCOVERED);
    if (method === "tools/list") {
      seen.pages += 1;
      return result(page(Number(params?.cursor ?? 0), endless, tools));
    }
    if (params?.name === "huge") return pour(head("application/json"), open, '"}]}}');
    if (params?.name === "huge_event") return pour(head("text/event-stream"), `data: ${open}`, '"}]}}\n\n');
    return result({ resultType: "complete", content: [{ type: "text", text: "forty-two" }] });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}/mcp`,
    seen,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
