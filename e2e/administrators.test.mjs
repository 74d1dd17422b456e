// Administrators sign in at the instance's own identity provider, which is independent of every User Source.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Browser } from "./lib/browser.mjs";
import { STORES, startGateway } from "./lib/gateway.mjs";
import { signInAtProvider, startProvider } from "./lib/provider.mjs";

for (const store of STORES) {
  describe(`single sign-on for administrators on ${store}`, () => {
    let gateway, provider;
    const env = {};

    before(async () => {
      gateway = await startGateway({ store, env });
      provider = await startProvider({ redirectUri: `${gateway.url}/account/oidc/callback` });
      Object.assign(env, {
        GATEWRIGHT__ADMINISTRATORS__OIDC_ISSUER: provider.issuer,
        GATEWRIGHT__ADMINISTRATORS__OIDC_CLIENT_ID: provider.client.client_id,
        GATEWRIGHT__ADMINISTRATORS__OIDC_CLIENT_SECRET: provider.client.client_secret,
        GATEWRIGHT__ADMINISTRATORS__OIDC_LABEL: "Sign in with the company",
        GATEWRIGHT__ADMINISTRATORS__OIDC_DOMAINS: '["example.com"]',
      });
      await gateway.restart();
    });

    after(async () => {
      for (const part of [provider, gateway]) await part?.stop();
    });

    /** Follows the link of the sign-in page, as a click does; returns the page it ends on. */
    async function signIn(browser, user, next = "/account") {
      const page = await browser.open(`${gateway.url}/sign-in?next=${encodeURIComponent(next)}`);
      const link = page.text.match(/href="(\/account\/oidc[^"]*)"/)?.[1].replaceAll("&amp;", "&");
      assert.ok(link, `no link to the provider:\n${page.text}`);
      assert.match(page.text, /Sign in with the company/);
      const atProvider = await browser.request(new URL(link, gateway.url), { from: page.url });
      return signInAtProvider(browser, atProvider, user);
    }

    test("someone from an allowed domain gets an account, no project, and no user of a gateway", async () => {
      const browser = new Browser();
      const page = await signIn(browser, "ada");
      assert.equal(new URL(page.url).pathname, "/account", page.text);
      assert.match(page.text, /ada@example\.com/);
      const projects = await browser.open(`${gateway.url}/projects`);
      assert.doesNotMatch(projects.text, /Example/);
      assert.deepEqual((await gateway.api("GET", `${gateway.project}/users`)).items, []);
      const inside = await browser.open(`${gateway.url}${gateway.project}`);
      assert.equal(inside.status, 404);
    });

    test("signing in again is the same account, and an invitation opens the project to it", async () => {
      const { link } = await gateway.create("invitations", { email: "ada@example.com", role: "admin" });
      const browser = new Browser();
      const page = await signIn(browser, "ada", new URL(link).pathname);
      const joined = await browser.submit(page, { form: page.forms.find((form) => form.action.pathname === new URL(link).pathname) });
      assert.equal(joined.status, 200, joined.text);
      const { items } = await gateway.api("GET", `${gateway.project}/members`);
      assert.deepEqual(items.map((member) => member.email), ["ada@example.com"]);
    });

    test("someone whose address the provider does not vouch for gets nothing", async () => {
      const browser = new Browser();
      const page = await signIn(browser, "stranger");
      assert.equal(new URL(page.url).origin, gateway.url);
      assert.notEqual(page.status, 200, page.text);
      const account = await browser.open(`${gateway.url}/account`);
      assert.match(account.url, /\/sign-in/);
    });

    test("if it is the only way, no password is requested", async () => {
      env.GATEWRIGHT__ADMINISTRATORS__PASSWORD_SIGN_IN = "false";
      await gateway.restart();
      const page = await new Browser().open(`${gateway.url}/sign-in`);
      assert.doesNotMatch(page.text, /type="password"/);
      assert.equal(new URL((await signIn(new Browser(), "grace")).url).pathname, "/account");
    });
  });
}
