// Identity providers that share only the standard, each from saving it to a tool call by a person who signed
// in there; and one of them with all the settings by which real ones differ.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { auth } from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { sourceFields } from "./lib/api.mjs";
import { signInAtCanaille, startCanaille } from "./lib/canaille.mjs";
import { startChromium } from "./lib/chromium.mjs";
import { memoryProvider, startCallback } from "./lib/client.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { signInAtGlewlwyd, startGlewlwyd } from "./lib/glewlwyd.mjs";
import { signInAtProvider, startProvider, USERS } from "./lib/provider.mjs";
import { signIn } from "./lib/sign-in.mjs";
import { startRmcp } from "./lib/upstreams.mjs";

/** A person signs in with a browser without script. */
const plainly = (atProvider) => (authorizationUrl, callback) =>
  signIn({ authorizationUrl, redirectUrl: callback.url, atProvider });

/** A person signs in with Chromium, for pages rendered by script. */
const inChromium = (atProvider) => async (authorizationUrl, callback) => {
  const chromium = await startChromium();
  try {
    const page = await chromium.newPage({ locale: "en-GB" });
    await page.goto(authorizationUrl.href);
    await page.getByRole("button", { name: /allow/i }).click();
    await atProvider(page);
    return await callback.arrived;
  } finally {
    await chromium.close();
  }
};

/** `oidc-provider` puts only `sub` into its ID tokens: name and e-mail address come from userinfo. */
async function startOidcProvider(options) {
  const provider = await startProvider(options);
  return { ...provider, person: USERS.ada, subject: () => options.subject ?? "ada" };
}

const PROVIDERS = [
  { name: "oidc-provider", begin: startOidcProvider, signsIn: plainly(signInAtProvider) },
  { name: "Glewlwyd", begin: startGlewlwyd, signsIn: inChromium(signInAtGlewlwyd), warnings: ["/callback"] },
  { name: "Canaille", begin: startCanaille, signsIn: plainly(signInAtCanaille) },
];

