// The life of a grant: refreshed by many at once, kept across a restart, ended everywhere; on two replicas if the
// store allows them.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { signedIn } from "./lib/access-token.mjs";
import { sourceFields } from "./lib/api.mjs";
import { tokenRequest } from "./lib/code.mjs";
import { refreshing } from "./lib/flow.mjs";
import { STORES, startGateway } from "./lib/gateway.mjs";
import { toolCall } from "./lib/mcp.mjs";
import { startProvider } from "./lib/provider.mjs";
import { within } from "./lib/time.mjs";
import { startRmcp } from "./lib/upstreams.mjs";

/** As long as a change may take to reach a replica. */
const SPREAD = 2_000;

for (const store of STORES) {
  describe(`grants on ${store}`, () => {
    let gateway, provider, rmcp, replica, path, source;

    before(async () => {
      gateway = await startGateway({ store });
      provider = await startProvider({ redirectUri: gateway.callback });
      rmcp = await startRmcp(gateway);
      // SQLite has one process; there, both names refer to it.
      replica = store === "postgres" ? await gateway.replica() : { origin: gateway.url, stop: () => {} };
      const { create } = gateway;
      source = await create("user-sources", sourceFields(provider));
      const server = await create("servers", { slug: "rmcp", name: "Rmcp", url: rmcp.url, identity: "assertion" });
      const made = await create("gateways", {
        name: "Grants",
        slug: `grants-${store}`,
        authentication_mode: "user_source",
        user_source_id: source.id,
        servers: [server.id],
      });
      path = new URL(made.url).pathname;
      const metadata = `${replica.origin}/.well-known/oauth-authorization-server${path}`;
      await within(SPREAD, async () => (await fetch(metadata)).ok, "the other replica does not know the gateway");
    });

    after(async () => {
      for (const each of [rmcp, provider, replica, gateway]) await each?.stop();
    });

    const post = (origin, token, name = "whoami") => fetch(`${origin}${path}`, toolCall({ bearer: token, name }));

    /** The status of a call, once its response was read. */
    const call = async (origin, token) => {
      const answer = await post(origin, token);
      const text = await answer.text();
      if (answer.status === 200) assert.match(text, /"result"/);
      return answer.status;
    };

    const refresh = (origin, { tokens, client }) =>
      tokenRequest(`${origin}${path}`, refreshing(client.client_id, tokens.refresh_token));

    const usersOf = async () => (await gateway.api("GET", `${gateway.project}/users`)).items;

    test("a sign-in begun on one replica is finished on the other", async () => {
      const elsewhere = (url, options) => {
        const isCallback = url.pathname === new URL(gateway.callback).pathname;
        return fetch(isCallback ? `${replica.origin}${url.pathname}${url.search}` : url, options);
      };
      const person = await signedIn({ url: gateway.url + path, fetch: elsewhere });
      assert.equal(await call(gateway.url, person.tokens.access_token), 200);
      assert.equal(await call(replica.origin, person.tokens.access_token), 200);
    });

    test("twenty refreshes at once give one successor and end nothing", async () => {
      const person = await signedIn({ url: gateway.url + path });
      const origins = Array.from({ length: 20 }, (_, index) => (index % 2 ? replica.origin : gateway.url));
      const answers = await Promise.all(origins.map((origin) => refresh(origin, person)));
      const given = answers.filter((answer) => answer.status === 200);
      // The first and ten repeats.
      assert.equal(given.length, 11);
      assert.equal(new Set(given.map((answer) => answer.refresh_token)).size, 1);
      const refused = answers.filter((answer) => answer.status !== 200);
      assert.deepEqual([...new Set(refused.map((answer) => answer.error))], ["invalid_grant"]);
      const next = await refresh(gateway.url, { ...person, tokens: given[0] });
      assert.equal(next.status, 200, JSON.stringify(next));
      assert.equal(await call(replica.origin, next.access_token), 200);
    });

    test("a grant survives a restart", async () => {
      const person = await signedIn({ url: gateway.url + path });
      await gateway.restart();
      assert.equal(await call(gateway.url, person.tokens.access_token), 200);
      assert.equal((await refresh(gateway.url, person)).status, 200);
    });

    test("what was acknowledged survives a process that is killed", async () => {
      let person = await signedIn({ url: gateway.url + path });
      for (let round = 0; round < 5; round += 1) {
        const killed = gateway.restart.bind(null, "SIGKILL");
        let restarted;
        // Refreshes one after the other until the process dies under one of them.
        for (let count = 0; ; count += 1) {
          const answer = refresh(gateway.url, person).catch(() => undefined);
          if (count === round + 1) restarted = killed();
          const tokens = await answer;
          if (tokens?.status === 200) person = { ...person, tokens };
          if (restarted) break;
        }
        await restarted;
        const tokens = await refresh(gateway.url, person);
        assert.equal(tokens.status, 200, JSON.stringify(tokens));
        person = { ...person, tokens };
        assert.equal(await call(gateway.url, tokens.access_token), 200);
      }
    });

    test("a blocked user is refused at once here and within two seconds elsewhere", async () => {
      const person = await signedIn({ url: gateway.url + path, user: "grace" });
      assert.equal(await call(replica.origin, person.tokens.access_token), 200);
      const grace = (await usersOf()).find((user) => user.subject === "grace");
      await gateway.api("PATCH", `${gateway.project}/users/${grace.id}`, { status: "blocked" });
      assert.equal(await call(gateway.url, person.tokens.access_token), 401);
      await within(SPREAD, async () => (await call(replica.origin, person.tokens.access_token)) === 401, "still let in");
      const refused = await refresh(replica.origin, person);
      assert.deepEqual([refused.status, refused.error], [400, "invalid_grant"]);
      await gateway.api("PATCH", `${gateway.project}/users/${grace.id}`, { status: "active" });
      assert.equal(await call(gateway.url, person.tokens.access_token), 401, "ended grants stay ended");
    });

    test("after a change of the subject claim people sign in again as new users", async () => {
      const person = await signedIn({ url: gateway.url + path });
      const edit = (body) => gateway.api("PATCH", `${gateway.project}/user-sources/${source.id}`, body);
      await edit({ description: "no change of identity" });
      assert.equal(await call(gateway.url, person.tokens.access_token), 200);
      await edit({ subject_claim: "email", skip_validation: true });
      const answer = await post(gateway.url, person.tokens.access_token);
      await answer.arrayBuffer();
      assert.equal(answer.status, 401);
      const challenge = answer.headers.get("www-authenticate");
      assert.match(challenge, /resource_metadata="[^"]+"/);
      assert.match(challenge, /error="invalid_token"/);
      await within(SPREAD, async () => (await call(replica.origin, person.tokens.access_token)) === 401, "still let in");
      assert.equal((await refresh(gateway.url, person)).error, "invalid_grant");
      await edit({ subject_claim: "sub" });
    });

    test("neither tokens, codes nor secrets are in the log", async () => {
      const person = await signedIn({ url: gateway.url + path });
      await call(gateway.url, person.tokens.access_token);
      const log = gateway.log();
      assert.match(log, /request/);
      for (const secret of [
        person.tokens.access_token,
        person.tokens.refresh_token,
        person.client.client_id,
        provider.client.client_secret,
        gateway.projectKey,
        "code=",
        "state=",
      ]) {
        assert.ok(!log.includes(secret), `the log contains ${secret.slice(0, 8)}…`);
      }
    });
  });
}
