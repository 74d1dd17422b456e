// What every OAuth client needs in addition to an SDK: storage, and a loopback listener for its redirect.

import { createServer } from "node:http";
import { once } from "node:events";

/** A loopback listener that returns the parameters of the one redirect it gets. */
export async function startCallback(path = "/callback") {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  const arrived = new Promise((done) => {
    server.on("request", (request, response) => {
      const url = new URL(request.url, `http://127.0.0.1:${port}`);
      response.writeHead(url.pathname === path ? 200 : 404).end("You can close this window.");
      if (url.pathname === path) done(url.searchParams);
    });
  });
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}${path}`, arrived, stop };
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
