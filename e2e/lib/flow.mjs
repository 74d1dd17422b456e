// The authorization code flow step by step, without a browser. `code` is a complete sign-in at the instant provider, as fast as
// possible. Each worker has its own network (all of 127.0.0.0/8 is this machine), because each network has its own limits.

import { createHash, randomBytes } from "node:crypto";
import { send } from "./raw.mjs";

/** Where clients of the tests expect their codes. */
export const REDIRECT = "http://127.0.0.1/callback";
/** The type of a form's body. */
export const FORM = { "content-type": "application/x-www-form-urlencoded" };
const SEALED = /name="request" value="([^"]+)"/;

/** The address of the worker with this number: one per network. */
export const addressOf = (worker) => `127.${1 + (worker % 250)}.${Math.floor(worker / 250)}.2`;

function must(condition, what, answer) {
  if (!condition) throw new Error(`${what}: ${answer.status} ${answer.text.slice(0, 300)}`);
}

/** Posts a form of a client. */
export const postForm = (url, form, from) =>
  send(url, { method: "POST", headers: FORM, body: new URLSearchParams(form).toString(), from });

/** Registers a public client at a gateway; returns its ID. */
export async function register(url) {
  const answer = await send(`${url}/oauth2/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ client_name: "Tests", redirect_uris: [REDIRECT], token_endpoint_auth_method: "none" }),
  });
  must(answer.status === 201, "registration", answer);
  return JSON.parse(answer.text).client_id;
}

/**
 * The URL at which a client asks for a sign-in, which shows the consent page, and the verifier that redeems the code. `changes` replaces
 * parameters.
 */
export function authorizationRequest(url, clientId, changes = {}) {
  const verifier = randomBytes(32).toString("base64url");
  const query = new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: REDIRECT,
    state: "tests",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    ...changes,
  });
  return { verifier, at: `${url}/oauth2/authorize?${query}` };
}

/** The token request for a code. */
export const redemption = (clientId, code, verifier) => ({
  grant_type: "authorization_code",
  client_id: clientId,
  code,
  code_verifier: verifier,
  redirect_uri: REDIRECT,
});

/** The form of a consent page, to be posted any number of times. */
export function formOf(url, page) {
  const sealed = page.text.match(SEALED)?.[1];
  must(page.status === 200 && sealed, "consent page", page);
  return {
    url: `${url}/oauth2/authorize`,
    method: "POST",
    headers: { ...FORM, origin: new URL(url).origin, "sec-fetch-site": "same-origin" },
    body: new URLSearchParams({ request: sealed, decision: "allow" }).toString(),
  };
}

/** The consent form of a gateway. */
export async function consentForm(url, clientId, from) {
  const { verifier, at } = authorizationRequest(url, clientId);
  return { verifier, form: formOf(url, await send(at, { from })) };
}

/** From the response to a consent form through the instant provider; returns the request to the gateway's callback. */
export async function backFromProvider(approved, from) {
  must(approved.status === 303, "approval", approved);
  const provider = await send(approved.headers.location, { from });
  must(provider.status === 302, "provider", provider);
  const cookie = approved.headers["set-cookie"].map((line) => line.split(";")[0]).join("; ");
  return { url: provider.headers.location, headers: { cookie }, from };
}

/** The code in the response of a gateway's callback, if it has one. */
export const codeIn = ({ headers }) => new URL(headers.location ?? "none:").searchParams.get("code");

/** A sign-in up to the code; returns the token request for it. */
export async function code(url, clientId, from) {
  const { verifier, form } = await consentForm(url, clientId, from);
  const { url: callback, ...request } = await backFromProvider(await send(form.url, { ...form, from }), from);
  const back = await send(callback, request);
  must(codeIn(back), "callback", back);
  return redemption(clientId, codeIn(back), verifier);
}

/** One request to the token endpoint; returns the tokens. */
export async function tokens(url, form, from) {
  const answer = await postForm(`${url}/oauth2/token`, form, from);
  must(answer.status === 200, form.grant_type, answer);
  return JSON.parse(answer.text);
}

/** The token request for a refresh token. */
export const refreshing = (clientId, refreshToken) => ({
  grant_type: "refresh_token",
  client_id: clientId,
  refresh_token: refreshToken,
});

/** A complete sign-in at the instant provider; returns the tokens. */
export const signInFast = async ({ url, client }, from) => tokens(url, await code(url, client, from), from);
