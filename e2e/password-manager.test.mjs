// Chromium's own password manager, with the administrator's saved login: it fills the sign-in form, but no field for another
// secret, where the password would be stored and sent to a stranger.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ADA, PASSWORD, setUp, setupLink } from "./lib/dashboard.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { Profile } from "./lib/password-manager.mjs";

describe("a password manager", () => {
  let gateway, profile, page, project, source, secret;

  before(async () => {
    gateway = await startGateway();
    profile = await Profile.create();
    const context = await profile.open();
    page = await context.newPage();
    await setUp(page, setupLink(gateway));
    project = gateway.url + new URL(page.url()).pathname;
    const create = (kind, body) =>
      page.evaluate(
        async ([path, text]) => {
          const headers = { "content-type": "application/json" };
          const answer = await fetch(path, { method: "POST", headers, body: text });
          return { ...(await answer.json()), status: answer.status };
        },
        [`/api/v1${new URL(project).pathname}/${kind}`, JSON.stringify(body)],
      );
    source = await create("user-sources", {
      name: "Company",
      issuer: "http://127.0.0.1:1",
      client_id: "gatewright",
      client_secret: "the secret of the provider",
      skip_validation: true,
    });
    secret = await create("secrets", { name: "TOKEN", value: "a token", origins: ["https://mcp.example.com"] });
    assert.deepEqual([source.status, secret.status], [201, 201], JSON.stringify([source, secret]));
    await context.clearCookies();
    await profile.close();
    profile.save({ url: `${gateway.url}/sign-in`, username: ADA.email, password: PASSWORD });
    page = await (await profile.open()).newPage();
    page.setDefaultTimeout(15_000);
  });

  after(async () => {
    await profile?.close();
    await profile?.remove();
    await gateway?.stop();
  });

  /** Waits until the manager has filled a field. A page can read the value only after a person has touched it. */
  const filled = async (selector) => {
    await page.mouse.click(5, 5);
    await page.waitForFunction((field) => document.querySelector(field).value !== "", selector);
    return page.locator(selector).inputValue();
  };

  test("fills the sign-in form", async () => {
    await page.goto(`${gateway.url}/sign-in`);
    assert.equal(await filled("#password"), PASSWORD);
    assert.equal(await page.locator("#email").inputValue(), ADA.email);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByRole("heading", { name: "Acme production", level: 1 }).waitFor();
  });

  for (const [what, path, field] of [
    ["a new source", () => "user-sources/new?preset=generic", "#client_secret"],
    ["a source that is edited", () => `user-sources/${source.id}/edit`, "#client_secret"],
    ["a client secret that is rotated", () => `user-sources/${source.id}/secret`, "#client_secret"],
    ["a new secret", () => "secrets/new", "#value"],
    ["another value of a secret", () => `secrets/${secret.id}`, "#value"],
    ["a header of a server", () => "servers/new", "#header-value-1"],
  ]) {
    test(`leaves the field for ${what} empty`, async () => {
      await page.goto(`${project}/${path()}`);
      assert.equal(await page.locator(field).count(), 1);
      // A form that it does fill, so that it has certainly run when the field is checked.
      await page.evaluate(() => {
        document.body.insertAdjacentHTML(
          "beforeend",
          `<form><input id="own-name" autocomplete="username"><input id="own-password" type="password" autocomplete="current-password"></form>`,
        );
      });
      assert.equal(await filled("#own-password"), PASSWORD);
      assert.equal(await page.locator(field).inputValue(), "");
      assert.equal(await page.locator(field).evaluate((input) => input.matches(":autofill")), false);
    });
  }
});
