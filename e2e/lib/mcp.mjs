// MCP messages as a client without an SDK sends them, in the stateless revision 2026-07-28 unless it says otherwise.

import { send } from "./raw.mjs";

/** The members that a stateless request has in `params`. */
const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "tests", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

/**
 * The headers of a message. `bearer` is an access token, or an API key, together with the `user` it acts for; `name` is the tool
 * that is called.
 */
export const mcpHeaders = ({ bearer, user, method = "tools/call", name }) => ({
  accept: "application/json, text/event-stream",
  "content-type": "application/json",
  "mcp-protocol-version": "2026-07-28",
  "mcp-method": method,
  ...(name && { "mcp-name": name }),
  ...(bearer && { authorization: `Bearer ${bearer}` }),
  ...(user && { "gatewright-user-id": user }),
});

/** A request. */
export const mcpMessage = (method, params = {}) =>
  JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: META } });

/** A call of a tool, as options of `fetch` and of {@link send}. */
export const toolCall = ({ name, arguments: given = {}, ...caller }) => ({
  method: "POST",
  headers: mcpHeaders({ ...caller, name }),
  body: mcpMessage("tools/call", { name, arguments: given }),
});

/** The first message of a session of the revision 2025-11-25, as options of `fetch` and of {@link send}. */
export const initialize = ({ bearer, user }) => ({
  method: "POST",
  headers: {
    authorization: `Bearer ${bearer}`,
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
    ...(user && { "gatewright-user-id": user }),
  },
  body: JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "tests", version: "1" } },
  }),
});

/** The status with which a gateway answers an access token; nothing if no complete response arrived. */
export const statusWith = (url, accessToken, from) =>
  send(url, { ...initialize({ bearer: accessToken }), from }).then(
    ({ status }) => status,
    () => undefined,
  );
