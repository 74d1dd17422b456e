// A malicious MCP server: huge results, endless lists.

import { startStatelessServer } from "./stateless-server.mjs";

const MEGABYTE = "x".repeat(1 << 20);

/** A page of `count` tools, and with `endless` always another one after it. */
function page(number, endless, count) {
  const tools = Array.from({ length: count }, (_, index) => ({
    name: number === 0 && index === 0 ? "small" : `tool_${number}_${index}`,
    inputSchema: { type: "object" },
  }));
  if (number === 0) tools.push({ name: "huge", inputSchema: {} }, { name: "huge_event", inputSchema: {} });
  return { tools, ...(endless && { nextCursor: String(number + 1) }) };
}

/** Sends this many megabytes of text between two parts of a response, or as many as the other side accepts. */
async function pour(response, megabytes, before, after) {
  const closed = new Promise((done) => response.once("close", done));
  response.write(before);
  for (let count = 0; count < megabytes && !response.destroyed; count += 1) {
    const drained = () => new Promise((done) => response.once("drain", done));
    if (!response.write(MEGABYTE)) await Promise.race([drained(), closed]);
  }
  response.end(after);
}

/** Starts it; `endless` makes its list endless, `tools` is the number of tools per page. */
export async function startHostileUpstream({ endless = false, tools = 30, megabytes = 200 } = {}) {
  const seen = { pages: 0, headers: {} };
  const server = await startStatelessServer({
    name: "hostile",
    admit: (request) => void (seen.headers = request.headers),
    list: (params) => {
      seen.pages += 1;
      return page(Number(params?.cursor ?? 0), endless, tools);
    },
    call: ({ id, params, response, reply }) => {
      const open = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"resultType":"complete","content":[{"type":"text","text":"`;
      const head = (type) => response.writeHead(200, { "content-type": type });
      if (params.name === "huge") return pour(head("application/json"), megabytes, open, '"}]}}');
      if (params.name === "huge_event") return pour(head("text/event-stream"), megabytes, `data: ${open}`, '"}]}}\n\n');
      return reply({ content: [{ type: "text", text: "forty-two" }] });
    },
  });
  return { ...server, seen };
}
