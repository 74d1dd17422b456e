// A person signs in by hand, in a real Chromium: what they see, and that nothing (especially not the CSP) blocks the way back.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { auth } from "@modelcontextprotocol/client";
import { sourceFields } from "./lib/api.mjs";
import { photograph, startChromium } from "./lib/chromium.mjs";
import { memoryProvider, startCallback } from "./lib/client.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { startProvider } from "./lib/provider.mjs";

describe("signing in by hand in Chromium", () => {
  let gateway, provider, chromium, url;

  before(async () => {
    chromium = await startChromium();
    gateway = await startGateway();
    provider = await startProvider({ redirectUri: gateway.callback });
    const { create } = gateway;
    const source = await create("user-sources", sourceFields(provider));
    const made = await create("gateways", {
      name: "Acme tools",
      slug: "acme",
      authentication_mode: "user_source",
      user_source_id: source.id,
    });
    url = made.url;
  });

  after(async () => {
    for (const each of [provider, gateway]) await each?.stop();
    await chromium?.close();
  });

  /** A client that registered and is about to send its user to the gateway. */
  async function client(name) {
    const callback = await startCallback();
    const kept = memoryProvider({ redirectUrl: callback.url, name });
    await auth(kept, { serverUrl: url });
    return { callback, kept, authorize: kept.kept.authorizationUrl.href };
  }

  async function openPage() {
    const context = await chromium.newContext();
    const page = await context.newPage();
    const complaints = [];
    // Missing files of the provider's own pages are not our concern; a blocked redirect or style of our own would be.
    const isOurs = (message) => message.location().url.startsWith(gateway.url) || /content security/i.test(message.text());
    page.on("console", (message) => message.type() === "error" && isOurs(message) && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    return { context, page, complaints };
  }

  test("allow: consent, the provider, back at the client with a code that works", async () => {
    const { callback, kept, authorize } = await client("Friendly client");
    const { context, page, complaints } = await openPage();
    await page.goto(authorize);
    await assert.doesNotReject(page.getByText("Friendly client").first().waitFor());
    await photograph(page, "consent");
    await page.reload();
    await page.getByRole("button", { name: /allow/i }).click();
    await page.locator("input[name=login]").fill("ada");
    await page.locator("input[name=password]").fill("any");
    await page.locator("button[type=submit]").click();
    await page.locator("button[type=submit]").click();
    const answer = await callback.arrived;
    assert.equal(answer.get("iss"), url);
    await auth(kept, { serverUrl: url, authorizationCode: answer.get("code"), iss: answer.get("iss") });
    assert.ok(kept.kept.tokens.access_token);
    assert.deepEqual(complaints, []);
    await context.close();
    callback.stop();
  });

  test("the buttons are in view on a small laptop and on a phone, with the warning and the destination above it", async () => {
    const { authorize, callback } = await client("Visual Studio Code");
    const { context, page } = await openPage();
    await page.goto(authorize);
    for (const size of [
      { width: 1366, height: 650 },
      { width: 360, height: 740 },
    ]) {
      await page.setViewportSize(size);
      const seen = async (locator) => {
        const box = await locator.boundingBox();
        assert.ok(box.y >= 0 && box.y + box.height <= size.height, `${JSON.stringify(box)} in ${JSON.stringify(size)}`);
        return box.y + box.height;
      };
      const allow = page.getByRole("button", { name: /allow/i });
      await seen(allow);
      const { y } = await allow.boundingBox();
      assert.ok((await seen(page.getByRole("note"))) < y, "the warning is above the buttons");
      assert.ok((await seen(page.getByText("A program on this computer"))) < y, "and so is the destination");
    }
    await context.close();
    callback.stop();
  });

  test("an app without a name is described in a sentence", async () => {
    const { authorize, callback } = await client("");
    const { context, page } = await openPage();
    await page.goto(authorize);
    await page.getByRole("heading", { name: "Allow an unnamed app to use Acme tools?" }).waitFor();
    await photograph(page, "consent-nameless");
    await context.close();
    callback.stop();
  });

  test("deny: the client learns it, and no one is asked to sign in", async () => {
    const { callback, authorize } = await client("Unwanted client");
    const { context, page } = await openPage();
    await page.goto(authorize);
    await page.getByRole("button", { name: /deny|cancel/i }).click();
    const answer = await callback.arrived;
    assert.equal(answer.get("error"), "access_denied");
    assert.equal(answer.get("code"), null);
    await context.close();
    callback.stop();
  });

  test("an error page says what to do", async () => {
    const { authorize } = await client("Careless client");
    const broken = new URL(authorize);
    broken.searchParams.set("redirect_uri", "https://elsewhere.example/callback");
    const { context, page } = await openPage();
    const answer = await page.goto(broken.href);
    assert.equal(answer.status(), 400);
    await photograph(page, "error");
    await context.close();
  });

  test("a hostile client name is made harmless", async () => {
    const { authorize } = await client('<img src=x onerror="document.title=1">\u202Eevil' + "x".repeat(10_000));
    const { context, page } = await openPage();
    await page.goto(authorize);
    assert.equal(await page.locator("img").count(), 0);
    assert.notEqual(await page.title(), "1");
    await photograph(page, "consent-hostile");
    await context.close();
  });
});
