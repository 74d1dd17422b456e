// The page of connected apps: two people with two apps each, in Chromium, with script and without, on two replicas where the store
// allows them.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { signedIn } from "./lib/access-token.mjs";
import { checkAccessibility } from "./lib/accessibility.mjs";
import { sourceFields } from "./lib/api.mjs";
import { photograph, startChromium } from "./lib/chromium.mjs";
import { tokenRequest } from "./lib/code.mjs";
import { refreshing } from "./lib/flow.mjs";
import { STORES, startGateway } from "./lib/gateway.mjs";
import { toolCall } from "./lib/mcp.mjs";
import { startProvider } from "./lib/provider.mjs";
import { startStatelessServer } from "./lib/stateless-server.mjs";
import { within } from "./lib/time.mjs";

/** As long as a change may take to reach a replica. */
const SPREAD = 2_000;
const TOOL = { name: "say", inputSchema: { type: "object" } };

for (const store of STORES) {
  describe(`connected apps on ${store}`, () => {
    let gateway, provider, server, replica, chromium, looker, path;

    before(async () => {
      chromium = await startChromium();
      looker = await (await chromium.newContext()).newPage();
      gateway = await startGateway({ store });
      provider = await startProvider({ redirectUri: gateway.callback });
      server = await startStatelessServer({
        list: () => ({ tools: [TOOL], ttlMs: 60_000, cacheScope: "public" }),
        call: ({ reply }) => reply({ content: [{ type: "text", text: "said" }] }),
      });
      replica = store === "postgres" ? await gateway.replica() : { origin: gateway.url, stop: () => {} };
      const source = await gateway.create("user-sources", sourceFields(provider));
      await gateway.create("servers", { slug: "one", url: server.url });
      const made = await gateway.create("gateways", {
        name: "Acme tools",
        slug: "acme",
        authentication_mode: "user_source",
        user_source_id: source.id,
      });
      path = new URL(made.url).pathname;
      const metadata = `${replica.origin}/.well-known/oauth-authorization-server${path}`;
      await within(SPREAD, async () => (await fetch(metadata)).ok, "the other replica does not know the gateway");
    });

    after(async () => {
      await chromium?.close();
      for (const each of [server, provider, replica, gateway]) await each?.stop();
    });

    /** An app of a person, with its tokens. */
    const connect = (user, name) => signedIn({ url: gateway.url + path, user, name });

    /** The status of a call at a replica. */
    const call = async (origin, { tokens }) => {
      const answer = await fetch(`${origin}${path}`, toolCall({ bearer: tokens.access_token, name: "say", arguments: {} }));
      await answer.arrayBuffer();
      return answer.status;
    };

    /** A browser in which this person has opened the page and signed in. */
    async function opened(user, options = {}) {
      const page = await (await chromium.newContext({ reducedMotion: "reduce", ...options })).newPage();
      await page.goto(`${gateway.url}${path}/connections`);
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.locator("input[name=login]").fill(user);
      await page.locator("input[name=password]").fill("any");
      await page.locator("button[type=submit]").click();
      await page.locator("button[type=submit]").click();
      await page.waitForURL(`${gateway.url}${path}/connections`);
      return page;
    }

    /** The names of the apps that a page shows. */
    const apps = (page) => page.locator(".apps h2").allTextContents();

    async function look(page, name, javaScriptEnabled) {
      assert.equal(await page.locator("script, [onclick], [onload], img, iframe").count(), 0, name);
      if (javaScriptEnabled) {
        await photograph(page, `connections-${store}-${name}`);
        return checkAccessibility(page, name);
      }
      await looker.setContent(await page.content());
      for (const button of await looker.locator(".primary").all()) await button.waitFor();
      return checkAccessibility(looker, name);
    }

    test("each person sees their own apps, and one that is signed out can do nothing more on any replica", async () => {
      const claude = await connect("ada", "Claude");
      const cursor = await connect("ada", "Cursor");
      const other = await connect("grace", "Visual Studio Code");
      for (const app of [claude, cursor, other]) {
        for (const { origin } of [{ origin: gateway.url }, replica]) assert.equal(await call(origin, app), 200);
      }
      const ada = await opened("ada");
      assert.deepEqual(await apps(ada), ["Cursor", "Claude"]);
      assert.match(await ada.locator("main").textContent(), /You are signed in as Ada Lovelace/);
      await look(ada, "apps", true);
      const grace = await opened("grace");
      assert.deepEqual(await apps(grace), ["Visual Studio Code"]);

      // What one person's browser posts for an app of another person does nothing.
      const foreign = await ada.locator(".apps form").last().getAttribute("action");
      await grace.evaluate((action) => {
        document.querySelector(".apps form").action = action;
      }, foreign);
      await grace.getByRole("button", { name: /Sign out this app/ }).click();
      await grace.waitForURL(`${gateway.url}${path}/connections`);
      assert.equal(await call(gateway.url, claude), 200);

      await ada.getByRole("button", { name: /Sign out this app: Claude/ }).click();
      await ada.getByText("The app is signed out").waitFor();
      assert.deepEqual(await apps(ada), ["Cursor"]);
      await look(ada, "signed-out", true);
      assert.equal(await call(gateway.url, claude), 401);
      await within(SPREAD, async () => (await call(replica.origin, claude)) === 401, "the other replica still answers");
      const refused = await tokenRequest(`${replica.origin}${path}`, refreshing(claude.client.client_id, claude.tokens.refresh_token));
      assert.deepEqual([refused.status, refused.error], [400, "invalid_grant"]);
      assert.equal(await call(replica.origin, cursor), 200);
      assert.equal(await call(replica.origin, other), 200);

      const { items } = await gateway.api("GET", `${gateway.project}/audit-events?action=grant.ended`);
      assert.equal(items.length, 1);
      const [{ actor, object }] = items;
      assert.deepEqual([actor.type, actor.origin, object.name], ["user", "gateway", "Claude"]);
      const users = (await gateway.api("GET", `${gateway.project}/users`)).items;
      assert.equal(actor.id, users.find(({ subject }) => subject === "ada").id);

      // The cookie of one replica is good at the other, and closing the page ends it everywhere.
      const cookies = await ada.context().cookies();
      const cookie = cookies.filter(({ name }) => name.startsWith("gatewright-connections-")).map(({ name, value }) => `${name}=${value}`).join("; ");
      const elsewhere = async () => (await fetch(`${replica.origin}${path}/connections`, { headers: { cookie } })).text();
      assert.match(await elsewhere(), /Ada Lovelace/);
      await ada.getByRole("button", { name: "Close this page" }).click();
      await ada.getByRole("button", { name: "Sign in" }).waitFor();
      assert.match(await elsewhere(), /Sign in first/);
      for (const page of [ada, grace]) await page.context().close();
    });

    test("it works without script, and shows nothing to who has not signed in", async () => {
      await connect("grace", "Claude");
      const stranger = await (await chromium.newContext({ javaScriptEnabled: false })).newPage();
      await stranger.goto(`${gateway.url}${path}/connections`);
      await stranger.getByRole("heading", { name: "Your connected apps" }).waitFor();
      assert.deepEqual(await apps(stranger), []);
      await look(stranger, "sign-in", false);
      const page = await opened("grace", { javaScriptEnabled: false });
      const before = await apps(page);
      assert.equal(before[0], "Claude");
      await look(page, "without-script", false);
      await page.getByRole("button", { name: /Sign out this app: Claude/ }).first().click();
      await page.getByText("The app is signed out").waitFor();
      assert.equal((await apps(page)).length, before.length - 1);
      for (const each of [stranger, page]) await each.context().close();
    });
  });
}
