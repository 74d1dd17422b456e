// What every OAuth client needs in addition to an SDK: storage, and a loopback listener for its redirect.

import { createServer } from "node:http";
import { listen } from "./listen.mjs";

/** A loopback listener that returns the parameters of the one redirect it gets. */
export async function startCallback(path = "/callback") {
  const server = createServer();
  const { origin, stop } = await listen(server);
  const arrived = new Promise((done) => {
    server.on("request", (request, response) => {
      const url = new URL(request.url, origin);
      response.writeHead(url.pathname === path ? 200 : 404).end("You can close this window.");
      if (url.pathname === path) done(url.searchParams);
    });
  });
  return { url: `${origin}${path}`, arrived, stop };
}

/** An `OAuthClientProvider` of the SDKs that keeps everything in memory and remembers where it was sent. */
export function memoryProvider({ redirectUrl, clientMetadataUrl, name = "End-to-end client" }) {
  const kept = {};
  return {
    kept,
    redirectUrl,
    clientMetadataUrl,
    clientMetadata: {
      client_name: name,
      redirect_uris: [redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    },
    state: () => (kept.state ??= "state-with-ünicode &=?#"),
    clientInformation: () => kept.client,
    saveClientInformation: (client) => void (kept.client = client),
    tokens: () => kept.tokens,
    saveTokens: (tokens) => void (kept.tokens = tokens),
    redirectToAuthorization: (url) => void (kept.authorizationUrl = url),
    saveCodeVerifier: (verifier) => void (kept.verifier = verifier),
    codeVerifier: () => kept.verifier,
  };
}
