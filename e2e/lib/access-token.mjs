// An access token the long way: the SDK's own registration and code exchange, with a sign-in in between.

import { auth } from "@modelcontextprotocol/client";
import { memoryProvider } from "./client.mjs";
import { signIn } from "./sign-in.mjs";

/** Signs in at a gateway and gives the access token. */
export async function accessToken({ url, user = "ada", name }) {
  return (await tokens({ url, user, name })).access_token;
}

/** Signs in at a gateway and gives the whole token answer. */
export async function tokens({ url, user = "ada", name }) {
  const redirectUrl = "http://127.0.0.1:1/callback";
  const provider = memoryProvider({ redirectUrl, name });
  await auth(provider, { serverUrl: url });
  const answer = await signIn({ authorizationUrl: provider.kept.authorizationUrl, redirectUrl, user });
  await auth(provider, { serverUrl: url, authorizationCode: answer.get("code"), iss: answer.get("iss") });
  return provider.kept.tokens;
}
