// Administrators, in a real Chromium: from the setup link to a second person who joins, with and without script,
// by mouse and by keyboard, on a desktop and on a phone.

import assert from "node:assert/strict";
import { join as joined } from "node:path";
import { after, before, describe, test } from "node:test";
import { checkAccessibility } from "./lib/accessibility.mjs";
import { SCREENSHOTS, startChromium } from "./lib/chromium.mjs";
import { ADA, GRACE, PASSWORD, invite, join, look, person, setUp, setupLink, signIn } from "./lib/dashboard.mjs";
import { startGateway } from "./lib/gateway.mjs";

for (const javaScriptEnabled of [true, false]) {
  describe(`administering ${javaScriptEnabled ? "with" : "without"} script`, () => {
    let chromium, gateway, ada, grace;

    before(async () => {
      chromium = await startChromium();
      gateway = await startGateway();
      ada = await person(chromium, { javaScriptEnabled });
      grace = await person(chromium, { javaScriptEnabled });
    });

    after(async () => {
      await gateway?.stop();
      await chromium?.close();
    });

    test("the setup link creates the first account, once", async () => {
      const link = setupLink(gateway);
      await setUp(ada.page, link);
      await grace.page.goto(link);
      assert.equal(new URL(grace.page.url()).pathname, "/sign-in");
    });

    test("a second person is invited, joins in another browser, and sees what is not allowed", async () => {
      const link = await invite(ada.page, GRACE, "Viewer");
      await join(grace.page, link, GRACE);
      await grace.page.getByRole("link", { name: "Members" }).first().click();
      assert.equal(await grace.page.getByText("Invite someone").count(), 0);
      await ada.page.reload();
      await ada.page.getByText(GRACE.email).first().waitFor();
    });

    test("a new role ends the session and applies from the next sign-in", async () => {
      await ada.page.goto(ada.page.url());
      await ada.page.getByLabel(`Role of ${GRACE.name}`).selectOption("owner");
      await ada.page.getByRole("button", { name: `Save role of ${GRACE.name}` }).click();
      await ada.page.getByText("The role is changed.").waitFor();
      const members = grace.page.url();
      await grace.page.reload();
      assert.equal(new URL(grace.page.url()).pathname, "/sign-in");
      await signIn(grace.page, grace.page.url(), GRACE);
      assert.equal(grace.page.url(), members, "signing in leads back to the page that was asked for");
      await grace.page.getByText("Invite someone").waitFor();
    });

    test("a mistake is shown beside its field, and typed values stay", async () => {
      await ada.page.getByLabel("E-mail address").fill(GRACE.email);
      await ada.page.getByRole("radio", { name: /^Admin/ }).check();
      await ada.page.getByRole("button", { name: "Create invitation link" }).click();
      const field = ada.page.getByLabel("E-mail address");
      await ada.page.locator("#email-error").waitFor();
      assert.equal(await field.inputValue(), GRACE.email);
      assert.equal(await field.getAttribute("aria-describedby"), "email-error");
      assert.ok(await ada.page.getByRole("radio", { name: /^Admin/ }).isChecked());
    });

    test("a key is created, shown once, and revoked after a confirmation", async () => {
      await ada.page.getByRole("link", { name: "API keys" }).first().click();
      await ada.page.getByLabel("Name", { exact: true }).fill("Build machine");
      await ada.page.getByRole("button", { name: "Create key" }).click();
      assert.match(await ada.page.locator("#api-key").innerText(), /^gwk_/);
      await ada.page.getByRole("link", { name: "API keys" }).first().click();
      assert.equal(await ada.page.locator("#api-key").count(), 0);
      const row = ada.page.getByRole("row", { name: /Build machine/ });
      await row.getByText("Revoke…").click();
      await row.getByRole("button", { name: "Revoke key" }).click();
      await ada.page.getByText("The key is revoked.").waitFor();
    });

    test("the audit log is filtered, and the URL keeps the filter", async () => {
      await ada.page.getByRole("link", { name: "Audit log" }).first().click();
      await ada.page.getByLabel("About").selectOption("invitation");
      if (!javaScriptEnabled) await ada.page.getByRole("button", { name: "Filter" }).click();
      await ada.page.waitForURL(/object_type=invitation/);
      await ada.page.getByText("Invitation created").first().waitFor();
      await ada.page.getByText("Member added").waitFor({ state: "detached" });
      await ada.page.reload();
      assert.equal(await ada.page.getByLabel("About").inputValue(), "invitation");
      assert.equal(await ada.page.getByText("Member added").count(), 0);
    });

    test("signing out ends the session, also for the page behind the back button", async () => {
      await ada.page.getByRole("button", { name: "Sign out" }).first().click();
      await ada.page.getByText("You have signed out.").waitFor();
      await ada.page.goto(`${gateway.url}/account`);
      assert.equal(new URL(ada.page.url()).pathname, "/sign-in");
    });

    test("nothing complained on the way", () => {
      assert.deepEqual([...ada.complaints, ...grace.complaints], []);
    });
  });
}

