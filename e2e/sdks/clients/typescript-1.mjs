// Version 1 of the official TypeScript SDK as a client, with a session (2025-11-25).

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import * as types from "@modelcontextprotocol/sdk/types.js";
import { ANSWERS, PROMPT, STATIC, TEMPLATE, WATCHED } from "../repertoire.mjs";
import { called, logged, repeated, said } from "./seen.mjs";

const CAPABILITIES = { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true } };

/** Connects; what the server announces is kept in `told`. */
export async function connect(url, headers) {
  const client = new Client({ name: "typescript-1", version: "1.0.0" }, { capabilities: CAPABILITIES });
  const told = [];
  const answer = (schema, answered) => client.setRequestHandler(schema, answered);
  answer(types.ElicitRequestSchema, ({ params }) => (params.mode === "url" ? ANSWERS.page : ANSWERS.form));
  answer(types.CreateMessageRequestSchema, () => ANSWERS.model);
  answer(types.ListRootsRequestSchema, () => ANSWERS.roots);
  client.fallbackNotificationHandler = async (notification) => void told.push(notification);
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  return { client, told, close: () => client.close() };
}

/** What the client sees of each primitive. */
export const SEES = {
  tools: async ({ client }) => {
    const { tools } = await client.listTools();
    const { name } = tools.find((tool) => tool.name === "echo");
    return `${name}: ${await called(client, name, { message: "héllo" })}`;
  },
  prompts: async ({ client }) => {
    const [{ name }] = (await client.listPrompts()).prompts;
    const { messages } = await client.getPrompt({ name, arguments: { name: "Ada" } });
    return `${name}: ${messages[0].content.text}`;
  },
  resources: async ({ client }) => {
    const { uri } = (await client.listResources()).resources.find((each) => each.name === STATIC.name);
    return `${uri}: ${(await client.readResource({ uri })).contents[0].text}`;
  },
  templates: async ({ client }) => {
    const [{ uriTemplate }] = (await client.listResourceTemplates()).resourceTemplates;
    const { contents } = await client.readResource({ uri: TEMPLATE.uriTemplate.replace("{id}", "7") });
    return `${uriTemplate}: ${contents[0].text}`;
  },
  completion: async ({ client }) => {
    const ref = { type: "ref/prompt", name: PROMPT.name };
    const { completion } = await client.complete({ ref, argument: { name: "name", value: "par" } });
    return completion.values.slice(0, 2).join();
  },
  form: ({ client }) => called(client, "ask_form"),
  url: ({ client }) => called(client, "ask_url"),
  sampling: ({ client }) => called(client, "ask_model"),
  roots: ({ client }) => called(client, "ask_roots"),
  "list changes": ({ client, told }) =>
    repeated(
      () => called(client, "change_tools"),
      () => told.some(({ method }) => method === "notifications/tools/list_changed") && "tools",
    ),
  subscriptions: async ({ client, told }) => {
    await client.subscribeResource({ uri: WATCHED.uri });
    return repeated(
      () => called(client, "touch"),
      () => told.find(({ method }) => method === "notifications/resources/updated")?.params.uri,
    );
  },
  logging: async ({ client, told }) => {
    await client.setLoggingLevel("info");
    await called(client, "log");
    return logged(told);
  },
  progress: async ({ client }) => {
    const steps = [];
    await client.callTool({ name: "progress", arguments: {} }, undefined, { onprogress: ({ progress }) => steps.push(progress) });
    return steps.join();
  },
  cancellation: async ({ client }) => {
    const [key, stop] = [crypto.randomUUID(), new AbortController()];
    const waiting = client.callTool({ name: "wait", arguments: { key } }, undefined, { signal: stop.signal });
    setTimeout(() => stop.abort(), 200);
    await waiting.catch(() => {});
    return repeated(async () => {}, async () => said(await client.callTool({ name: "was_cancelled", arguments: { key } })) === "true" && "true");
  },
  ping: async ({ client }) => {
    await client.ping();
    return "pong";
  },
};
