// A misbehaving provider, and strangers who interfere, against the real program. Each refusal checks three things: the page
// a person gets, the reason an administrator finds by the reference on it, and that nothing was stored.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { auth } from "@modelcontextprotocol/client";
import { sourceFields } from "./lib/api.mjs";
import { Browser } from "./lib/browser.mjs";
import { memoryProvider } from "./lib/client.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { keyedWith, newKey, signed, startHostileProvider } from "./lib/hostile-provider.mjs";
import { allowButton } from "./lib/sign-in.mjs";
import { within } from "./lib/time.mjs";

const REDIRECT = "http://127.0.0.1:1/callback";

const stranger = newKey("stranger");
const now = () => Math.floor(Date.now() / 1000);

/** Claims of the ID token, and the reason why it is refused. */
const CLAIMS = {
  "no nonce": [{ nonce: undefined }, /nonce/],
  "the nonce of another sign-in": [{ nonce: "another" }, /nonce/],
  "no issuer": [{ iss: undefined }, /`iss`|issuer/],
  "the issuer of another provider": [{ iss: "https://evil.example.com" }, /issuer/],
  "another audience": [{ aud: "another" }, /`aud`/],
  "another authorized party": [{ azp: "another" }, /`azp`/],
  "no expiry": [{ exp: undefined }, /`exp`/],
  "an expiry that is a text": [{ exp: "tomorrow" }, /`exp`/],
  "an expiry ten minutes ago": [{ exp: now() - 600 }, /expired|seconds/],
  "no time of issue": [{ iat: undefined }, /`iat`/],
  "a time of issue that is a text": [{ iat: "now" }, /`iat`/],
  "a clock ten minutes ahead": [{ iat: now() + 630 }, /future|ahead|seconds/],
  "a clock more than an hour behind": [{ iat: now() - 3_700 }, /seconds/],
  "the hash of another access token": [{ at_hash: "AAAAAAAAAAAAAAAAAAAAAA" }, /at_hash/],
  "no subject": [{ sub: undefined }, /`sub`/],
  "a subject that is null": [{ sub: null }, /`sub`/],
  "a subject that is a list": [{ sub: ["alice"] }, /`sub`/],
  "a subject that is an object": [{ sub: { id: "alice" } }, /`sub`/],
  "an empty subject": [{ sub: "" }, /`sub`/],
  "an endless subject": [{ sub: "a".repeat(256) }, /`sub`/],
  "a subject with a NUL": [{ sub: "ali\0ce" }, /`sub`/],
};

/** How the ID token is signed, and the reason why it is refused. */
const TOKENS = {
  "without a signature": [(header, claims) => signed({ ...header, alg: "none" }, claims, stranger).replace(/[^.]*$/, ""), /`?none`?/],
  "keyed with the public key as a shared secret": [
    (header, claims, provider) => keyedWith(provider.script.keys[0].x, { ...header, alg: "HS256" }, claims),
    /HS256/,
  ],
  "signed with a key it brings along": [
    (header, claims, provider) =>
      signed({ ...header, jwk: stranger.jwk, jku: `${provider.issuer}/strangers-keys`, x5u: `${provider.issuer}/strangers-keys` }, claims, stranger),
    /signature/,
  ],
  "signed with a key that is not published": [
    (header, claims) => signed({ ...header, kid: "stranger" }, claims, stranger),
    /stranger/,
  ],
  "with an unknown extension": [
    (header, claims, provider) => signed({ ...header, crit: ["b64"], b64: true }, claims, provider.script.key),
    /crit/,
  ],
  "that is an access token": [(header, claims, provider) => signed({ ...header, typ: "at+jwt" }, claims, provider.script.key), /at\+jwt/],
  "that is none": [() => "not.a.token", /ID token/],
};

/** Parameters of the provider's redirect, and the reason why it is refused. */
const REDIRECTS = {
  "with the issuer of another provider": [{ iss: "https://evil.example.com" }, /`iss` of the callback/],
  "with its issuer in other letters": [(provider) => ({ iss: `${provider.issuer}/` }), /slash/],
  "without state": [{ state: undefined }, /no `state`/],
  "with a forged state": [{ state: "forged" }, /no cookie of this sign-in/, { status: 403 }],
  "with code and error": [{ error: "server_error" }, /both/],
  "with a non-standard error": [{ code: undefined, error: "<script>alert(1)</script>" }, /answered with the error/],
};

