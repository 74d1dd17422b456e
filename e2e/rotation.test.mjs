// A client secret is rotated while people sign in continuously: whichever side changes first, every sign-in works.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { signedIn } from "./lib/access-token.mjs";
import { createSignInGateway } from "./lib/api.mjs";
import { continuously } from "./lib/continuous.mjs";
import { STORES, startGateway } from "./lib/gateway.mjs";
import { startProvider } from "./lib/provider.mjs";
import { within } from "./lib/time.mjs";

/** How many sign-ins have to complete between two changes. */
const SOME = 8;

for (const store of STORES) {
  describe(`rotating a client secret on ${store}`, () => {
    let gateway, replica, provider, url, path;

    before(async () => {
      gateway = await startGateway({ store });
      provider = await startProvider({ redirectUri: gateway.callback });
      // Many providers accept two secrets for a while; this one accepts those of a set.
      provider.secrets = new Set(["first"]);
      provider.provider.Client.prototype.compareClientSecret = (secret) => provider.secrets.has(secret);
      const first = { ...provider, client: { ...provider.client, client_secret: "first" } };
      const made = await createSignInGateway(gateway, first);
      path = `${gateway.project}/user-sources/${made.source.id}`;
      url = made.url;
      // SQLite has one process; there, both names refer to it. Started last, the second knows all of this from the start.
      replica = store === "postgres" ? await gateway.replica() : { origin: gateway.url, stop: () => {} };
    });

    after(async () => {
      for (const each of [provider, replica, gateway]) await each?.stop();
    });

    const typeHere = (secret) => gateway.api("PATCH", path, { client_secret: secret });

    /** Signs in; begins at one process and ends at the other, alternating. */
    const signIn = (index) => {
      const [here, there] = index % 2 ? [gateway.url, replica.origin] : [replica.origin, gateway.url];
      const isOurs = (at) => at.origin === gateway.url;
      const isCallback = (at) => at.pathname === new URL(gateway.callback).pathname;
      const elsewhere = (at, options) => {
        const origin = isCallback(at) ? there : here;
        return fetch(isOurs(at) ? `${origin}${at.pathname}${at.search}` : at, options);
      };
      // Each time another person: one who signs in thirty times a minute has to wait.
      return signedIn({ url, user: `person-${index}`, fetch: elsewhere });
    };

    /** Runs the steps with sign-ins before, between and after them; returns the failures. */
    const during = async (...steps) => {
      const people = continuously(signIn);
      await people.more(SOME);
      for (const step of steps) {
        await step();
        await people.more(SOME);
      }
      return people.stop();
    };

    const secretOf = async () => {
      const source = await gateway.api("GET", path);
      return [source.client_secret_in_use, source.client_secret_has_fallback, source.needs_attention];
    };

    test("here first, then at the provider: no sign-in fails", async () => {
      const failures = await during(
        () => typeHere("second"),
        () => (provider.secrets = new Set(["second"])),
      );
      assert.deepEqual(failures, []);
      assert.deepEqual(await secretOf(), ["current", false, false]);
    });

    test("at the provider first, which accepts both for a while, then here: no sign-in fails", async () => {
      const failures = await during(
        () => (provider.secrets = new Set(["second", "third"])),
        () => typeHere("third"),
        () => (provider.secrets = new Set(["third"])),
      );
      assert.deepEqual(failures, []);
      assert.deepEqual(await secretOf(), ["current", false, false]);
    });

    test("at both in the same moment: no sign-in fails", async () => {
      const failures = await during(async () => {
        await typeHere("fourth");
        provider.secrets = new Set(["fourth"]);
      });
      assert.deepEqual(failures, []);
      assert.deepEqual(await secretOf(), ["current", false, false]);
    });

    test("at a provider that drops the old one immediately: the cause is named until the new one is entered here", async () => {
      provider.secrets = new Set(["fifth"]);
      await assert.rejects(signIn(0), /You could not be signed in/);
      await assert.rejects(signIn(1), /You could not be signed in/);
      await gateway.said(/a sign-in failed.*the provider refused the client credentials \(HTTP 401, invalid_client\)/);
      // What the other process saw is here within two seconds.
      const failed = async () => (await gateway.api("GET", `${gateway.project}/sign-in-attempts?outcome=failed`)).items;
      let items;
      await within(5_000, async () => (items = await failed()).length >= 2, "not every failed attempt is in the trace");
      assert.equal(items.length, 2, "each failed attempt is in the trace, whichever process saw its end");
      for (const attempt of items) {
        assert.equal(attempt.failed_step, "token_request");
        assert.match(attempt.reason, /refused the client credentials/);
        assert.match(attempt.advice, /secret/);
      }
      assert.equal((await gateway.api("GET", path)).needs_attention, true);
      await typeHere("fifth");
      const failures = await during();
      assert.deepEqual(failures, []);
      assert.deepEqual(await secretOf(), ["current", false, false]);
    });
  });
}
