// What both reference servers offer: the tools, prompts and resources that the conformance suite asks for, by the names it uses.

const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==";
const SILENCE = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

/** Who the servers say they are. */
export const SERVER_INFO = { name: "reference", version: "1.0.0" };

/** A text, as content. */
export const text = (value) => ({ type: "text", text: value });

const image = { type: "image", data: PIXEL, mimeType: "image/png" };

const embedded = (uri, mimeType, value) => ({ type: "resource", resource: { uri, mimeType, text: value } });

/** A JSON Schema of objects with string properties, all of which are required. */
export const strings = (properties) => ({
  type: "object",
  properties: Object.fromEntries(Object.entries(properties).map(([name, description]) => [name, { type: "string", description }])),
  required: Object.keys(properties),
});

/** Tools that need nothing of the client, with what they answer. */
export const PLAIN_TOOLS = [
  { name: "test_simple_text", description: "Answers with a text", answer: [text("A simple text.")] },
  { name: "test_image_content", description: "Answers with an image", answer: [image] },
  {
    name: "test_audio_content",
    description: "Answers with sound",
    answer: [{ type: "audio", data: SILENCE, mimeType: "audio/wav" }],
  },
  {
    name: "test_embedded_resource",
    description: "Answers with an embedded resource",
    answer: [embedded("test://embedded-resource", "text/plain", "An embedded resource.")],
  },
  {
    name: "test_multiple_content_types",
    description: "Answers with a text, an image and a resource",
    answer: [text("Three kinds of content:"), image, embedded("test://mixed-content-resource", "application/json", '{"mixed":true}')],
  },
];

const ADDRESS = {
  $anchor: "addressDef",
  type: "object",
  properties: { street: { type: "string" }, city: { type: "string" } },
};

/** A tool whose schema uses what is particular to JSON Schema 2020-12. */
export const SCHEMA_TOOL = {
  name: "json_schema_2020_12_tool",
  description: "Has an input schema in JSON Schema 2020-12",
  inputSchema: {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    $defs: { address: ADDRESS },
    properties: {
      name: { type: "string" },
      address: { $ref: "#/$defs/address" },
      contactMethod: { type: "string", enum: ["phone", "email"] },
      phone: { type: "string" },
      email: { type: "string" },
    },
    allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
    if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
    then: { required: ["phone"] },
    else: { required: ["email"] },
    additionalProperties: false,
  },
  answer: [text("The arguments match the schema.")],
};

const asked = (value) => ({ role: "user", content: value });

/** Prompts that need nothing of the client; `get` returns their messages. */
export const PROMPTS = [
  { name: "test_simple_prompt", description: "A prompt without arguments", get: () => [asked(text("A simple prompt."))] },
  {
    name: "test_prompt_with_arguments",
    description: "A prompt with two arguments",
    arguments: { arg1: "The first one", arg2: "The second one" },
    get: ({ arg1, arg2 }) => [asked(text(`The first argument is ${arg1}, the second is ${arg2}.`))],
  },
  {
    name: "test_prompt_with_embedded_resource",
    description: "A prompt with an embedded resource",
    arguments: { resourceUri: "The resource to embed" },
    get: ({ resourceUri }) => [asked(embedded(resourceUri, "text/plain", "The resource of the prompt.")), asked(text("Read it."))],
  },
  { name: "test_prompt_with_image", description: "A prompt with an image", get: () => [asked(image), asked(text("Look at it."))] },
];

/** Resources that are always there. */
export const RESOURCES = [
  { uri: "test://static-text", name: "static-text", description: "A text", mimeType: "text/plain", text: "The static text." },
  { uri: "test://static-binary", name: "static-binary", description: "An image", mimeType: "image/png", blob: PIXEL },
  { uri: "test://watched-resource", name: "watched-resource", description: "A text to watch", mimeType: "text/plain", text: "Watched." },
];

/** The contents of one of {@link RESOURCES}. */
export const contentsOf = ({ uri, mimeType, text: words, blob }) => ({ uri, mimeType, ...(blob ? { blob } : { text: words }) });

/** A template of resources. */
export const TEMPLATE = {
  uriTemplate: "test://template/{id}/data",
  name: "template",
  description: "Data by number",
  mimeType: "application/json",
};

/** The contents of a resource of {@link TEMPLATE}. */
export const templated = (uri, id) => ({ uri, mimeType: "application/json", text: JSON.stringify({ id, data: `The data of ${id}` }) });

/** What `completion/complete` answers for the argument that starts with `value`. */
export const completed = (value) => {
  const values = ["paris", "park", "party"].filter((word) => word.startsWith(value));
  return { completion: { values, total: values.length, hasMore: false } };
};

/** A form with one default of each primitive type. */
export const DEFAULTS_FORM = {
  type: "object",
  properties: {
    name: { type: "string", description: "Your name", default: "John Doe" },
    age: { type: "integer", description: "Your age", default: 30 },
    score: { type: "number", description: "Your score", default: 95.5 },
    status: { type: "string", description: "Your status", enum: ["active", "inactive", "pending"], default: "active" },
    verified: { type: "boolean", description: "Whether you are verified", default: true },
  },
  required: [],
};

const titled = (...pairs) => pairs.map(([value, title]) => ({ const: value, title }));

/** A form with the five ways to offer a choice. */
export const CHOICES_FORM = {
  type: "object",
  properties: {
    untitledSingle: { type: "string", enum: ["option1", "option2", "option3"] },
    titledSingle: { type: "string", oneOf: titled(["value1", "First"], ["value2", "Second"], ["value3", "Third"]) },
    legacyEnum: { type: "string", enum: ["opt1", "opt2", "opt3"], enumNames: ["One", "Two", "Three"] },
    untitledMulti: { type: "array", minItems: 1, maxItems: 3, items: { type: "string", enum: ["option1", "option2", "option3"] } },
    titledMulti: {
      type: "array",
      minItems: 1,
      maxItems: 3,
      items: { anyOf: titled(["value1", "First"], ["value2", "Second"], ["value3", "Third"]) },
    },
  },
  required: [],
};
