// Tools and a prompt of the reference server for 2026-07-28 that ask the client: each call answers with what it needs until it has it.

import { acceptedContent, createRequestStateCodec, inputRequired, inputResponse } from "@modelcontextprotocol/server";
import { CHOICES_FORM, DEFAULTS_FORM, strings, text } from "./contents.mjs";

const codec = createRequestStateCodec({ key: crypto.getRandomValues(new Uint8Array(32)) });

/** What checks the state that comes back, before a tool sees it. */
export const verifyState = codec.verify;

const form = (message, properties) => inputRequired.elicit({ message, requestedSchema: strings(properties) });

const CONFIRMATION = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] };

const confirmation = () => inputRequired.elicit({ message: "Please confirm.", requestedSchema: CONFIRMATION });

const sampling = (prompt) => inputRequired.createMessage({ messages: [{ role: "user", content: text(prompt) }], maxTokens: 50 });

const answered = (value) => ({ content: [text(value)] });

/** The response to a question, if it is of this kind. */
const other = ({ mcpReq }, key, kind) => {
  const response = inputResponse(mcpReq.inputResponses, key);
  return response.kind === kind ? response : undefined;
};

const accepted = ({ mcpReq }, key) => acceptedContent(mcpReq.inputResponses, key);

async function confirmed(ctx) {
  if (ctx.mcpReq.requestState() && accepted(ctx, "confirm")?.ok === true) return answered("state-ok: it is confirmed.");
  return inputRequired({ inputRequests: { confirm: confirmation() }, requestState: await codec.mint({ asked: "confirm" }) });
}

async function inRounds(ctx) {
  const { round, name } = ctx.mcpReq.requestState() ?? {};
  const first = accepted(ctx, "step1");
  const second = accepted(ctx, "step2");
  if (round === 2 && second) return answered(`${name} likes ${second.color}.`);
  if (round === 1 && first) {
    const requestState = await codec.mint({ round: 2, name: first.name });
    return inputRequired({ inputRequests: { step2: form("Which color do you like?", { color: "A color" }) }, requestState });
  }
  const requestState = await codec.mint({ round: 1 });
  return inputRequired({ inputRequests: { step1: form("What is your name?", { name: "Your name" }) }, requestState });
}

async function threeAtOnce(ctx) {
  const name = accepted(ctx, "user_name")?.name;
  const greeting = other(ctx, "greeting", "sampling");
  const roots = other(ctx, "client_roots", "roots");
  if (ctx.mcpReq.requestState() && name && greeting && roots) return answered(`Everything about ${name} is known.`);
  const inputRequests = {
    user_name: form("What is your name?", { name: "Your name" }),
    greeting: sampling("Write a greeting."),
    client_roots: inputRequired.listRoots(),
  };
  return inputRequired({ inputRequests, requestState: await codec.mint({ asked: "three" }) });
}

/** Asks only what the client says it can answer. */
async function whatTheClientCan(ctx) {
  const given = Object.keys(ctx.mcpReq.inputResponses ?? {});
  if (given.length > 0) return answered(`These were answered: ${given.join(", ")}`);
  const { elicitation, sampling: model } = ctx.mcpReq.envelope?.["io.modelcontextprotocol/clientCapabilities"] ?? {};
  const inputRequests = {
    ...(elicitation && { elicit_input: form("What is the value?", { value: "A value" }) }),
    ...(model && { sample_input: sampling("Write a word.") }),
  };
  if (Object.keys(inputRequests).length === 0) return answered("The client can answer nothing.");
  return inputRequired({ inputRequests, requestState: await codec.mint({ asked: "what it can" }) });
}

const askName = () => inputRequired({ inputRequests: { user_name: form("What is your name?", { name: "Your name" }) } });

function askForm(ctx, message, requestedSchema) {
  const response = other(ctx, "form", "elicit");
  if (response) return answered(`The user chose to ${response.action}: ${JSON.stringify(response.content ?? {})}`);
  return inputRequired({ inputRequests: { form: inputRequired.elicit({ message, requestedSchema }) } });
}

/** The tools; `call` gets the context of the request and the arguments. */
export const ASKING_TOOLS = [
  {
    name: "test_input_required_result_elicitation",
    description: "Asks for a name",
    call: (ctx) => {
      const name = accepted(ctx, "user_name")?.name;
      return name ? answered(`Hello, ${name}!`) : askName();
    },
  },
  {
    name: "test_input_required_result_sampling",
    description: "Asks the client's model",
    call: (ctx) =>
      other(ctx, "sample_request", "sampling")
        ? answered("The model answered.")
        : inputRequired({ inputRequests: { sample_request: sampling("What is the capital of France?") } }),
  },
  {
    name: "test_input_required_result_list_roots",
    description: "Asks for the client's roots",
    call: (ctx) =>
      other(ctx, "roots_request", "roots")
        ? answered("The roots are known.")
        : inputRequired({ inputRequests: { roots_request: inputRequired.listRoots() } }),
  },
  {
    name: "test_sampling",
    description: "Asks the client's model",
    inputSchema: strings({ prompt: "What to ask it" }),
    call: (ctx, { prompt }) => {
      const response = other(ctx, "model", "sampling");
      return response
        ? answered(`The model said: ${response.result.content.text}`)
        : inputRequired({ inputRequests: { model: sampling(prompt) } });
    },
  },
  {
    name: "test_elicitation",
    description: "Asks the user",
    inputSchema: strings({ message: "What to ask" }),
    call: (ctx, { message }) => askForm(ctx, message, strings({ response: "Your answer" })),
  },
  {
    name: "test_elicitation_sep1034_defaults",
    description: "Asks the user with a form that has defaults",
    call: (ctx) => askForm(ctx, "Please check the form.", DEFAULTS_FORM),
  },
  {
    name: "test_elicitation_sep1330_enums",
    description: "Asks the user with a form that offers choices",
    call: (ctx) => askForm(ctx, "Please choose.", CHOICES_FORM),
  },
  {
    name: "test_missing_capability",
    description: "Asks the client's model, without which it is refused",
    call: () => inputRequired({ inputRequests: { sample: sampling("Write a word.") } }),
  },
  { name: "test_input_required_result_request_state", description: "Asks, and keeps a state meanwhile", call: confirmed },
  { name: "test_input_required_result_tampered_state", description: "Asks, and refuses a changed state", call: confirmed },
  { name: "test_input_required_result_multiple_inputs", description: "Asks for three things together", call: threeAtOnce },
  { name: "test_input_required_result_multi_round", description: "Asks two questions, one after the other", call: inRounds },
  { name: "test_input_required_result_capabilities", description: "Asks what the client can answer", call: whatTheClientCan },
  {
    name: "test_streaming_elicitation",
    description: "Asks for a name, never with a request on its stream",
    call: askName,
  },
];

/** A prompt that asks. */
export const ASKING_PROMPT = {
  name: "test_input_required_result_prompt",
  description: "Asks for a context",
  get: (ctx) => {
    const context = accepted(ctx, "user_context")?.context;
    if (context) return { messages: [{ role: "user", content: text(`The context is ${context}.`) }] };
    return inputRequired({ inputRequests: { user_context: form("What is the context?", { context: "The context" }) } });
  },
};
