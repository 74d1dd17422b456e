// Every page that a person sees during a sign-in, in a real Chromium with and without script: complete in both
// themes and on a phone, and without a fault that axe could find.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { auth } from "@modelcontextprotocol/client";
import { checkAccessibility } from "./lib/accessibility.mjs";
import { sourceFields } from "./lib/api.mjs";
import { photograph, startChromium } from "./lib/chromium.mjs";
import { memoryProvider, startCallback } from "./lib/client.mjs";
import { authorizationRequest } from "./lib/flow.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { startProvider } from "./lib/provider.mjs";

const PASSWORD = "violet harbour ninety";

for (const javaScriptEnabled of [true, false]) {
  describe(`the pages of a sign-in ${javaScriptEnabled ? "with" : "without"} script`, () => {
    let gateway, provider, chromium, urls, looker;
    const create = (...of) => gateway.create(...of);

    before(async () => {
      chromium = await startChromium();
      gateway = await startGateway();
      provider = await startProvider({ redirectUri: gateway.callback });
      const source = await create("user-sources", sourceFields(provider));
      const staff = await create("gateways", { name: "Acme tools", slug: "acme", authentication_mode: "user_source", user_source_id: source.id });
      const team = await create("gateways", { name: "Acme team", slug: "team", authentication_mode: "project_members" });
      urls = { staff: staff.url, team: team.url };
      looker = await (await chromium.newContext()).newPage();
    });

    after(async () => {
      for (const each of [provider, gateway]) await each?.stop();
      await chromium?.close();
    });

    /** Another person, or the same one in another browser. */
    const person = async () => (await chromium.newContext({ javaScriptEnabled, reducedMotion: "reduce" })).newPage();

    /**
     * Takes screenshots and looks for faults. Without script axe cannot run either, so it gets the page as it came; this
     * also checks that these pages have no script.
     */
    async function look(page, name) {
      for (const button of await page.locator(".primary").all()) await button.waitFor();
      assert.equal(await page.locator("script, [onclick], [onload], img, iframe").count(), 0, name);
      if (javaScriptEnabled) {
        await photograph(page, `sign-in-${name}`);
        return checkAccessibility(page, name);
      }
      await looker.setContent(await page.content());
      for (const button of await looker.locator(".primary").all()) await button.waitFor();
      return checkAccessibility(looker, name);
    }

    /** A registered client that sends its user to a gateway. */
    async function client(url, name) {
      const callback = await startCallback();
      const kept = memoryProvider({ redirectUrl: callback.url, name });
      await auth(kept, { serverUrl: url });
      return { callback, kept, authorize: kept.kept.authorizationUrl.href };
    }

    const heading = (page, name) => page.getByRole("heading", { name, level: 1 }).waitFor();

    test("consent, back at the client, and the page of a reload afterwards", async () => {
      const { callback, kept, authorize } = await client(urls.staff, "Visual Studio Code");
      const page = await person();
      const returns = [];
      page.on("request", (request) => request.url().startsWith(gateway.callback) && returns.push(request.url()));
      await page.goto(authorize);
      await heading(page, "Allow Visual Studio Code to use Acme tools?");
      await look(page, "consent");
      await page.getByRole("button", { name: "Allow" }).click();
      await page.locator("input[name=login]").fill("ada");
      await page.locator("input[name=password]").fill("any");
      await page.locator("button[type=submit]").click();
      await page.locator("button[type=submit]").click();
      const answer = await callback.arrived;
      await auth(kept, { serverUrl: urls.staff, authorizationCode: answer.get("code"), iss: answer.get("iss") });
      assert.ok(kept.kept.tokens.access_token);
      await page.goto(returns.at(-1));
      await heading(page, "You are signed in");
      await look(page, "done");
      const stranger = await person();
      assert.equal((await stranger.goto(returns.at(-1))).status(), 403);
      await look(stranger, "error-another-browser");
      callback.stop();
    });

    test("consent for clients that hide behind their name, or have none", async () => {
      for (const [picture, name] of [
        ["hostile", '<img src=x onerror="document.title=1">\u202Eevil' + "x".repeat(10_000)],
        ["long", "The assistant of the purchasing department of the regional office in Llanfairpwllgwyngyllgogerychwyr"],
        ["nameless", ""],
      ]) {
        const { callback, authorize } = await client(urls.staff, name);
        const page = await person();
        assert.equal((await page.goto(authorize)).status(), 200);
        assert.notEqual(await page.title(), "1");
        await look(page, `consent-${picture}`);
        callback.stop();
      }
    });

    test("consent for an app with its own URL scheme", async () => {
      const answer = await fetch(`${urls.staff}/oauth2/register`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          redirect_uris: ["cursor://anysphere.cursor-mcp/oauth/callback"],
          client_name: "Cursor",
          token_endpoint_auth_method: "none",
          logo_uri: "https://evil.example/logo.png",
        }),
      });
      const { client_id, redirect_uris } = await answer.json();
      const { at } = authorizationRequest(urls.staff, client_id, { redirect_uri: redirect_uris[0] });
      const page = await person();
      const asked = [];
      page.on("request", (request) => asked.push(request.url()));
      await page.goto(at);
      await heading(page, "Allow Cursor to use Acme tools?");
      await look(page, "consent-scheme");
      // A stranger's URLs are never loaded, especially not a logo. (Chromium requests an icon automatically.)
      assert.deepEqual(asked.filter((url) => !url.startsWith(gateway.url)), []);
    });

    test("a faulty request of an unlisted app leads back to it only after the person's click", async () => {
      const { callback, kept, authorize } = await client(urls.staff, "Careless client");
      const faulty = new URL(authorize);
      faulty.searchParams.set("response_type", "token");
      const page = await person();
      assert.equal((await page.goto(faulty.href)).status(), 400);
      await heading(page, "This request cannot be accepted");
      assert.equal(new URL(page.url()).origin, gateway.url);
      await look(page, "rejected");
      await page.getByRole("link", { name: /^Go back to 127\.0\.0\.1/ }).click();
      const answer = await callback.arrived;
      assert.equal(answer.get("error"), "unsupported_response_type");
      assert.equal(answer.get("state"), kept.kept.state);
      assert.equal(answer.get("iss"), urls.staff);
      callback.stop();
    });

    // A script of the test controls the page's time.
    if (javaScriptEnabled) test("Allow cannot be pressed or focused in the first 0.6 seconds", async () => {
      const { callback, authorize } = await client(urls.staff, "Hurried client");
      const page = await person();
      await page.goto(authorize);
      /** Stops the page's animations at this moment, and tries to reach a button. */
      const at = (milliseconds, name) =>
        page.evaluate(
          ([time, value]) => {
            const button = document.querySelector(`button[value=${value}]`);
            // Finished ones are no longer listed: restart them.
            button.style.animation = "none";
            button.getBoundingClientRect();
            button.style.animation = "";
            for (const each of document.getAnimations()) {
              each.pause();
              each.currentTime = time;
            }
            document.activeElement.blur();
            button.focus();
            const { x, y, width, height } = button.getBoundingClientRect();
            return {
              focused: document.activeElement === button,
              hit: document.elementFromPoint(x + width / 2, y + height / 2) === button,
            };
          },
          [milliseconds, name],
        );
      assert.deepEqual(await at(0, "allow"), { focused: false, hit: false });
      assert.deepEqual(await at(590, "allow"), { focused: false, hit: false });
      assert.deepEqual(await at(0, "deny"), { focused: true, hit: true });
      assert.deepEqual(await at(601, "allow"), { focused: true, hit: true });
      callback.stop();
    });

    test("each kind of error says what to do", async () => {
      const { callback, authorize } = await client(urls.staff, "Careless client");
      const elsewhere = new URL(authorize);
      elsewhere.searchParams.set("redirect_uri", "https://elsewhere.example/callback");
      const unknown = new URL(authorize);
      unknown.searchParams.set("client_id", "nobody");
      const root = `${gateway.url}/authorize?response_type=code&client_id=nobody`;
      for (const [name, status, url] of [
        ["redirect", 400, elsewhere.href],
        ["client", 400, unknown.href],
        ["gateway", 404, authorize.replace("/mcp/acme/", "/mcp/nowhere/")],
        ["root", 400, root],
        ["state", 403, `${gateway.callback}?code=c&state=forged`],
      ]) {
        const page = await person();
        assert.equal((await page.goto(url)).status(), status, name);
        await page.getByText("What to do").waitFor();
        await look(page, `error-${name}`);
      }
      callback.stop();
    });

    test("a member signs in with their account, gives consent, and another account learns whom to ask", async () => {
      const joined = async (email) => {
        const { link } = await create("invitations", { email, role: "viewer" });
        const page = await person();
        await page.goto(link);
        await page.getByLabel("Your name").fill("Ada Lovelace");
        await page.getByLabel("Choose a password").fill(PASSWORD);
        await page.getByRole("button", { name: "Create account and join" }).click();
        await page.getByText("You are a member of this project now.").waitFor();
        return page;
      };
      await joined("ada@example.com");
      const { callback, kept, authorize } = await client(urls.team, "Claude Code");
      const page = await person();
      await page.goto(authorize);
      await page.getByLabel("E-mail address").fill("ada@example.com");
      await page.getByLabel("Password").fill(PASSWORD);
      assert.equal(await page.getByText("no account yet").count(), 0, "there are accounts");
      // The sign-in page is the dashboard's own, which may load our script.
      if (javaScriptEnabled) {
        await photograph(page, "sign-in-member");
        await checkAccessibility(page, "member's sign-in");
      }
      await page.getByRole("button", { name: "Sign in", exact: true }).click();
      await heading(page, "Allow Claude Code to use Acme team?");
      await page.getByText("ada@example.com").waitFor();
      await look(page, "consent-member");
      await page.getByRole("button", { name: "Allow" }).click();
      const answer = await callback.arrived;
      await auth(kept, { serverUrl: urls.team, authorizationCode: answer.get("code"), iss: answer.get("iss") });
      assert.ok(kept.kept.tokens.access_token);
      callback.stop();

      const former = await joined("grace@example.com");
      const { items } = await gateway.api("GET", `${gateway.project}/members`);
      const grace = items.find((member) => member.email === "grace@example.com");
      await gateway.api("DELETE", `${gateway.project}/members/${grace.account_id}`);
      await former.goto(authorize);
      if (new URL(former.url()).pathname === "/sign-in") {
        await former.getByLabel("E-mail address").fill("grace@example.com");
        await former.getByLabel("Password").fill(PASSWORD);
        await former.getByRole("button", { name: "Sign in", exact: true }).click();
      }
      await former.getByText("What to do").waitFor();
      await look(former, "error-no-member");
    });
  });
}
