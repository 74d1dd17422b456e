// The certified provider of npm `oidc-provider`, set up as a customer's: one confidential client, two users.

import { createServer } from "node:http";
import Provider from "oidc-provider";
import { listen } from "./listen.mjs";

export const USERS = {
  ada: { name: "Ada Lovelace", email: "ada@example.com", email_verified: true },
  grace: { name: "Grace Hopper", email: "grace@example.com", email_verified: true },
};

/**
 * Starts the provider; `redirectUri` is the gateway's one callback, `path` what its issuer has beyond the origin, `client`
 * changes the client and `configure` everything else.
 */
export async function startProvider({ redirectUri, path = "", client: changes = {}, configure = {} }) {
  const server = createServer((request, response) => {
    // As a framework does that mounts the provider below a path.
    request.originalUrl = request.url;
    if (request.url.startsWith(path)) request.url = request.url.slice(path.length) || "/";
    listener(request, response);
  });
  let listener = (_, response) => response.writeHead(503).end();
  const { origin, stop } = await listen(server);
  const issuer = `${origin}${path}`;
  const client = {
    client_id: "gatewright",
    client_secret: "a+secret/with:odd%characters-0123456789",
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code"],
    response_types: ["code"],
    token_endpoint_auth_method: "client_secret_basic",
    ...changes,
  };
  const provider = new Provider(issuer, {
    clients: [client],
    claims: { openid: ["sub"], profile: ["name", "preferred_username"], email: ["email", "email_verified"] },
    scopes: ["openid", "profile", "email", "offline_access"],
    cookies: { keys: ["end-to-end"] },
    features: { devInteractions: { enabled: true } },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...USERS[sub] }) }),
    ttl: { Session: 3600, Grant: 3600, Interaction: 600, IdToken: 600, AccessToken: 600 },
    ...configure,
  });
  listener = provider.callback();
  return { issuer, client, provider, stop };
}

/** Signs in on the provider's own pages: name and password, then its consent. */
export async function signInAtProvider(browser, page, user) {
  let at = page;
  for (let step = 0; step < 4 && at.text !== undefined && at.url.includes("/interaction/"); step += 1) {
    at = await browser.submit(at, { values: { login: user, password: "any" } });
  }
  return at;
}
