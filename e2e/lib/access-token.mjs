// An access token through the SDK's own registration and code exchange, with a sign-in in between.

import { auth } from "@modelcontextprotocol/client";
import { Browser } from "./browser.mjs";
import { memoryProvider } from "./client.mjs";
import { signIn } from "./sign-in.mjs";

/** Signs in at a gateway and returns the access token. */
export async function accessToken({ url, user = "ada", name }) {
  return (await tokens({ url, user, name })).access_token;
}

/** Signs in at a gateway and returns the complete token response. */
export async function tokens(options) {
  return (await signedIn(options)).tokens;
}

/**
 * Signs in at a gateway and returns the token response and the client that got it; `fetch` is the browser's, `clientFetch`
 * the client's.
 */
export async function signedIn({ url, user = "ada", name, fetch, clientFetch }) {
  const redirectUrl = "http://127.0.0.1:1/callback";
  const provider = memoryProvider({ redirectUrl, name });
  await auth(provider, { serverUrl: url, fetchFn: clientFetch });
  const browser = new Browser({ stopAt: (at) => at.href.startsWith(redirectUrl), fetch });
  const answer = await signIn({ authorizationUrl: provider.kept.authorizationUrl, redirectUrl, user, browser });
  const [code, iss] = [answer.get("code"), answer.get("iss")];
  await auth(provider, { serverUrl: url, fetchFn: clientFetch, authorizationCode: code, iss });
  return { tokens: provider.kept.tokens, client: provider.kept.client };
}
