// An identity provider that asks no questions: every request is answered immediately, so that only the gateway is measured.
// `instant-provider.mjs <port>`; accepts any client ID and secret.

import { generateKeyPairSync, sign } from "node:crypto";
import { createServer } from "node:http";

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const HEADER = encode({ alg: "ES256", kid: "bench", typ: "JWT" });
const DOCUMENTS = {
  "/.well-known/openid-configuration": {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: ["code"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["ES256"],
    code_challenge_methods_supported: ["S256"],
    token_endpoint_auth_methods_supported: ["client_secret_basic"],
    authorization_response_iss_parameter_supported: true,
  },
  "/jwks": { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "bench", use: "sig" }] },
};
let count = 0;

/** The response of the token endpoint: a code consists of the nonce it was issued for, the person, and the client. */
function tokens(code) {
  const [nonce, sub, aud] = JSON.parse(Buffer.from(code, "base64url"));
  const now = Math.floor(Date.now() / 1000);
  const message = `${HEADER}.${encode({ iss: issuer, aud, sub, nonce, iat: now, exp: now + 300, name: `Person ${sub}` })}`;
  const signature = sign("sha256", message, { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url");
  return { access_token: "unused", token_type: "Bearer", expires_in: 300, id_token: `${message}.${signature}` };
}

createServer((request, response) => {
  const url = new URL(request.url, issuer);
  const json = (value) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
  if (url.pathname === "/authorize") {
    const asked = url.searchParams;
    // A thousand people who sign in again and again.
    const code = encode([asked.get("nonce"), `person-${(count += 1) % 1000}`, asked.get("client_id")]);
    const answer = new URLSearchParams({ code, state: asked.get("state"), iss: issuer });
    return response.writeHead(302, { location: `${asked.get("redirect_uri")}?${answer}` }).end();
  }
  if (url.pathname !== "/token") return json(DOCUMENTS[url.pathname] ?? {});
  let body = "";
  request.setEncoding("utf8").on("data", (part) => (body += part));
  request.on("end", () => json(tokens(new URLSearchParams(body).get("code"))));
}).listen(port, "127.0.0.1");
