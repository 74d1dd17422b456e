// User Sources against the certified provider: what saving finds, what testing reports, what guards refuse.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { sourceFields, apiHeaders } from "./lib/api.mjs";
import { STORES, startGateway } from "./lib/gateway.mjs";
import { startProvider } from "./lib/provider.mjs";

for (const store of STORES) {
  describe(`User Sources on ${store}`, () => {
    let gateway, provider, path, source;

    before(async () => {
      gateway = await startGateway({ store });
      provider = await startProvider({ redirectUri: gateway.callback });
      path = `${gateway.project}/user-sources`;
      source = await gateway.api("POST", path, sourceFields(provider));
    });

    after(async () => {
      for (const each of [provider, gateway]) await each?.stop();
    });

    const fields = (changes) => sourceFields(provider, { name: "Another", ...changes });

    /** Sends a request that has to be refused; returns the problem. */
    const refused = async (status, method, at, body) => {
      const answer = await fetch(`${gateway.url}/api/v1${at}`, {
        method,
        headers: apiHeaders(gateway.projectKey),
        body: body && JSON.stringify(body),
      });
      const text = await answer.text();
      assert.equal(answer.status, status, text);
      assert.equal(answer.headers.get("content-type"), "application/problem+json");
      assert.ok(!text.includes(provider.client.client_secret));
      return JSON.parse(text);
    };

    test("saving reports each problem at its field", async () => {
      const slash = await refused(422, "POST", path, fields({ issuer: `${provider.issuer}/` }));
      assert.equal(slash.errors[0].pointer, "/issuer");
      assert.match(slash.errors[0].detail, /slash/);
      // A provider may omit some of its scopes from its list, so an unlisted one is a warning.
      const scopes = await gateway.api("POST", path, fields({ name: "Cheese", scopes: ["openid", "cheese"] }));
      assert.match(JSON.stringify(scopes.warnings), /cheese/);
      const away = await refused(422, "POST", path, fields({ issuer: "http://127.0.0.1:9" }));
      assert.equal(away.errors[0].pointer, "/issuer");
      const unverified = await gateway.api("POST", path, fields({ issuer: "http://127.0.0.1:9", skip_validation: true }));
      assert.equal(unverified.verified_at, null);
    });

    test("testing the connection distinguishes right from wrong credentials", async () => {
      const right = await gateway.api("POST", `${path}/${source.id}/test-connection`);
      assert.equal(right.last_test.credentials.verdict, "right");
      const other = await gateway.api("POST", path, fields({ name: "Mistyped", client_secret: "not the one" }));
      const wrong = await gateway.api("POST", `${path}/${other.id}/test-connection`);
      assert.equal(wrong.last_test.credentials.verdict, "wrong");
      assert.deepEqual((await gateway.api("GET", `${path}/${other.id}`)).last_test, wrong.last_test);
    });

    test("a secret is never sent to an origin it was not entered for", async () => {
      const elsewhere = { issuer: "http://127.0.0.1:9", skip_validation: true };
      const problem = await refused(422, "PATCH", `${path}/${source.id}`, elsewhere);
      assert.equal(problem.errors[0].pointer, "/client_secret");
      assert.equal((await gateway.api("GET", `${path}/${source.id}`)).issuer, provider.issuer);
    });

    test("a source in use is neither deactivated nor deleted, and the refusal names the gateways", async () => {
      const made = await gateway.api("POST", `${gateway.project}/gateways`, {
        name: "In the way",
        authentication_mode: "user_source",
        user_source_id: source.id,
      });
      for (const [method, body] of [["PATCH", { status: "inactive" }], ["DELETE", undefined]]) {
        const problem = await refused(409, method, `${path}/${source.id}`, body);
        assert.deepEqual(problem.active_gateways, [{ id: made.id, name: "In the way" }]);
      }
      await gateway.api("PATCH", `${gateway.project}/gateways/${made.id}`, { status: "inactive" });
      const inactive = await gateway.api("PATCH", `${path}/${source.id}`, { status: "inactive" });
      assert.equal(inactive.status, "inactive");
      await refused(409, "PATCH", `${gateway.project}/gateways/${made.id}`, { status: "active" });
    });
  });
}