describe("a provider that misbehaves", () => {
  let gateway, provider, neighbour, authorizationUrl, neighboursUrl;

  before(async () => {
    gateway = await startGateway();
    provider = await startHostileProvider();
    neighbour = await startHostileProvider();
    authorizationUrl = await gatewayFor(provider, "hostile");
    neighboursUrl = await gatewayFor(neighbour, "neighbour");
  });

  after(async () => {
    for (const each of [provider, neighbour, gateway]) await each?.stop();
  });

  afterEach(() => provider.behave());

  const users = async () => (await gateway.api("GET", `${gateway.project}/users`)).items;

  /** A gateway whose users sign in there; returns where a client sends them. */
  async function gatewayFor({ issuer }, slug, fields = {}) {
    const registered = { client_id: "client-1", client_secret: "secret" };
    const source = await gateway.create("user-sources", sourceFields({ issuer, client: registered }, { name: slug, ...fields }));
    const made = await gateway.create("gateways", { name: slug, slug, authentication_mode: "user_source", user_source_id: source.id });
    const client = memoryProvider({ redirectUrl: REDIRECT, name: "End-to-end" });
    await auth(client, { serverUrl: made.url });
    return client.kept.authorizationUrl;
  }

  /** A person allows the client, and the provider sends them back; returns the last page, or where the client was reached. */
  async function signIn(url = authorizationUrl, browser = new Browser({ stopAt: isClient })) {
    const consent = await browser.open(url);
    return browser.submit(consent, { button: allowButton(consent) });
  }

  const isClient = (at) => at.href.startsWith(REDIRECT);

  /** Checks that a page refuses, that its reference leads to the reason, and that no user was created. */
  async function assertRefused(page, reason, { status = 400 } = {}) {
    assert.equal(page.status, status, page.redirectedTo ? `let in: ${page.redirectedTo}` : page.text);
    assert.equal(page.headers.get("location"), null);
    assert.ok(!page.text.includes("<script"), page.text);
    const [, reference] = page.text.match(/<code>([\w-]+)<\/code>/) ?? assert.fail(page.text);
    await gateway.said(new RegExp(`a sign-in failed.*"?${reference}.*${reason.source}`));
    assert.deepEqual(await users(), []);
  }

  for (const [what, [claims, reason]] of Object.entries(CLAIMS)) {
    test(`an ID token with ${what}`, async () => {
      provider.script.claims = claims;
      await assertRefused(await signIn(), reason);
    });
  }

  for (const [what, [make, reason]] of Object.entries(TOKENS)) {
    test(`an ID token ${what}`, async () => {
      provider.script.token = (header, claims) => make(header, claims, provider);
      await assertRefused(await signIn(), reason);
      assert.ok(!provider.asked.includes("strangers-keys"), "no key is fetched from a URL in the token");
    });
  }

  for (const [what, [parameters, reason, expected]] of Object.entries(REDIRECTS)) {
    test(`a redirect ${what}`, async () => {
      provider.script.back = parameters instanceof Function ? parameters(provider) : parameters;
      await assertRefused(await signIn(), reason, expected);
      assert.ok(!provider.asked.includes("token"), "no code is redeemed");
    });
  }

  for (const fault of ["error", "html", "truncated"]) {
    for (const endpoint of ["token", "jwks"]) {
      test(`${endpoint}: ${fault}`, async () => {
        // An unknown key makes the gateway fetch the keys.
        if (endpoint === "jwks") provider.script.key = newKey("new");
        provider.script.faults[endpoint] = fault;
        await assertRefused(await signIn(), /provider/);
      });
    }
  }

  test("another browser comes back", async () => {
    const victim = new Browser({ stopAt: (at) => at.pathname === "/oauth2/intermediate_callback" });
    const { redirectedTo } = await signIn(authorizationUrl, victim);
    const page = await new Browser({ stopAt: isClient }).open(redirectedTo);
    await assertRefused(page, /no cookie of this sign-in/, { status: 403 });
    assert.ok(!provider.asked.includes("token"), "no code is redeemed");
  });

  for (const endpoint of ["javascript:alert(1)", "data:text/html,x", "http://evil.example.com/authorize", "//evil.example.com"]) {
    test(`discovery sends people to ${endpoint}`, async () => {
      const other = await startHostileProvider();
      other.script.discovery = { authorization_endpoint: endpoint };
      const slug = `discovery-${endpoint.replaceAll(/\W/g, "").slice(0, 12).toLowerCase()}`;
      await assert.rejects(gatewayFor(other, slug), /authorization_endpoint/);
      const url = await gatewayFor(other, slug, { skip_validation: true });
      const browser = new Browser({ stopAt: () => false });
      const page = await signIn(url, browser);
      assert.ok(page.status >= 400, page.text);
      assert.ok(browser.visited.every((visit) => visit.url.startsWith(gateway.url)), JSON.stringify(browser.visited));
      assert.deepEqual(await users(), []);
      other.stop();
    });
  }

  test("the token endpoint hangs: a page in time, and no one else waits", async () => {
    provider.script.faults.token = "hang";
    const began = Date.now();
    const waiting = signIn();
    await within(10_000, () => provider.asked.includes("token"), "it was not asked for tokens");
    const others = await Promise.all(Array.from({ length: 10 }, () => signIn(neighboursUrl)));
    assert.ok(others.every((page) => page.redirectedTo?.searchParams.get("code")));
    assert.ok(Date.now() - began < 5_000, "others were as fast as before");
    const { id } = (await users())[0];
    await gateway.api("DELETE", `${gateway.project}/users/${id}`);
    await assertRefused(await waiting, /token/);
    assert.ok(Date.now() - began < 10_000, "a page within ten seconds");
  });

  test("correct behaviour, a clock that is a minute off, and new keys: people can sign in", async () => {
    for (const claims of [{}, { iat: now() + 60 }, { iat: now() - 60, exp: now() - 50 }]) {
      provider.behave();
      provider.script.claims = claims;
      const { redirectedTo } = await signIn();
      assert.ok(redirectedTo?.searchParams.get("code"), `${redirectedTo}`);
    }
    assert.deepEqual((await users()).map((user) => user.subject), ["alice"]);
  });
});
