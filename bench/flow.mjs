// A complete sign-in, as fast as possible: consent, the provider, the callback, the code, tokens. Each worker has
// its own network (all of 127.0.0.0/8 is this machine), because each network has its own limits, at two widths.

import { createHash, randomBytes } from "node:crypto";
import { send } from "../e2e/lib/raw.mjs";

const REDIRECT = "http://127.0.0.1/callback";
const FORM = { "content-type": "application/x-www-form-urlencoded" };
const SEALED = /name="request" value="([^"]+)"/;

/** The address of the worker with this number: one per network. */
export const addressOf = (worker) => `127.${1 + (worker % 250)}.${Math.floor(worker / 250)}.2`;

function must(condition, what, answer) {
  if (!condition) throw new Error(`${what}: ${answer.status} ${answer.text.slice(0, 300)}`);
}

/** Registers a client at a gateway; returns its ID. */
export async function register(url) {
  const answer = await send(`${url}/oauth2/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ client_name: "Bench", redirect_uris: [REDIRECT], token_endpoint_auth_method: "none" }),
  });
  must(answer.status === 201, "registration", answer);
  return JSON.parse(answer.text).client_id;
}

/** The request that shows the consent page, and what is needed later. */
export function authorizationRequest(url, clientId) {
  const verifier = randomBytes(32).toString("base64url");
  const query = new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: REDIRECT,
    state: "bench",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  return { verifier, at: `${url}/oauth2/authorize?${query}` };
}

/** The URL of a gateway's consent page, as a client requests it. */
export const consentPage = (url, clientId) => authorizationRequest(url, clientId).at;

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

/** A sign-in up to the code; returns the token request for it. */
export async function code(url, clientId, from) {
  const { verifier, form } = await consentForm(url, clientId, from);
  const begun = await send(form.url, { ...form, from });
  must(begun.status === 303, "approval", begun);
  const provider = await send(begun.headers.location, { from });
  must(provider.status === 302, "provider", provider);
  const cookie = begun.headers["set-cookie"].map((line) => line.split(";")[0]).join("; ");
  const back = await send(provider.headers.location, { headers: { cookie }, from });
  const arrived = new URL(back.headers.location ?? "none:").searchParams.get("code");
  must(arrived, "callback", back);
  return {
    grant_type: "authorization_code",
    client_id: clientId,
    code: arrived,
    code_verifier: verifier,
    redirect_uri: REDIRECT,
  };
}

/** One request to the token endpoint; returns the tokens. */
export async function tokens(url, form, from) {
  const answer = await send(`${url}/oauth2/token`, {
    method: "POST",
    headers: FORM,
    body: new URLSearchParams(form).toString(),
    from,
  });
  must(answer.status === 200, form.grant_type, answer);
  return JSON.parse(answer.text);
}

/** Runs `work(worker)` repeatedly in this many workers for this long; returns how often per second it completed. */
export async function perSecond(workers, seconds, work) {
  const [began, until] = [performance.now(), performance.now() + seconds * 1000];
  let done = 0;
  const run = async (worker) => {
    while (performance.now() < until) {
      await work(worker);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: workers }, (_, worker) => run(worker)));
  return (done * 1000) / (performance.now() - began);
}
