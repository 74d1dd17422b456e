// An MCP server whose list has the requested size, and whose tool `half` breaks off on request.

import { startStatelessServer } from "./stateless-server.mjs";

/** Starts it, with a tool `half` and `more` others with long descriptions. */
export async function startBreakingUpstream({ more = 0, length = 0 } = {}) {
  const begun = new Set();
  const tool = (name) => ({ name, description: "d".repeat(length), inputSchema: { type: "object" } });
  const tools = ["half", ...Array.from({ length: more }, (_, index) => `tool_${index}`)].map(tool);
  const server = await startStatelessServer({
    list: () => ({ ttlMs: 600_000, cacheScope: "public", tools }),
    call: ({ response }) => {
      begun.add(response);
      response.writeHead(200, { "content-type": "application/json" }).write('{"jsonrpc":"2.0","id":');
    },
  });
  return {
    ...server,
    /** Breaks the responses that have begun. */
    cut: () => {
      for (const each of begun) each.destroy();
      begun.clear();
    },
  };
}
