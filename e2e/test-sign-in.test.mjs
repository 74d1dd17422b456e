// An administrator tries out a User Source: the click, the certified provider, and the report on the page and by API.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { checkAccessibility } from "./lib/accessibility.mjs";
import { sourceFields } from "./lib/api.mjs";
import { photograph, startChromium } from "./lib/chromium.mjs";
import { STORES, startGateway } from "./lib/gateway.mjs";
import { startProvider } from "./lib/provider.mjs";

for (const store of STORES) {
  describe(`a test sign-in on ${store}`, () => {
    let gateway, provider, chromium, path;

    before(async () => {
      chromium = await startChromium();
      gateway = await startGateway({ store });
      provider = await startProvider({
        redirectUri: gateway.callback,
        configure: {
          conformIdTokenClaims: false,
          claims: {
            openid: ["sub", "groups", "employee_id"],
            profile: ["name", "preferred_username"],
            email: ["email", "email_verified"],
          },
          findAccount: (_, sub) => ({
            accountId: sub,
            claims: () => ({
              sub,
              name: "Ada Lovelace",
              preferred_username: "ada",
              email: "ada@example.com",
              email_verified: false,
              employee_id: 1815,
              groups: ["engines", "weaving", "a group whose name is so long that it has to be broken somewhere"],
            }),
          }),
        },
      });
      path = `${gateway.project}/user-sources`;
    });

    after(async () => {
      for (const each of [provider, gateway]) await each?.stop();
      await chromium?.close();
    });

    const source = (changes) => gateway.create("user-sources", sourceFields(provider, { skip_validation: true, ...changes }));

    /** Starts a test and opens its page in a separate browser. */
    async function begin(of) {
      const tests = `${path}/${of.id}/test-sign-ins`;
      const started = await gateway.api("POST", tests);
      const context = await chromium.newContext();
      const page = await context.newPage();
      const complaints = [];
      page.on("console", (message) => /content security/i.test(message.text()) && complaints.push(message.text()));
      page.on("pageerror", (error) => complaints.push(String(error)));
      await page.goto(started.url);
      return { started, page, context, complaints, read: () => gateway.api("GET", `${tests}/${started.id}`) };
    }

    /** Clicks on our page and signs in on the provider's. */
    async function signIn(page) {
      await page.getByRole("button", { name: /go on to sign in/i }).click();
      await page.locator("input[name=login]").fill("ada");
      await page.locator("input[name=password]").fill("any");
      await page.locator("button[type=submit]").click();
      await page.locator("button[type=submit]").click();
      await page.waitForURL((url) => url.origin === gateway.url);
    }

    /** Checks that only the report was created. */
    async function nothingElse() {
      const users = await gateway.api("GET", `${gateway.project}/users`);
      assert.deepEqual(users.items, []);
    }

    test("it ends on the claims, with the subject marked", async () => {
      const made = await source({ name: "Company" });
      const { started, page, context, complaints, read } = await begin(made);
      assert.equal(started.status, "waiting");
      // It is hidden for a moment, so that a click meant for the page before does not hit it.
      await page.getByRole("button", { name: /go on to sign in/i }).waitFor();
      await photograph(page, "test-sign-in");
      await checkAccessibility(page, "test-sign-in");
      assert.equal((await read()).status, "waiting");
      await signIn(page);
      await page.getByRole("heading", { name: "The sign-in works" }).waitFor();
      await photograph(page, "test-report");
      await checkAccessibility(page, "test-report");
      const done = await read();
      assert.equal(done.status, "succeeded");
      assert.equal(done.url, undefined);
      assert.equal(done.report.subject, "ada");
      assert.equal(done.report.display_name, "Ada Lovelace");
      assert.equal(done.report.email, null);
      const fit = Object.fromEntries(done.report.claims.map((claim) => [claim.name, claim.as_subject]));
      assert.deepEqual(
        [fit.sub, fit.employee_id, fit.preferred_username, fit.groups, fit.nonce],
        ["usable", "usable", "discouraged", "unusable", "unusable"],
      );
      await page.reload();
      await page.getByRole("heading", { name: "The sign-in works" }).waitFor();
      await nothingElse();
      assert.deepEqual(complaints, []);
      assert.notEqual((await gateway.api("GET", `${path}/${made.id}`)).client_secret_confirmed_at, null);
      assert.ok(!gateway.log().includes(new URL(started.url).pathname.split("/").at(-1)), "the log has no token of a page");
      await context.close();
    });

    test("it fails with the exact reason if the secret is wrong, and works once that is fixed", async () => {
      const made = await source({ name: "Mistyped", client_secret: "not the one" });
      const { started, page, context, complaints, read } = await begin(made);
      await signIn(page);
      await page.getByRole("heading", { name: "The sign-in failed" }).waitFor();
      await photograph(page, "test-report-failed");
      await checkAccessibility(page, "test-report-failed");
      const failed = await read();
      assert.equal(failed.status, "failed");
      assert.equal(failed.report.failure.step, "token_request");
      assert.match(failed.report.failure.reason, /client credentials/);
      await gateway.api("PATCH", `${path}/${made.id}`, { client_secret: provider.client.client_secret });
      await page.goto(started.url);
      await page.getByRole("button", { name: /go on to sign in/i }).click();
      await page.waitForURL((url) => url.origin === gateway.url && url.pathname.endsWith("callback"));
      await page.getByRole("heading", { name: "The sign-in works" }).waitFor();
      assert.equal((await read()).report.subject, "ada");
      await nothingElse();
      assert.deepEqual(complaints, []);
      await context.close();
    });

    test("a missing claim fails and shows the others to choose from", async () => {
      const made = await source({ name: "Missing claim", subject_claim: "badge_number" });
      const { page, context, read } = await begin(made);
      await signIn(page);
      await page.getByText("the ID token has no claim").waitFor();
      await photograph(page, "test-report-claim");
      await checkAccessibility(page, "test-report-claim");
      const failed = await read();
      assert.equal(failed.report.subject, null);
      assert.ok(failed.report.claims.some((claim) => claim.name === "sub" && claim.as_subject === "usable"));
      await nothingElse();
      await context.close();
    });

    test("only the key that started it can read it", async () => {
      const made = await source({ name: "Private" });
      const { started, context } = await begin(made);
      const other = await gateway.api("POST", `${gateway.project}/api-keys`, { name: "colleague", role: "owner" });
      const at = `${path}/${made.id}/test-sign-ins/${started.id}`;
      await assert.rejects(gateway.api("GET", at, undefined, other.key), /404/);
      await context.close();
    });
  });
}
