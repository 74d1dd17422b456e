// The authorization code flow with a browser, for tests that act between its steps.

import { Browser } from "./browser.mjs";
import { REDIRECT, authorizationRequest, redemption } from "./flow.mjs";
import { signIn } from "./sign-in.mjs";

/** A browser that keeps its session at the provider from one {@link codeOf} to the next. */
export const browserOf = () => new Browser({ stopAt: (at) => at.href.startsWith(REDIRECT) });

/** Signs a person in at the gateway at `url`, up to the code; returns what a token request needs. */
export async function codeOf(url, clientId, { user = "ada", browser = browserOf() } = {}) {
  const { verifier, at } = authorizationRequest(url, clientId);
  const answer = await signIn({ authorizationUrl: at, redirectUrl: REDIRECT, user, browser });
  return redemption(clientId, answer.get("code"), verifier);
}

/** A token request; returns the status and the body, or nothing if no complete response arrived. */
export async function tokenRequest(url, form) {
  try {
    const answer = await fetch(`${url}/oauth2/token`, { method: "POST", body: new URLSearchParams(form) });
    return { status: answer.status, retryAfter: answer.headers.get("retry-after"), ...(await answer.json()) };
  } catch {
    return undefined;
  }
}
