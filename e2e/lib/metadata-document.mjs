// A Client ID Metadata Document on loopback https, with the test's own certificate authority.

import { createServer } from "node:https";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listen } from "./listen.mjs";
import { run } from "./process.mjs";

/** Creates an authority and a certificate for 127.0.0.1; returns the files and their folder. */
async function certificates() {
  const folder = await mkdtemp(join(tmpdir(), "gatewright-e2e-ca-"));
  const at = (name) => join(folder, name);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const authority = ["-x509", "-days", "2", "-subj", "/CN=End-to-end authority"];
  await run("openssl", ["req", ...key, ...authority, "-keyout", at("ca.key"), "-out", at("ca.crt")]);
  const leaf = ["-x509", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
  const signed = ["-addext", "basicConstraints=critical,CA:FALSE", "-CA", at("ca.crt"), "-CAkey", at("ca.key")];
  await run("openssl", ["req", ...key, ...leaf, ...signed, "-keyout", at("leaf.key"), "-out", at("leaf.crt")]);
  return { authority: at("ca.crt"), key: await readFile(at("leaf.key")), cert: await readFile(at("leaf.crt")) };
}

/** Serves one document whose `client_id` is its own URL; `authority` is the CA file a gateway has to trust. */
export async function startMetadataDocument({ redirectUris, name = "Documented client" }) {
  const { authority, key, cert } = await certificates();
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