describe("how the dashboard looks and is used", () => {
  let chromium, gateway, ada, project;

  before(async () => {
    chromium = await startChromium();
    gateway = await startGateway();
    ada = await person(chromium, { permissions: ["clipboard-read", "clipboard-write"] });
  });

  after(async () => {
    await gateway?.stop();
    await chromium?.close();
  });

  test("before there is an account", async () => {
    await ada.page.goto(`${gateway.url}/sign-in`);
    await look(ada.page, "sign-in-first");
    await ada.page.goto(setupLink(gateway));
    await look(ada.page, "setup");
    await ada.page.getByLabel("Your name").fill(ADA.name);
    await ada.page.getByLabel("E-mail address").fill(ADA.email);
    await ada.page.getByLabel("Password").fill("password");
    await ada.page.getByLabel("Name of the first project").fill("Acme production");
    await ada.page.keyboard.press("Enter");
    await ada.page.locator("#password-error").waitFor();
    await look(ada.page, "setup-refused");
    await setUp(ada.page, setupLink(gateway));
    project = new URL(ada.page.url()).pathname;
  });

  test("every page of an empty project", async () => {
    for (const section of ["", "gateways", "user-sources", "servers", "members", "api-keys", "audit", "settings"]) {
      await ada.page.goto(`${gateway.url}${project}/${section}`.replace(/\/$/, ""));
      await look(ada.page, `empty-${section || "overview"}`);
    }
  });

  test("texts that are shown once and copied", async () => {
    await ada.page.goto(`${gateway.url}${project}/members`);
    const link = await invite(ada.page, GRACE, "Admin");
    await ada.page.getByRole("button", { name: "Copy link" }).click();
    await ada.page.getByText("Copied").waitFor();
    assert.equal(await ada.page.evaluate("navigator.clipboard.readText()"), link);
    await look(ada.page, "invitation-made");
    const grace = await person(chromium);
    await grace.page.goto(link);
    await look(grace.page, "invitation");
    await join(grace.page, link, GRACE);
    await grace.page.goto(link);
    await look(grace.page, "dead-link");
    await grace.context.close();
    await ada.page.goto(`${gateway.url}${project}/api-keys`);
    await ada.page.getByLabel("Name", { exact: true }).fill("Terraform");
    await ada.page.getByRole("radio", { name: /^Admin/ }).check();
    await ada.page.getByRole("button", { name: "Create key" }).click();
    await look(ada.page, "key-made");
  });

  test("every page of a project with something in it", async () => {
    const key = await ada.page.locator("#api-key").innerText();
    const create = (kind, body) => gateway.api("POST", `${project}/${kind}`, body, key);
    await create("servers", { slug: "tickets", name: "Tickets", url: "https://tickets.example.com/mcp", identity: "assertion" });
    const source = await create("user-sources", {
      name: "Okta production",
      issuer: "https://acme.okta.example",
      client_id: "gatewright",
      client_secret: "not-a-real-secret",
      skip_validation: true,
    });
    await create("gateways", {
      name: "Support agents",
      slug: "support",
      authentication_mode: "user_source",
      user_source_id: source.id,
    });
    await create("gateways", { name: "Night batch", slug: "batch", authentication_mode: "headers", status: "inactive" });
    for (const section of ["", "gateways", "user-sources", "servers", "members", "api-keys", "audit", "settings"]) {
      await ada.page.goto(`${gateway.url}${project}/${section}`.replace(/\/$/, ""));
      await look(ada.page, section || "overview");
    }
    for (const path of ["account", "projects", "nothing-here"]) {
      await ada.page.goto(`${gateway.url}/${path}`);
      await look(ada.page, path);
    }
  });

  test("what opens on demand: menus, confirmations, differences", async () => {
    await ada.page.goto(`${gateway.url}${project}/members`);
    await ada.page.getByText("Remove…").click();
    await look(ada.page, "members-question");
    await ada.page.keyboard.press("Escape");
    assert.equal(await ada.page.getByRole("button", { name: "Remove member" }).isVisible(), false);
    await ada.page.locator(".sidebar .switcher summary").click();
    await look(ada.page, "switcher");
    await ada.page.goto(`${gateway.url}${project}/audit`);
    await ada.page.getByText("What changed").first().click();
    await look(ada.page, "audit-open");
  });

  test("on a phone the menu leads everywhere", async () => {
    await ada.page.setViewportSize({ width: 360, height: 740 });
    await ada.page.goto(`${gateway.url}${project}`);
    const menu = ada.page.locator(".topbar .menu > summary");
    await menu.click();
    await ada.page.screenshot({ path: joined(SCREENSHOTS, "dashboard-menu-phone.png") });
    await checkAccessibility(ada.page, "menu on a phone");
    await ada.page.locator(".topbar").getByRole("link", { name: "Members" }).click();
    await ada.page.getByRole("heading", { name: "Members", level: 1 }).waitFor();
    assert.equal(await ada.page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0);
  });

  test("by keyboard alone: skip to the content, sign out, sign in again", async () => {
    await ada.page.setViewportSize({ width: 1200, height: 860 });
    await ada.page.goto(`${gateway.url}${project}/settings`);
    await ada.page.keyboard.press("Tab");
    assert.equal(await focused(ada.page), "Skip to content");
    await ada.page.keyboard.press("Enter");
    await ada.page.keyboard.press("Tab");
    assert.equal(await ada.page.evaluate("document.activeElement.id"), "name");
    await ada.page.locator(".sidebar").getByRole("button", { name: "Sign out" }).focus();
    await ada.page.keyboard.press("Enter");
    await ada.page.getByText("You have signed out.").waitFor();
    await look(ada.page, "sign-in");
    await ada.page.getByLabel("E-mail address").focus();
    await ada.page.keyboard.type(ADA.email);
    await ada.page.keyboard.press("Tab");
    await ada.page.keyboard.type(PASSWORD);
    await ada.page.keyboard.press("Enter");
    await ada.page.getByRole("heading", { name: "Acme production", level: 1 }).waitFor();
    assert.deepEqual(ada.complaints, []);
  });

  const focused = (page) => page.evaluate("document.activeElement.textContent.trim()");
});
