// An identity provider that behaves as a test says, right or wrong.

import { createHmac, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { createServer } from "node:http";
import { bodyOf, listen } from "./listen.mjs";

const encode = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A key with an ID. */
export function newKey(kid) {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { kid, privateKey, jwk: { ...publicKey.export({ format: "jwk" }), kid } };
}

/** A JWT signed with a key, whatever its header says. */
export function signed(header, claims, key) {
  const message = `${encode(header)}.${encode(claims)}`;
  const signature = sign("sha256", Buffer.from(message), { key: key.privateKey, dsaEncoding: "ieee-p1363" });
  return `${message}.${signature.toString("base64url")}`;
}

/** A JWT keyed with a shared secret. */
export function keyedWith(secret, header, claims) {
  const message = `${encode(header)}.${encode(claims)}`;
  return `${message}.${createHmac("sha256", secret).update(message).digest("base64url")}`;
}

/**
 * Starts the provider. `script` says what it does: `discovery`, `answer`, `claims` and `header` replace members of what it
 * sends (`undefined` removes), `back` those of its redirect; `token` creates the ID token; `faults` says what an endpoint does
 * instead of responding; `key` signs and `keys` are published. `asked` lists the requested endpoints, in order.
 */
export async function startHostileProvider() {
  const server = createServer((request, response) => respond(request, response));
  const { origin: issuer, stop } = await listen(server);
  const usualKey = newKey("usual");
  const usual = () => ({ discovery: {}, back: {}, claims: {}, header: {}, answer: {}, faults: {}, key: usualKey, keys: [usualKey.jwk] });
  const provider = {
    issuer,
    script: usual(),
    asked: [],
    /** Returns to correct behaviour. */
    behave: () => {
      [provider.script, provider.asked] = [usual(), []];
    },
    stop,
  };
  const nonces = new Map();

  const say = (response, status, body, type = "application/json") => {
    response.writeHead(status, { "content-type": type }).end(typeof body === "string" ? body : JSON.stringify(body));
  };

  const endpoints = {
    "openid-configuration": (_, response) =>
      say(response, 200, {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/jwks`,
        response_types_supported: ["code"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["ES256"],
        ...provider.script.discovery,
      }),
    authorize: (url, response) => {
      const code = randomBytes(12).toString("hex");
      nonces.set(code, url.searchParams.get("nonce"));
      const back = new URL(url.searchParams.get("redirect_uri"));
      const parameters = { code, state: url.searchParams.get("state"), ...provider.script.back };
      for (const [name, value] of Object.entries(parameters)) if (value !== undefined) back.searchParams.set(name, value);
      response.writeHead(302, { location: back.href }).end();
    },
    jwks: (_, response) => say(response, 200, { keys: provider.script.keys }),
    token: (_, response, form) => {
      const { script } = provider;
      const now = Math.floor(Date.now() / 1000);
      const known = { iss: issuer, aud: "client-1", sub: "alice", nonce: nonces.get(form.get("code")), iat: now, exp: now + 300 };
      const claims = { ...known, name: "Alice", email: "alice@example.com", ...script.claims };
      const header = { alg: "ES256", kid: script.key.kid, ...script.header };
      const token = script.token?.(header, claims) ?? signed(header, claims, script.key);
      say(response, script.status ?? 200, { access_token: "a", token_type: "Bearer", id_token: token, ...script.answer });
    },
  };

  const faults = {
    error: (response) => say(response, 500, "<html>oops</html>", "text/html"),
    html: (response) => say(response, 200, "<html>Please sign in</html>", "text/html"),
    truncated: (response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
      response.write('{"issuer": ', () => response.destroy());
    },
    // It never responds; the connection ends with the provider.
    hang: () => {},
  };

  async function respond(request, response) {
    const url = new URL(request.url, issuer);
    const endpoint = url.pathname.split("/").at(-1);
    provider.asked.push(endpoint);
    const body = await bodyOf(request);
    const fault = provider.script.faults[endpoint];
    if (fault) return faults[fault](response);
    const answer = endpoints[endpoint];
    if (!answer) return say(response, 404, {});
    return answer(url, response, new URLSearchParams(body));
  }

  return provider;
}
