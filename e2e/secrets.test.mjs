// Secrets and the log. At the most verbose level, with every kind of secret in use, accepted and
// refused, no line contains one of them, plain, encoded or sealed.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { sourceFields } from "./lib/api.mjs";
import { Browser } from "./lib/browser.mjs";
import { REDIRECT, authorizationRequest } from "./lib/flow.mjs";
import { STORES, startGateway } from "./lib/gateway.mjs";
import { startHostileUpstream } from "./lib/hostile-upstream.mjs";
import { toolCall } from "./lib/mcp.mjs";
import { signInAtProvider, startProvider } from "./lib/provider.mjs";
import { allowButton } from "./lib/sign-in.mjs";

const PASSWORD = "violet harbour ninety canary";
/** A sealed value: `v1.`, the ID of its key, and another dot. */
const SEALED = /v1\.[0-9a-f]{8}\.[\w-]{8}/;
/** The settings of the most verbose log, in either format. */
const LOGS = { sqlite: "human", postgres: "json" };

for (const store of STORES) {
  describe(`secrets and the log on ${store}`, () => {
    let gateway, provider, upstream, dead, made;
    /** Each secret by what it is. */
    const secrets = new Map();
    const keep = (name, value) => {
      assert.ok(typeof value === "string" && value.length >= 8, `there is no ${name}: ${value}`);
      secrets.set(`${name} ${secrets.size}`, value);
      return value;
    };
    const canary = (name) => keep(name, `canary-${randomBytes(12).toString("hex")}`);
    const create = (...of) => gateway.create(...of);

    /** Records what a browser carries: states, codes, nonces, cookies, and sealed form values. */
    const noting = async (url, options = {}) => {
      const note = (parameters, where) => {
        for (const [name, value] of parameters) {
          if (["code", "state", "nonce", "request", "password"].includes(name) && value.length >= 8) keep(`${name} ${where}`, value);
        }
      };
      note(new URL(url).searchParams, "in a URL");
      if (options.body) note(new URLSearchParams(options.body), "in a form");
      const answer = await fetch(url, options);
      for (const line of answer.headers.getSetCookie()) {
        const value = line.split(";")[0].split("=").slice(1).join("=");
        if (value.length >= 8) keep("cookie", value);
      }
      const location = answer.headers.get("location");
      if (location) note(new URL(location, url).searchParams, "in a redirect");
      return answer;
    };
    const browser = () => new Browser({ stopAt: (at) => at.href.startsWith(REDIRECT), fetch: noting });

    before(async () => {
      const env = {
        GATEWRIGHT__LOG__FORMAT: LOGS[store],
        GATEWRIGHT__METRICS__BEARER: canary("metrics token"),
        GATEWRIGHT__ADMINISTRATORS__OIDC_ISSUER: "http://127.0.0.1:1",
        GATEWRIGHT__ADMINISTRATORS__OIDC_CLIENT_ID: "administrators",
        GATEWRIGHT__ADMINISTRATORS__OIDC_CLIENT_SECRET: canary("client secret for administrators"),
      };
      gateway = await startGateway({ store, env, logLevel: "trace" });
      keep("master key", gateway.masterKey);
      keep("instance key", gateway.instanceKey);
      keep("project key", gateway.projectKey);
      keep("setup link", gateway.log().match(/account\/setup\/(\S+)/)[1]);
      provider = await startProvider({ redirectUri: gateway.callback, client: { client_secret: canary("client secret") } });
      // What the gateway and the provider send each other.
      provider.provider.on("grant.success", (context) => {
        for (const name of ["code", "code_verifier"]) keep(`${name} at the provider`, context.oidc.params[name]);
        for (const name of ["access_token", "id_token"]) keep(`${name} of the provider`, context.body[name]);
        keep("what proves the gateway", context.get("authorization").split(" ")[1]);
      });
      upstream = await startHostileUpstream();
      dead = await startHostileUpstream();
      dead.stop();
      const source = await create("user-sources", sourceFields(provider));
      const origins = [upstream.url, dead.url].map((url) => new URL(url).origin);
      await create("secrets", { name: "TOKEN", value: canary("secret for a header"), origins });
      const headers = [{ name: "x-api-key", value: "Key ${secret:TOKEN}" }];
      const servers = [
        await create("servers", { slug: "good", url: upstream.url, headers, identity: "assertion" }),
        await create("servers", { slug: "dead", url: dead.url, headers }),
      ].map((server) => server.id);
      made = {
        source,
        staff: await create("gateways", { name: "Staff", slug: "staff", authentication_mode: "user_source", user_source_id: source.id, servers }),
        agents: await create("gateways", { name: "Agents", slug: "agents", authentication_mode: "headers", servers }),
      };
    });

    after(async () => {
      for (const each of [upstream, provider, gateway]) await each?.stop();
    });

    const call = async (url, bearer, { name = "good_small", headers = {}, query = "" } = {}) => {
      const { headers: usual, ...request } = toolCall({ bearer, name, arguments: { card: canary("argument of a tool") } });
      const answer = await fetch(`${url}${query}`, { ...request, headers: { ...usual, ...headers } });
      await answer.text();
      return answer.status;
    };

    const post = async (path, form, headers = {}) => {
      const answer = await fetch(`${made.staff.url}/oauth2/${path}`, { method: "POST", headers, body: new URLSearchParams(form) });
      const text = await answer.text();
      return { status: answer.status, ...(text && JSON.parse(text)) };
    };

    /** A sign-in of a confidential client, up to its tokens. */
    async function signIn(client, secret) {
      const { verifier, at } = authorizationRequest(made.staff.url, client, { state: canary("state of a client") });
      keep("code verifier", verifier);
      const person = browser();
      const consent = await person.open(at);
      const atProvider = await person.submit(consent, { button: allowButton(consent) });
      const end = await signInAtProvider(person, atProvider, "ada");
      assert.ok(end.redirectedTo, end.text);
      const code = end.redirectedTo.searchParams.get("code");
      const form = { grant_type: "authorization_code", code, code_verifier: verifier, redirect_uri: REDIRECT };
      const basic = keep("Basic header", Buffer.from(`${encodeURIComponent(client)}:${secret}`).toString("base64"));
      const tokens = await post("token", form, { authorization: `Basic ${basic}` });
      assert.equal(tokens.status, 200, JSON.stringify(tokens));
      keep("access token", tokens.access_token);
      keep("refresh token", tokens.refresh_token);
      return { tokens, basic, form };
    }

    test("people sign in, call, refresh and revoke, with clients of each kind", async () => {
      const answer = await fetch(`${made.staff.url}/oauth2/register`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ redirect_uris: [REDIRECT], token_endpoint_auth_method: "client_secret_basic" }),
      });
      const registered = await answer.json();
      keep("sealed client id", registered.client_id);
      keep("secret of a registered client", registered.client_secret);
      const gateways = `gateways/${made.staff.id}/preregistered-clients`;
      const beforehand = await create(gateways, {
        name: "App",
        redirect_uris: [REDIRECT],
        token_endpoint_auth_method: "client_secret_basic",
      });
      keep("secret of a pre-registered client", beforehand.client_secret);
      const clients = [
        [registered.client_id, registered.client_secret],
        [beforehand.id, beforehand.client_secret],
      ];
      for (const [client, secret] of clients) {
        const { tokens, basic, form } = await signIn(client, secret);
        assert.equal(await call(made.staff.url, tokens.access_token), 200);
        keep("assertion", upstream.seen.headers["gatewright-assertion"]);
        assert.equal(upstream.seen.headers["x-api-key"].length > 20, true, "the secret went where it belongs");
        assert.equal(await call(made.staff.url, tokens.access_token, { name: "dead_small" }), 200);
        const authorization = `Basic ${basic}`;
        const next = await post("token", { grant_type: "refresh_token", refresh_token: tokens.refresh_token }, { authorization });
        assert.equal(next.status, 200);
        keep("access token", next.access_token);
        keep("refresh token", next.refresh_token);
        assert.equal((await post("token", form, { authorization })).error, "invalid_grant", "the code is used up");
        assert.equal((await post("revoke", { token: next.refresh_token }, { authorization })).status, 200);
        assert.equal(await call(made.staff.url, next.access_token), 401);
      }
    });

    test("an administrator sets up, signs in, invites, and mistypes a password", async () => {
      const setup = await browser().open(gateway.log().match(/http\S+\/account\/setup\/\S+/)[0]);
      const person = browser();
      const page = await person.open(setup.url);
      const values = { email: "ada@example.com", name: "Ada", password: PASSWORD, project: "Acme" };
      keep("password", PASSWORD);
      assert.equal((await person.submit(page, { values })).status, 200);
      const wrong = { email: "ada@example.com", password: canary("mistyped password") };
      const again = browser();
      assert.notEqual((await again.submit(await again.open(`${gateway.url}/sign-in`), { values: wrong })).status, 200);
      await again.submit(await again.open(`${gateway.url}/sign-in`), { values: { ...wrong, password: PASSWORD } });
      const { link } = await create("invitations", { email: "grace@example.com", role: "viewer" });
      keep("invitation", link.split("/").at(-1));
      assert.equal((await browser().open(link)).status, 200);
    });

    test("keys are created, rotated and refused, and secrets are sent where they do not belong", async () => {
      const key = await create("api-keys", { name: "agents", role: "gateway" });
      keep("gateway key", key.key);
      const user = { headers: { "gatewright-user-id": "ada" } };
      assert.equal(await call(made.agents.url, key.key, user), 200);
      const rotated = await create(`api-keys/${key.id}/rotate`, { overlap_seconds: 0 });
      keep("rotated key", rotated.key);
      assert.equal(await call(made.agents.url, key.key, user), 401);
      assert.equal(await call(made.agents.url, canary("no key"), user), 401);
      assert.equal(await call(made.staff.url, "none", { query: `?access_token=${canary("token in a query")}` }), 401);
      await assert.rejects(create("secrets", { name: canary("value as a name").toUpperCase(), value: [canary("value in a list")] }), /422/);
      await assert.rejects(create("servers", { slug: "x", url: `https://user:${canary("password in a URL")}@example.com/` }), /422/);
      await assert.rejects(create("user-sources", { name: "Broken", issuer: `${provider.issuer}/nowhere`, client_id: "x", client_secret: canary("refused client secret") }), /422/);
      await assert.rejects(gateway.api("GET", "/projects", undefined, `gwk_${canary("made-up key")}`), /401/);
      await post("token", { client_id: "nobody", client_assertion: canary("assertion"), client_secret: canary("two secrets") });
      await fetch(`${gateway.url}/metrics`, { headers: { authorization: `Bearer ${canary("wrong metrics token")}` } });
    });

    test("a rotated client secret that the provider does not know is tried and reported, and not shown", async () => {
      await gateway.api("PATCH", `${gateway.project}/user-sources/${made.source.id}`, { client_secret: canary("rotated client secret") });
      const client = await create(`gateways/${made.staff.id}/preregistered-clients`, {
        name: "Again",
        redirect_uris: [REDIRECT],
        token_endpoint_auth_method: "client_secret_basic",
      });
      await signIn(client.id, keep("secret of a pre-registered client", client.client_secret));
    });

    test("and no line of the log has any of it", async () => {
      // Refusals are written a moment after the response.
      await gateway.said(/\/metrics/);
      const log = gateway.errors();
      assert.match(log, LOGS[store] === "json" ? /"level":"TRACE"/i : /TRACE/, "the log is at its most verbose level");
      assert.match(log, /request/);
      const names = [...secrets.keys()].map((name) => name.replace(/ \d+$/, ""));
      for (const name of ["id_token of the provider", "code_verifier at the provider", "assertion", "refresh token", "cookie"]) {
        assert.ok(names.includes(name), `no ${name} was seen`);
      }
      const found = [];
      for (const [name, value] of secrets) {
        const forms = [value, encodeURIComponent(value), Buffer.from(value).toString("base64").replace(/=+$/, "").slice(0, -2)];
        const hit = forms.find((form) => log.includes(form));
        if (hit) found.push(`${name}: ${log.split("\n").find((line) => line.includes(hit)).slice(0, 400)}`);
      }
      assert.deepEqual(found, []);
      const sealed = log.split("\n").find((line) => SEALED.test(line));
      assert.equal(sealed, undefined, "a sealed value is in the log");
    });
  });
}
