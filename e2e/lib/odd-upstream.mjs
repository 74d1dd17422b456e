// An MCP server with sessions (2025-11-25) that can reproduce each report of an odd server.

import { createServer } from "node:http";
import { bodyOf, listen } from "./listen.mjs";
import { pause } from "./time.mjs";

const TOOLS = ["act", "echo"].map((name) => ({ name, inputSchema: { type: "object" } }));

/**
 * Starts it. `script` says how it behaves, and may be changed while it runs:
 *   discover     `500`, `close` or `silence`; by default the method is unknown (400)
 *   initialized  `stream`: the notification is answered with a stream that stays open
 *   versions     the versions it supports; others are refused with this list
 *   version      the version it claims, whatever is requested
 *   list         `silence`, or milliseconds to wait
 *   ping         whether it asks for a sign of life before it lists
 *   call         `{ status, body }` after the tool has acted; `break` cuts the stream of its answer
 *   forget       the status with which it says that it does not know a session
 *   redirect     where it redirects every request
 */
export async function startOddUpstream(script = {}) {
  const seen = { acted: 0, calls: 0, initialized: 0, ended: [], pongs: 0 };
  let sessions = new Map();
  let number = 0;
  let ponged = () => {};
  const server = createServer(async (request, response) => {
    const { behaviour } = odd;
    const text = await bodyOf(request);
    const say = (status, value, headers = {}) =>
      response.writeHead(status, { "content-type": "application/json", ...headers }).end(typeof value === "string" ? value : JSON.stringify(value));
    if (behaviour.redirect) return say(307, "", { location: behaviour.redirect });
    const session = request.headers["mcp-session-id"];
    if (request.method === "DELETE") {
      seen.ended.push(session);
      return say(200, "");
    }
    if (request.method !== "POST") return say(405, "");
    const { id, method, params, result } = JSON.parse(text);
    const refuse = (status, code, message, data, to = id) => say(status, { jsonrpc: "2.0", id: to, error: { code, message, data } });
    const answer = (value, headers) => say(200, { jsonrpc: "2.0", id, result: value }, headers);
    if (method === "server/discover") {
      if (behaviour.discover === "500") return response.writeHead(500, { "content-type": "text/html" }).end("<h1>oops</h1>");
      if (behaviour.discover === "close") return request.socket.destroy();
      if (behaviour.discover === "silence") return undefined;
    }
    if (method === "initialize") {
      const asked = params.protocolVersion;
      if (behaviour.versions && !behaviour.versions.includes(asked)) {
        return refuse(400, -32602, "Unsupported protocol version", { supported: behaviour.versions, requested: asked });
      }
      number += 1;
      sessions.set(`session-${number}`, true);
      return answer(
        { protocolVersion: behaviour.version ?? asked, capabilities: { tools: {} }, serverInfo: { name: "odd", version: "1" } },
        { "mcp-session-id": `session-${number}` },
      );
    }
    if (!session) return refuse(400, -32000, "Bad Request: No valid session ID provided", undefined, null);
    if (!sessions.has(session)) {
      return response.writeHead(behaviour.forget ?? 404, { "content-type": "text/plain" }).end("no such session");
    }
    if (method === undefined) {
      if (result) seen.pongs += 1;
      ponged();
      return response.writeHead(202).end();
    }
    if (method === "notifications/initialized") {
      seen.initialized += 1;
      if (behaviour.initialized === "stream") return response.writeHead(200, { "content-type": "text/event-stream" }).write(": open\n\n");
      return response.writeHead(202).end();
    }
    if (method === "tools/list") {
      if (behaviour.list === "silence") return undefined;
      if (behaviour.list) await pause(behaviour.list);
      if (!behaviour.ping) return answer({ tools: TOOLS });
      const answered = new Promise((done) => (ponged = done));
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`data: ${JSON.stringify({ jsonrpc: "2.0", id: "are-you-there", method: "ping" })}\n\n`);
      await answered;
      return response.end(`data: ${JSON.stringify({ jsonrpc: "2.0", id, result: { tools: TOOLS } })}\n\n`);
    }
    if (method !== "tools/call") return response.writeHead(202).end();
    seen.calls += 1;
    seen.session = session;
    if (params.name === "act") seen.acted += 1;
    if (behaviour.call === "break") {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(": working\n\n");
      return setTimeout(() => request.socket.destroy(), 50);
    }
    if (behaviour.call) return say(behaviour.call.status, behaviour.call.body?.replace("ID", JSON.stringify(id)) ?? "");
    return answer({ content: [{ type: "text", text: `done ${seen.calls}` }] });
  });

  const { origin, stop } = await listen(server);
  const odd = {
    url: `${origin}/mcp`,
    seen,
    behaviour: script,
    /** Forgets all sessions, as a restart would. */
    restart: () => (sessions = new Map()),
    stop,
  };
  return odd;
}
