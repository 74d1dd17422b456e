// A Client ID Metadata Document on loopback https, with the test's own certificate authority.

import { createServer } from "node:https";
import { readFile } from "node:fs/promises";
import { createCertificates } from "./certificates.mjs";
import { listen } from "./listen.mjs";

/** Serves one document whose `client_id` is its own URL; `authority` is the CA file a gateway has to trust. */
export async function startMetadataDocument({ redirectUris, name = "Documented client" }) {
  const { authority, ...files } = await createCertificates();
  const [key, cert] = await Promise.all([readFile(files.key), readFile(files.certificate)]);
  const fetched = [];
  const server = createServer({ key, cert }, (request, response) => {
    fetched.push(request.url);
    response.writeHead(200, { "content-type": "application/json", "cache-control": "max-age=300" }).end(
      JSON.stringify({
        client_id: `https://127.0.0.1:${server.address().port}/client.json`,
        client_name: name,
        redirect_uris: redirectUris,
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: "none",
      }),
    );
  });
  const { port, stop } = await listen(server);
  const url = `https://127.0.0.1:${port}/client.json`;
  return { url, authority, fetched, stop };
}
