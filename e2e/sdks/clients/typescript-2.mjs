// Version 2 of the official TypeScript SDK as a client, stateless (2026-07-28).

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { ANSWERS, WATCHED } from "../repertoire.mjs";
import { called, logged, repeated } from "./seen.mjs";
import { SEES as OF_FIRST } from "./typescript-1.mjs";

const CAPABILITIES = { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true } };
const LOG_LEVEL = { "io.modelcontextprotocol/logLevel": "info" };

/** Connects; what the server announces is kept in `told`. */
export async function connect(url, headers) {
  const versionNegotiation = { mode: "auto" };
  const client = new Client({ name: "typescript-2", version: "1.0.0" }, { capabilities: CAPABILITIES, versionNegotiation });
  const told = [];
  client.setRequestHandler("elicitation/create", ({ params }) => (params.mode === "url" ? ANSWERS.page : ANSWERS.form));
  client.setRequestHandler("sampling/createMessage", () => ANSWERS.model);
  client.setRequestHandler("roots/list", () => ANSWERS.roots);
  client.fallbackNotificationHandler = async (notification) => void told.push(notification);
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  if (client.getNegotiatedProtocolVersion() !== "2026-07-28") throw new Error(`it speaks ${client.getNegotiatedProtocolVersion()}`);
  return { client, told, close: () => client.close() };
}

/** Listens while `act` is repeated. */
async function listening({ client, told }, filter, act, seen) {
  const subscription = await client.listen(filter);
  try {
    return await repeated(act, () => seen(told));
  } finally {
    await subscription.close();
  }
}

/** What the client sees of each primitive; what is not here is the same as with the first version. */
export const SEES = {
  ...OF_FIRST,
  "list changes": (connected) =>
    listening(
      connected,
      { toolsListChanged: true },
      () => called(connected.client, "change_tools"),
      (told) => told.some(({ method }) => method === "notifications/tools/list_changed") && "tools",
    ),
  subscriptions: (connected) =>
    listening(
      connected,
      { resourceSubscriptions: [WATCHED.uri] },
      () => called(connected.client, "touch"),
      (told) => told.find(({ method }) => method === "notifications/resources/updated")?.params.uri,
    ),
  logging: async ({ client, told }) => {
    await client.callTool({ name: "log", arguments: {}, _meta: LOG_LEVEL });
    return logged(told);
  },
  progress: async ({ client }) => {
    const steps = [];
    await client.callTool({ name: "progress", arguments: {} }, { onprogress: ({ progress }) => steps.push(progress) });
    return steps.join();
  },
  cancellation: async ({ client }) => {
    const [key, stop] = [crypto.randomUUID(), new AbortController()];
    const waiting = client.callTool({ name: "wait", arguments: { key } }, { signal: stop.signal });
    setTimeout(() => stop.abort(), 200);
    await waiting.catch(() => {});
    return repeated(async () => {}, async () => (await called(client, "was_cancelled", { key })) === "true" && "true");
  },
  ping: ({ client }) =>
    client.ping().then(
      () => "pong",
      ({ message }) => `absent: ${message}`,
    ),
};
