// Tools and a prompt of the session-based reference server that ask the client, with requests on the stream of their call. Those whose
// names mention required input ask what the other reference server asks under these names.

import { CreateMessageResultSchema, ElicitResultSchema, ListRootsResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { CHOICES_FORM, DEFAULTS_FORM, strings, text } from "./contents.mjs";

const elicit = ({ sendRequest }, message, requestedSchema) =>
  sendRequest({ method: "elicitation/create", params: { message, requestedSchema } }, ElicitResultSchema);

const sample = ({ sendRequest }, prompt) => {
  const messages = [{ role: "user", content: text(prompt) }];
  return sendRequest({ method: "sampling/createMessage", params: { messages, maxTokens: 100 } }, CreateMessageResultSchema);
};

const roots = ({ sendRequest }) => sendRequest({ method: "roots/list" }, ListRootsResultSchema);

const ask = async (extra, message, form) => {
  const { action, content } = await elicit(extra, message, form);
  return [text(`The user chose to ${action}: ${JSON.stringify(content ?? {})}`)];
};

const askName = async (_given, extra) => {
  const { content } = await elicit(extra, "What is your name?", strings({ name: "Your name" }));
  return [text(`Hello, ${content?.name ?? "stranger"}!`)];
};

const askConfirmation = async (_given, extra) => {
  const form = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] };
  const { content } = await elicit(extra, "Please confirm.", form);
  return [text(content?.ok ? "state-ok: it is confirmed." : "It is not confirmed.")];
};

const askModel = async (_given, extra) => {
  await sample(extra, "What is the capital of France?");
  return [text("The model answered.")];
};

/** The tools; `call` gets the arguments and the request. */
export const REQUESTING_TOOLS = [
  {
    name: "test_sampling",
    description: "Asks the client's model",
    inputSchema: strings({ prompt: "What to ask it" }),
    call: async ({ prompt }, extra) => [text(`The model said: ${(await sample(extra, prompt)).content.text}`)],
  },
  {
    name: "test_elicitation",
    description: "Asks the user",
    inputSchema: strings({ message: "What to ask" }),
    call: ({ message }, extra) => ask(extra, message, strings({ response: "Your answer" })),
  },
  {
    name: "test_elicitation_sep1034_defaults",
    description: "Asks the user with a form that has defaults",
    call: (_given, extra) => ask(extra, "Please check the form.", DEFAULTS_FORM),
  },
  {
    name: "test_elicitation_sep1330_enums",
    description: "Asks the user with a form that offers choices",
    call: (_given, extra) => ask(extra, "Please choose.", CHOICES_FORM),
  },
  { name: "test_input_required_result_elicitation", description: "Asks for a name", call: askName },
  { name: "test_streaming_elicitation", description: "Asks for a name", call: askName },
  { name: "test_input_required_result_sampling", description: "Asks the client's model", call: askModel },
  {
    name: "test_input_required_result_list_roots",
    description: "Asks for the client's roots",
    call: async (_given, extra) => [text(`There are ${(await roots(extra)).roots.length} roots.`)],
  },
  { name: "test_input_required_result_request_state", description: "Asks for a confirmation", call: askConfirmation },
  { name: "test_input_required_result_tampered_state", description: "Asks for a confirmation", call: askConfirmation },
  {
    name: "test_input_required_result_multi_round",
    description: "Asks two questions, one after the other",
    call: async (_given, extra) => {
      const { content: first } = await elicit(extra, "What is your name?", strings({ name: "Your name" }));
      const { content: second } = await elicit(extra, "Which color do you like?", strings({ color: "A color" }));
      return [text(`${first?.name} likes ${second?.color}.`)];
    },
  },
  {
    name: "test_input_required_result_capabilities",
    description: "Asks what the client can answer",
    call: async (given, extra) => {
      if (extra.client.elicitation) return askName(given, extra);
      return extra.client.sampling ? askModel(given, extra) : [text("The client can answer nothing.")];
    },
  },
];

/** A prompt that asks. */
export const REQUESTING_PROMPT = {
  name: "test_input_required_result_prompt",
  description: "Asks for a context",
  get: async (_given, extra) => {
    const { content } = await elicit(extra, "What is the context?", strings({ context: "The context" }));
    return [{ role: "user", content: text(`The context is ${content?.context}.`) }];
  },
};