const { privateKey: ecKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const { privateKey: rsaKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const jwk = (key) => key.export({ format: "jwk" });

/** The same provider with other settings, each of which some real provider has. */
const SETTINGS = {
  client_secret_post: { client: { token_endpoint_auth_method: "client_secret_post" } },
  ES256: { client: { id_token_signed_response_alg: "ES256" }, configure: { jwks: { keys: [jwk(rsaKey), jwk(ecKey)] } } },
  PS256: { client: { id_token_signed_response_alg: "PS256" }, configure: { jwks: { keys: [jwk(rsaKey)] } } },
  "signed userinfo": {
    client: { userinfo_signed_response_alg: "RS256" },
    configure: { features: { devInteractions: { enabled: true }, jwtUserinfo: { enabled: true } } },
  },
  "pairwise subjects": {
    client: { subject_type: "pairwise" },
    configure: { subjectTypes: ["public", "pairwise"], pairwiseIdentifier: (_, account) => `pairwise|${account}==` },
    subject: "pairwise|ada==",
  },
  "every claim in the ID token": { configure: { conformIdTokenClaims: false } },
  "an issuer with a path": { path: "/tenants/Acme/v2.0" },
};

describe("independent providers", () => {
  let gateway, rmcp, server;

  before(async () => {
    gateway = await startGateway();
    rmcp = await startRmcp(gateway);
    const fields = { slug: "rmcp", name: "Rmcp", url: rmcp.url, identity: "assertion" };
    server = await gateway.create("servers", fields);
  });

  after(async () => {
    for (const each of [rmcp, gateway]) await each?.stop();
  });

  const sources = () => `${gateway.project}/user-sources`;

  /** A gateway for the source, and a client that knows only its URL. */
  async function clientOf(source, name) {
    const made = await gateway.create("gateways", {
      name,
      slug: name.toLowerCase().replaceAll(/\W/g, "-"),
      authentication_mode: "user_source",
      user_source_id: source.id,
      servers: [server.id],
    });
    const callback = await startCallback();
    const client = memoryProvider({ redirectUrl: callback.url, name: "End-to-end" });
    await auth(client, { serverUrl: made.url });
    return { url: made.url, client, callback };
  }

  /** What a server learns about the person whose client this is. */
  async function whoami(url, authProvider) {
    const client = new Client({ name: "end-to-end", version: "1.0.0" });
    await client.connect(new StreamableHTTPClientTransport(new URL(url), { authProvider }));
    const said = await client.callTool({ name: "whoami", arguments: {} });
    await client.close();
    return said.structuredContent;
  }

  /** A person signs in and calls a tool, and again after a refresh; everyone agrees on who that is. */
  async function goesAllTheWay({ source, provider, name, signsIn }) {
    const { url, client, callback } = await clientOf(source, name);
    const answer = await signsIn(client.kept.authorizationUrl, callback);
    callback.stop();
    assert.equal(answer.get("error"), null, `${answer}`);
    await auth(client, { serverUrl: url, authorizationCode: answer.get("code"), iss: answer.get("iss") });
    const who = await whoami(url, client);
    const expected = [provider.subject(), provider.person.name, provider.person.email];
    assert.deepEqual([who.subject, who.name, who.email], expected);
    const before = client.kept.tokens;
    assert.equal(await auth(client, { serverUrl: url }), "AUTHORIZED");
    assert.notEqual(client.kept.tokens.access_token, before.access_token);
    assert.equal((await whoami(url, client)).subject, who.subject);
    const { items } = await gateway.api("GET", `${gateway.project}/users?user_source_id=${source.id}`);
    assert.deepEqual(items.map((user) => [user.subject, user.display_name, user.email]), [expected]);
  }

  for (const { name, begin, signsIn, warnings = [] } of PROVIDERS) {
    describe(name, () => {
      let provider, source;

      before(async () => {
        provider = await begin({ redirectUri: gateway.callback });
      });

      after(() => provider?.stop());

      test("is saved after all checks, and a wrong issuer is refused", async () => {
        const wrong = sourceFields(provider, { name, issuer: `${provider.issuer}/` });
        await assert.rejects(gateway.api("POST", sources(), wrong), /slash/);
        source = await gateway.api("POST", sources(), sourceFields(provider, { name }));
        assert.ok(source.verified_at);
        assert.deepEqual(source.warnings.map((warning) => warning.pointer), warnings, JSON.stringify(source.warnings));
      });

      test("says whether client id and secret are right", async () => {
        const right = await gateway.api("POST", `${sources()}/${source.id}/test-connection`);
        assert.equal(right.last_test.credentials.verdict, "right", right.last_test.credentials.detail);
        const changes = { name: `${name}, mistyped`, client_secret: "not the one" };
        const other = await gateway.api("POST", sources(), sourceFields(provider, changes));
        const mistyped = await gateway.api("POST", `${sources()}/${other.id}/test-connection`);
        assert.equal(mistyped.last_test.credentials.verdict, "wrong", mistyped.last_test.credentials.detail);
      });

      test("signs a person in, who calls a tool, and again after a refresh", async () => {
        await goesAllTheWay({ source, provider, name, signsIn });
      });

      test("leaves the code unused when it refuses a secret, so that a rotation can begin here", async () => {
        const typed = { client_secret: "not known there yet" };
        assert.equal((await gateway.api("PATCH", `${sources()}/${source.id}`, typed)).client_secret_has_fallback, true);
        await goesAllTheWay({ source, provider, name: `${name}, rotating`, signsIn });
        const seen = await gateway.api("GET", `${sources()}/${source.id}`);
        assert.ok(seen.client_secret_refused_at && seen.client_secret_has_fallback, JSON.stringify(seen));
      });
    });
  }

  describe("oidc-provider with other settings", () => {
    for (const [name, settings] of Object.entries(SETTINGS)) {
      test(name, async () => {
        const provider = await startOidcProvider({ redirectUri: gateway.callback, ...settings });
        try {
          const source = await gateway.api("POST", sources(), sourceFields(provider, { name }));
          await goesAllTheWay({ source, provider, name, signsIn: plainly(signInAtProvider) });
        } finally {
          await provider.stop();
        }
      });
    }

    test("HS256: refused, and the log says which setting to change", async () => {
      const provider = await startOidcProvider({
        redirectUri: gateway.callback,
        client: { id_token_signed_response_alg: "HS256" },
        configure: { enabledJWA: { idTokenSigningAlgValues: ["RS256", "HS256"] } },
      });
      try {
        const source = await gateway.api("POST", sources(), sourceFields(provider, { name: "HS256" }));
        const { client, callback } = await clientOf(source, "HS256");
        const signsIn = plainly(signInAtProvider)(client.kept.authorizationUrl, callback);
        await assert.rejects(signsIn, /You could not be signed in/);
        callback.stop();
        await gateway.said(/a sign-in failed.*HS256.*signature algorithm.*RS256/);
        const { items } = await gateway.api("GET", `${gateway.project}/users?user_source_id=${source.id}`);
        assert.deepEqual(items, []);
      } finally {
        await provider.stop();
      }
    });
  });
});
