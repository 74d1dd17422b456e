// The REST API, as an operator's scripts use it.

/** The headers of a request to the API. */
export const apiHeaders = (key) => ({ authorization: `Bearer ${key}`, "content-type": "application/json" });

/** Calls the API of the process at `origin` with a key; throws the response on any error. */
export async function callApi(origin, key, method, path, body) {
  const answer = await fetch(`${origin}/api/v1${path}`, {
    method,
    headers: apiHeaders(key),
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

/** The User Source of a provider of the tests, with `changes`. */
export const sourceFields = ({ issuer, client }, changes = {}) => ({
  name: "Company",
  issuer,
  client_id: client.client_id,
  client_secret: client.client_secret,
  ...changes,
});

/** Creates a project with a key of an owner; `create(kind, fields)` creates something in it. */
export async function createProject(origin, instanceKey, name = "Example") {
  const { id } = await callApi(origin, instanceKey, "POST", "/projects", { name });
  const path = `/projects/${id}`;
  const { key } = await callApi(origin, instanceKey, "POST", `${path}/api-keys`, { name: "tests", role: "owner" });
  return { path, key, create: (kind, fields) => callApi(origin, key, "POST", `${path}/${kind}`, fields) };
}

/** Creates a gateway in User Source mode for a provider of the tests; `fields` are the gateway's. */
export async function createSignInGateway({ create }, provider, fields = {}) {
  const source = await create("user-sources", sourceFields(provider));
  const settings = { authentication_mode: "user_source", user_source_id: source.id };
  return { source, ...(await create("gateways", { name: "Tests", slug: "tests", ...settings, ...fields })) };
}
