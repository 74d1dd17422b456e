// The pages of the instance and of keys, in a real Chromium: accounts, key rotation, the log, with and without script;
// only administrators of the instance can open them; and how they look.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startChromium } from "./lib/chromium.mjs";
import { GRACE, PASSWORD, firstPerson, invite, join, look, person, signIn } from "./lib/dashboard.mjs";
import { startGateway } from "./lib/gateway.mjs";

for (const javaScriptEnabled of [true, false]) {
  describe(`administering the instance ${javaScriptEnabled ? "with" : "without"} script`, () => {
    let chromium, gateway, ada, grace, account;

    before(async () => {
      chromium = await startChromium();
      gateway = await startGateway();
      ada = await firstPerson(chromium, gateway, { javaScriptEnabled });
      grace = await person(chromium, { javaScriptEnabled });
      await join(grace.page, await invite(ada.page, GRACE, "Viewer"), GRACE);
    });

    after(async () => {
      await gateway?.stop();
      await chromium?.close();
    });

    test("an administrator can open it, and no one else", async () => {
      await ada.page.goto(`${gateway.url}/projects`);
      await ada.page.getByRole("link", { name: "Accounts" }).first().click();
      await ada.page.getByRole("link", { name: GRACE.name }).click();
      await ada.page.getByText("May sign in").waitFor();
      account = ada.page.url();
      for (const path of ["/instance", "/instance/keys", new URL(account).pathname]) {
        await grace.page.goto(gateway.url + path);
        await grace.page.getByText("There is nothing here").waitFor();
      }
    });

    test("an account is disabled and enabled, after a confirmation", async () => {
      await ada.page.getByText("Disable…").click();
      await ada.page.getByRole("button", { name: "Disable account" }).click();
      await ada.page.getByText("The account is disabled").waitFor();
      await grace.page.goto(`${gateway.url}/projects`);
      assert.equal(new URL(grace.page.url()).pathname, "/sign-in");
      await ada.page.getByRole("button", { name: "Enable" }).click();
      await ada.page.getByText("The account is enabled").waitFor();
      await signIn(grace.page, `${gateway.url}/sign-in`, GRACE);
      await grace.page.getByRole("heading", { level: 1 }).waitFor();
    });

    test("someone who is locked out gets a link", async () => {
      await ada.page.getByRole("button", { name: "Create link" }).click();
      const link = await ada.page.locator("#password-link").innerText();
      const found = await person(chromium, { javaScriptEnabled });
      await found.page.goto(link);
      await found.page.getByLabel(/password/i).first().fill(`${PASSWORD} more`);
      await found.page.keyboard.press("Enter");
      await found.page.waitForURL((url) => !url.pathname.startsWith("/account/reset"));
      await ada.page.goto(account);
      assert.equal(await ada.page.locator("#password-link").count(), 0);
    });

    test("a key is created and rotated, and each text is shown once", async () => {
      await ada.page.goto(`${gateway.url}/instance/keys`);
      await ada.page.getByLabel("Name", { exact: true }).fill("Terraform");
      await ada.page.getByRole("button", { name: "Create key" }).click();
      const first = await ada.page.locator("#api-key").innerText();
      const row = ada.page.getByRole("row", { name: /^Terraform/ }).first();
      await row.getByText("Rotate…").click();
      await row.getByLabel("This key keeps working").selectOption("3600");
      await row.getByRole("button", { name: "Create new key" }).click();
      await ada.page.getByText("keeps working for an hour").waitFor();
      const second = await ada.page.locator("#api-key").innerText();
      assert.match(second, /^gwk_/);
      assert.notEqual(second, first);
      for (const key of [first, second]) {
        const projects = await fetch(`${gateway.url}/api/v1/projects`, { headers: { authorization: `Bearer ${key}` } });
        assert.equal(projects.status, 200, "both work during the overlap");
      }
    });

    test("the log of the instance shows all of it", async () => {
      await ada.page.goto(`${gateway.url}/instance/audit`);
      await ada.page.getByText("Account password link made").first().waitFor();
      await ada.page.getByText("API key rotated").first().waitFor();
    });

    test("nothing complained on the way", () => {
      assert.deepEqual([...ada.complaints, ...grace.complaints], []);
    });
  });
}

describe("how the pages of the instance look", () => {
  let chromium, gateway, ada, grace;

  before(async () => {
    chromium = await startChromium();
    gateway = await startGateway();
    ada = await firstPerson(chromium, gateway);
    grace = await person(chromium);
    await join(grace.page, await invite(ada.page, GRACE, "Viewer"), GRACE);
  });

  after(async () => {
    await gateway?.stop();
    await chromium?.close();
  });

  test("every page, and each account", async () => {
    for (const path of ["/instance", "/instance/accounts", "/instance/keys", "/instance/audit", "/projects"]) {
      await ada.page.goto(gateway.url + path);
      await look(ada.page, `instance-${path.split("/").at(-1)}`);
    }
    await ada.page.goto(`${gateway.url}/instance/accounts`);
    await ada.page.getByRole("link", { name: GRACE.name }).click();
    await ada.page.getByRole("button", { name: "Create link" }).click();
    await look(ada.page, "instance-account");
    await ada.page.getByText("Disable…").click();
    await look(ada.page, "instance-account-question");
    await ada.page.goto(`${gateway.url}/instance/keys`);
    await ada.page.getByLabel("Name", { exact: true }).fill("Terraform");
    await ada.page.getByRole("button", { name: "Create key" }).click();
    await ada.page.getByText("Rotate…").last().click();
    await look(ada.page, "instance-key-rotate");
    await ada.page.goto(`${gateway.url}${ada.project}/api-keys`);
    await look(ada.page, "instance-project-keys");
  });

  test("nothing complained on the way", () => {
    assert.deepEqual(ada.complaints, []);
  });
});
