// The authorization code flow by hand, for tests that act between its steps.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Browser } from "./browser.mjs";
import { signIn } from "./sign-in.mjs";

const REDIRECT = "http://127.0.0.1/callback";

/** Registers a public client at the gateway at `url`; returns its ID. */
export async function register(url) {
  const answer = await fetch(`${url}/oauth2/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ redirect_uris: [REDIRECT], token_endpoint_auth_method: "none" }),
  });
  assert.equal(answer.status, 201);
  return (await answer.json()).client_id;
}

/** Signs a person in at the gateway at `url`, up to the code; returns what a token request needs. */
export async function codeOf(url, clientId, { user = "ada", browser } = {}) {
  const verifier = randomBytes(32).toString("base64url");
  const query = new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: REDIRECT,
    state: "s",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  const person = browser ?? new Browser({ stopAt: (at) => at.href.startsWith(REDIRECT) });
  const answer = await signIn({
    authorizationUrl: `${url}/oauth2/authorize?${query}`,
    redirectUrl: REDIRECT,
    user,
    browser: person,
  });
  return {
    grant_type: "authorization_code",
    client_id: clientId,
    code: answer.get("code"),
    code_verifier: verifier,
    redirect_uri: REDIRECT,
  };
}

/** A browser that keeps its session at the provider from one {@link codeOf} to the next. */
export const browserOf = () => new Browser({ stopAt: (at) => at.href.startsWith(REDIRECT) });

/** A token request; returns the status and the body, or nothing if no complete response arrived. */
export async function tokenRequest(url, form) {
  try {
    const answer = await fetch(`${url}/oauth2/token`, { method: "POST", body: new URLSearchParams(form) });
    return { status: answer.status, retryAfter: answer.headers.get("retry-after"), ...(await answer.json()) };
  } catch {
    return undefined;
  }
}
