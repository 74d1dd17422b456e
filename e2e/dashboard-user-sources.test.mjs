// The complete life of a User Source in the dashboard, in a real Chromium, against a certified provider: with and without script.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { checkAccessibility } from "./lib/accessibility.mjs";
import { startChromium } from "./lib/chromium.mjs";
import { firstPerson, look, person } from "./lib/dashboard.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { startProvider } from "./lib/provider.mjs";

const CLAIMS = {
  conformIdTokenClaims: false,
  claims: { openid: ["sub", "groups", "employee_id"], profile: ["name", "preferred_username"], email: ["email", "email_verified"] },
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({
      sub,
      name: "Ada Lovelace",
      preferred_username: "ada",
      email: "ada@example.com",
      email_verified: true,
      employee_id: 1815,
      groups: ["engines", "weaving", "a group whose name is so long that it has to be broken somewhere"],
    }),
  }),
};

for (const javaScriptEnabled of [true, false]) {
  describe(`User Sources ${javaScriptEnabled ? "with" : "without"} script`, () => {
    let chromium, gateway, provider, ada, page, project, source, key;

    before(async () => {
      chromium = await startChromium();
      gateway = await startGateway();
      provider = await startProvider({ redirectUri: gateway.callback, configure: CLAIMS });
      ada = await firstPerson(chromium, gateway, { javaScriptEnabled });
      ({ page, project } = ada);
    });

    after(async () => {
      await provider?.stop();
      await gateway?.stop();
      await chromium?.close();
    });

    /** axe and screenshots need a script in the page. */
    const seen = async (name) => javaScriptEnabled && (await look(page, `sources-${name}`));
    const api = (method, path, body) => gateway.api(method, `${project}${path}`, body, key);

    /** Signs in on the provider's pages, without a session there yet. */
    async function signInThere(at) {
      await at.getByRole("button", { name: /go on to sign in/i }).click();
      const login = at.locator("input[name=login]");
      await Promise.race([login.waitFor(), at.waitForURL((url) => url.pathname.includes("/test-sign-ins/"))]);
      if (await login.isVisible()) {
        await login.fill("ada");
        await at.locator("input[name=password]").fill("any");
        await at.locator("button[type=submit]").click();
        await at.locator("button[type=submit]").click();
      }
      await at.waitForURL((url) => url.origin === gateway.url && !url.pathname.startsWith("/oauth2/test-sign-in"));
    }

    test("an empty project guides to the choice of a provider", async () => {
      await page.getByRole("link", { name: "API keys" }).first().click();
      await page.getByLabel("Name", { exact: true }).fill("Tests");
      await page.getByRole("radio", { name: /^Admin/ }).check();
      await page.getByRole("button", { name: "Create key" }).click();
      key = await page.locator("#api-key").innerText();
      await page.getByRole("link", { name: "User Sources" }).first().click();
      assert.equal(await page.locator("#callback-url").innerText(), gateway.callback);
      await seen("empty");
      await page.getByRole("link", { name: "Create User Source" }).click();
      await page.getByText("Which provider do your users sign in with?").waitFor();
      await seen("presets");
      for (const name of ["Microsoft Entra ID", "Okta", "Auth0", "Clerk", "Stytch", "Google", "Keycloak"]) {
        assert.equal(await page.getByRole("link", { name }).count(), 1, name);
      }
      await page.getByRole("link", { name: "Keycloak" }).click();
      await page.getByText("Turn on client authentication").waitFor();
      await seen("new");
    });

    test("an issuer with an extra slash is reported at its field", async () => {
      await page.getByLabel("Name", { exact: true }).fill("Company sign-in");
      await page.getByLabel("Issuer").fill(`${provider.issuer}/`);
      if (javaScriptEnabled) {
        await page.getByText("has no slash at the end").waitFor();
        await seen("new-checking-wrong");
        await page.getByLabel("Issuer").fill(provider.issuer);
        await page.getByText("The provider answers with exactly this issuer.").waitFor();
        await seen("new-checking-right");
        await page.getByLabel("Issuer").fill(`${provider.issuer}/`);
      }
      await page.getByLabel("Client ID").fill(provider.client.client_id);
      await page.getByLabel("Client secret").fill(provider.client.client_secret);
      await page.getByRole("button", { name: "Create", exact: true }).click();
      await page.locator("#issuer-error").waitFor();
      assert.match(await page.locator("#issuer-error").innerText(), /no slash at the end/);
      assert.equal(await page.getByLabel("Issuer").inputValue(), `${provider.issuer}/`);
      assert.equal(await page.getByLabel("Client ID").inputValue(), provider.client.client_id);
      assert.equal(await page.getByLabel("Client secret").inputValue(), "", "no page contains a secret");
      await seen("new-refused");
    });

    test("the right one is saved and shown", async () => {
      await page.getByLabel("Issuer").fill(provider.issuer);
      await page.getByLabel("Client secret").fill(provider.client.client_secret);
      await page.getByRole("button", { name: "Create", exact: true }).click();
      await page.getByRole("heading", { name: "Company sign-in", level: 1 }).waitFor();
      source = new URL(page.url()).pathname;
      assert.equal(await page.getByText("Unverified").count(), 0);
      await seen("created");
    });

    test("a test of the connection distinguishes a right secret from a wrong one", async () => {
      await page.getByRole("button", { name: "Test connection" }).click();
      await page.getByText("The connection is tested.").waitFor();
      const row = page.locator(".checklist li", { hasText: "Client ID and secret" });
      assert.match(await row.getAttribute("class"), /good/);
      await seen("tested");
      const { client_secret: right } = provider.client;
      await api("PATCH", source.slice(project.length), { client_secret: "not the one", skip_validation: true });
      await page.getByRole("button", { name: "Test connection" }).click();
      await page.getByText("Sign-ins would fail").waitFor();
      assert.match(await row.getAttribute("class"), /bad/);
      await seen("tested-wrong");
      await page.getByRole("link", { name: "Rotate secret" }).click();
      await seen("rotate");
      await page.getByLabel("Client secret").fill(right);
      await page.getByRole("button", { name: "Save new secret" }).click();
      await page.getByText("The new client secret is saved and tried first from now on.").waitFor();
      await page.getByText("A new client secret is on trial").waitFor();
      await seen("on-trial");
    });

    test("a test sign-in comes back with the claims, and one click chooses another subject", async () => {
      await page.getByRole("button", { name: "Test sign-in" }).click();
      await signInThere(page);
      await page.getByRole("heading", { name: "The sign-in works" }).waitFor();
      assert.match(new URL(page.url()).pathname, /^\/projects\/prj_\w+\/user-sources\/src_\w+\/test-sign-ins\/tst_\w+$/);
      const row = (claim) => page.getByRole("row", { name: new RegExp(`^${claim}\\b`) });
      await row("sub").getByText("The subject claim").waitFor();
      assert.equal(await row("groups").getByRole("button").count(), 0);
      assert.equal(await row("preferred_username").getByText("Better not").count(), 1);
      await seen("claims");
      await row("employee_id").getByRole("button", { name: /^Use as subject/ }).click();
      await page.getByRole("heading", { name: "This changes who people are" }).waitFor();
      await seen("confirm");
      await page.getByRole("button", { name: "Change it" }).click();
      await page.getByText("Everyone signs in again with their next request.").waitFor();
      assert.equal((await api("GET", source.slice(project.length))).subject_claim, "employee_id");
      assert.equal((await api("GET", source.slice(project.length))).client_secret_has_fallback, false, "the sign-in was its success");
      assert.equal(await page.getByText("A new client secret is on trial").count(), 0);
    });

    test("another person who gets the link of a test sees only its report, not the dashboard", async () => {
      await page.getByRole("button", { name: "Test sign-in" }).click();
      await page.getByRole("button", { name: /go on to sign in/i }).waitFor();
      const grace = await person(chromium, { javaScriptEnabled });
      await grace.page.goto(page.url());
      await signInThere(grace.page);
      await grace.page.getByRole("heading", { name: "The sign-in works" }).waitFor();
      assert.equal(new URL(grace.page.url()).pathname, "/oauth2/intermediate_callback");
      await grace.context.close();
      await page.goto(gateway.url + source);
    });

    test("an edit keeps typed values and lists what it affects", async () => {
      await api("POST", "/gateways", {
        name: "Support agents",
        slug: "support",
        authentication_mode: "user_source",
        user_source_id: source.split("/").at(-1),
      });
      await page.getByRole("link", { name: "Edit" }).click();
      await page.getByText("1 gateway, 0 users and 0 sessions are affected").waitFor();
      assert.equal(await page.getByLabel("Client secret").inputValue(), "");
      await page.getByLabel("Name", { exact: true }).fill("Company");
      await page.getByLabel("Issuer").fill("http://127.0.0.1:1");
      await seen("edit");
      await page.getByRole("button", { name: "Save changes" }).click();
      await page.locator("#client_secret-error").waitFor();
      assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "Company");
      assert.equal(await page.getByLabel("Issuer").inputValue(), "http://127.0.0.1:1");
      await seen("edit-refused");
      await page.getByLabel("Issuer").fill(provider.issuer);
      await page.getByRole("button", { name: "Save changes" }).click();
      await page.getByRole("heading", { name: "Company", level: 1 }).waitFor();
    });

    test("in use it is neither deactivated nor deleted, and the gateway is named and linked", async () => {
      await page.getByRole("button", { name: "Deactivate" }).click();
      const alert = page.getByRole("alert");
      await alert.getByText("cannot be deactivated while 1 active gateway").waitFor();
      assert.match(await alert.getByRole("link", { name: "Support agents" }).getAttribute("href"), /\/gateways\/gw_/);
      await seen("in-use");
      await page.getByRole("link", { name: "Delete…" }).click();
      await page.getByLabel("Enter the name of the User Source to confirm").fill("Company");
      await page.getByRole("button", { name: "Delete User Source" }).click();
      await alert.getByText("cannot be deleted while 1 active gateway").waitFor();
      await alert.getByRole("link", { name: "Support agents" }).waitFor();
      await seen("delete-refused");
    });

    test("it is deleted by its name, once nothing uses it", async () => {
      const [gw] = (await api("GET", "/gateways")).items;
      await api("PATCH", `/gateways/${gw.id}`, { status: "inactive" });
      await page.goto(gateway.url + source);
      await page.getByRole("button", { name: "Deactivate" }).click();
      await page.getByText("The User Source is inactive.").waitFor();
      await page.getByRole("link", { name: "User Sources" }).first().click();
      await page.getByRole("row", { name: /Company/ }).getByText("Inactive").waitFor();
      await page.getByLabel("Status").selectOption("active");
      if (!javaScriptEnabled) await page.getByRole("button", { name: "Filter" }).click();
      await page.getByText("No such User Source").waitFor();
      await page.waitForURL(/status=active/);
      await page.goto(`${gateway.url}${source}/delete`);
      await page.getByLabel("Enter the name of the User Source to confirm").fill("company");
      await page.getByRole("button", { name: "Delete User Source" }).click();
      await page.locator("#confirm_name-error").waitFor();
      await page.getByLabel("Enter the name of the User Source to confirm").fill("Company");
      await page.getByRole("button", { name: "Delete User Source" }).click();
      await page.getByText("The User Source is deleted").waitFor();
      await assert.rejects(api("GET", source.slice(project.length)), /404/);
    });

    test("nothing of ours complained on the way", () => {
      // The provider's own pages request fonts that do not exist.
      assert.deepEqual(ada.complaints.filter((complaint) => !complaint.includes("ERR_NAME_NOT_RESOLVED")), []);
    });
  });
}

