// The cost of a token request whose assertion proves nothing, with key sets designed to be expensive, compared with a token
// request that is refused for an unknown code. Milliseconds of the whole process's processor time, and the ratio.

import { createPrivateKey, generateKeyPair, generateKeyPairSync, sign } from "node:crypto";
import { promisify } from "node:util";
import { processorTime } from "../e2e/lib/figures.mjs";
import { addressOf, postForm } from "../e2e/lib/flow.mjs";
import { startGateway } from "../e2e/lib/gateway.mjs";
import { hangUp } from "../e2e/lib/raw.mjs";

const REQUESTS = 150;
const encode = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** Large keys take seconds each: they are generated in parallel, so that no connection times out while waiting for them. */
async function keys(count, bits) {
  const make = promisify(generateKeyPair);
  const pairs = await Promise.all(Array.from({ length: count }, () => make("rsa", { modulusLength: bits })));
  return pairs.map(({ publicKey }) => ({ ...publicKey.export({ format: "jwk" }), kid: "k1" }));
}

const stranger = createPrivateKey(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" }));

function assertion(client, audience, number) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: client, sub: client, aud: audience, iat: now, exp: now + 300, jti: `bench ${number}` };
  const text = `${encode({ alg: "RS256", kid: "k1" })}.${encode(claims)}`;
  return `${text}.${sign("sha256", Buffer.from(text), stranger).toString("base64url")}`;
}

const gateway = await startGateway({ store: "sqlite", logLevel: "error" });
try {
  const { id, url } = await gateway.create("gateways", {
    name: "Keys",
    slug: "keys",
    authentication_mode: "project_members",
  });
  const client = (more) =>
    gateway.create(`gateways/${id}/preregistered-clients`, {
      name: `Client ${Math.random()}`,
      redirect_uris: ["https://app.example/cb"],
      ...more,
    });
  const measure = async (form) => {
    const statuses = {};
    const before = await processorTime(gateway.pid());
    for (let index = 0; index < REQUESTS; index++) {
      const answer = await postForm(`${url}/oauth2/token`, form(index), addressOf(index));
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
    }
    return { each: ((await processorTime(gateway.pid())) - before) / REQUESTS, statuses: JSON.stringify(statuses) };
  };
  const code = { grant_type: "authorization_code", code: "made up", code_verifier: "v".repeat(43) };
  const open = await client({ token_endpoint_auth_method: "none" });
  const ordinary = await measure(() => ({ ...code, client_id: open.id }));
  console.log(`an unknown code: ${ordinary.each.toFixed(2)} ms each ${ordinary.statuses}`);
  for (const [count, bits] of [
    [1, 2048],
    [20, 4096],
    [10, 8192],
  ]) {
    const what = `${count} keys of ${bits} bits`;
    let signing;
    try {
      signing = await client({ token_endpoint_auth_method: "private_key_jwt", jwks: { keys: await keys(count, bits) } });
    } catch (error) {
      if (!/: 422 /.test(error.message)) throw error;
      console.log(`${what}: refused when they are saved: ${error.message.match(/"detail":"([^"]*)"/g)?.at(-1)}`);
      continue;
    }
    const failed = await measure((index) => ({
      ...code,
      client_id: signing.id,
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: assertion(signing.id, url, index),
    }));
    const ratio = failed.each / ordinary.each;
    console.log(`${what}, none of which signed: ${failed.each.toFixed(2)} ms each, ${ratio.toFixed(1)} times ${failed.statuses}`);
  }
} finally {
  hangUp();
  await gateway.stop();
}
