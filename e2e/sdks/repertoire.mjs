// What every server of the matrix offers and every client asks for: one thing per primitive of MCP, with what the client sees of it.
// The servers and clients in Python and Rust beside this file have the same names and texts.

/** Tools without the client's help; `needs` are the names of their arguments. */
export const TOOLS = [
  { name: "echo", needs: ["message"] },
  { name: "ask_form" },
  { name: "ask_url" },
  { name: "ask_model" },
  { name: "ask_roots" },
  { name: "log" },
  { name: "progress" },
  { name: "wait", needs: ["key"] },
  { name: "was_cancelled", needs: ["key"] },
  { name: "change_tools" },
  { name: "touch" },
];

/** A tool as it is listed. */
export const listed = ({ name, needs = [] }) => ({
  name,
  description: `The tool ${name}`,
  inputSchema: { type: "object", properties: Object.fromEntries(needs.map((each) => [each, { type: "string" }])), required: needs },
});

export const PROMPT = { name: "greet", description: "Greets", arguments: [{ name: "name", required: true }] };
export const STATIC = { uri: "memo://static", name: "static", mimeType: "text/plain" };
export const WATCHED = { uri: "memo://watched", name: "watched", mimeType: "text/plain" };
export const TEMPLATE = { uriTemplate: "memo://items/{id}", name: "items", mimeType: "text/plain" };

/** The text of a resource; undefined if there is none. */
export function textOf(uri) {
  if (uri === STATIC.uri) return "The static text.";
  if (uri === WATCHED.uri) return "The watched text.";
  const item = /^memo:\/\/items\/(\w+)$/.exec(uri);
  return item ? `Item ${item[1]}` : undefined;
}

/** The values that complete the name of a person to greet. */
export const completed = (value) => ["paris", "park", "party"].filter((word) => word.startsWith(value));

/** The form that `ask_form` shows. */
export const FORM = { type: "object", properties: { name: { type: "string" } }, required: ["name"] };

/** The page that `ask_url` opens. */
export const PAGE = { url: "https://example.com/consent", message: "Please consent." };

/** What the client's person and model answer. */
export const ANSWERS = {
  form: { action: "accept", content: { name: "Ada" } },
  page: { action: "accept" },
  model: { role: "assistant", content: { type: "text", text: "Paris" }, model: "a-model", stopReason: "endTurn" },
  roots: { roots: [{ uri: "file:///work", name: "work" }] },
};

/** What a client sees of each primitive, whatever its SDK and the server's. */
export const EXPECTED = {
  tools: "echo: héllo",
  prompts: "greet: Greet Ada.",
  resources: "memo://static: The static text.",
  templates: "memo://items/{id}: Item 7",
  completion: "paris,park",
  form: "Hello, Ada!",
  url: "The page was accepted.",
  sampling: "The model said: Paris",
  roots: "file:///work",
  "list changes": "tools",
  subscriptions: "memo://watched",
  logging: "one,two,three",
  progress: "1,2,3",
  cancellation: "true",
  ping: "pong",
};

/** The primitives in which a request or its answer can arrive at a replica that does not wait for it. */
export const WITH_STATE = ["form", "url", "sampling", "roots", "list changes", "subscriptions", "progress", "cancellation"];