describe("User Sources by keyboard, and with a lot in the list", () => {
  let chromium, gateway, ada, page, project;

  before(async () => {
    chromium = await startChromium();
    gateway = await startGateway();
    ada = await firstPerson(chromium, gateway);
    ({ page, project } = ada);
  });

  after(async () => {
    await gateway?.stop();
    await chromium?.close();
  });

  test("a source is created without a mouse, and marked if it was not checked", async () => {
    await page.goto(`${gateway.url}${project}/user-sources/new`);
    await page.getByRole("link", { name: "Okta" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Create User Source: Okta" }).waitFor();
    await page.getByLabel("Issuer").focus();
    await page.keyboard.type("https://acme.okta.example");
    await page.keyboard.press("Tab");
    await page.keyboard.type("0oa1b2c3");
    await page.keyboard.press("Tab");
    await page.keyboard.type("not-a-real-secret");
    await page.getByLabel(/Save without checking/).focus();
    await page.keyboard.press("Space");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByText("Unverified: saved without checking").waitFor();
    await look(page, "sources-unverified");
    const path = new URL(page.url()).pathname;
    for (const [name, issuer] of [
      ["Entra staging", "https://login.microsoftonline.com/8f2c1d9e-4b7a-4c55-9d3e-0a1b2c3d4e5f/v2.0"],
      ["A source whose name is as long as a name may be, which is eighty characters here", "https://sso.example.com/realms/acme"],
    ]) {
      await page.goto(`${gateway.url}${project}/user-sources/new?preset=generic`);
      await page.getByLabel("Name", { exact: true }).fill(name);
      await page.getByLabel("Issuer").fill(issuer);
      await page.getByLabel("Client ID").fill("gatewright");
      await page.getByLabel("Client secret").fill("not-a-real-secret");
      await page.getByLabel(/Save without checking/).check();
      await page.getByRole("button", { name: "Create", exact: true }).click();
      await page.getByText("The User Source is saved.").waitFor();
    }
    await page.goto(`${gateway.url}${project}/user-sources`);
    await look(page, "sources-list");
    await page.getByLabel("Name").fill("okta");
    await page.getByText("Entra staging").waitFor({ state: "detached" });
    await page.waitForURL(/search=okta/);
    assert.equal(await page.locator(`a[href="${path}"]`).count(), 1);
    await checkAccessibility(page, "filtered list");
    assert.deepEqual(ada.complaints, []);
  });
});
