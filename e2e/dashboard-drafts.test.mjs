// From the form of a gateway to an identity provider and back, in a real Chromium, with and without script: no input is
// lost, no URL contains a secret, and pages say in advance what a button ends. Each page is checked in every look.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { signedIn } from "./lib/access-token.mjs";
import { startChromium } from "./lib/chromium.mjs";
import { firstPerson, look } from "./lib/dashboard.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { startProvider } from "./lib/provider.mjs";

for (const javaScriptEnabled of [true, false]) {
  describe(`a gateway form that waits, ${javaScriptEnabled ? "with" : "without"} script`, () => {
    let chromium, gateway, provider, ada, page, project;
    const seen = (name) => (javaScriptEnabled ? look(page, name) : undefined);

    before(async () => {
      [chromium, gateway] = await Promise.all([startChromium(), startGateway()]);
      provider = await startProvider({ redirectUri: gateway.callback, configure: { conformIdTokenClaims: false } });
      ada = await firstPerson(chromium, gateway, { javaScriptEnabled });
      ({ page, project } = ada);
    });

    after(async () => {
      for (const each of [ada?.context, chromium]) await each?.close();
      for (const each of [provider, gateway]) await each?.stop();
    });

    const api = (method, path, body) =>
      page.request
        .fetch(`${gateway.url}/api/v1${project}${path}`, {
          method,
          data: body,
          headers: { origin: gateway.url, "sec-fetch-site": "same-origin", "content-type": "application/json" },
        })
        .then(async (answer) => {
          assert.ok(answer.ok(), `${method} ${path}: ${answer.status()}`);
          return answer.status() === 204 ? undefined : answer.json();
        });

    test("comes back, with the new source chosen", async () => {
      await page.goto(`${gateway.url}${project}/gateways/new`);
      await page.getByRole("radio", { name: /^User Source/ }).check();
      await page.getByText("There is no User Source yet.").waitFor();
      await page.getByLabel("Name", { exact: true }).fill("Support & desk");
      await page.getByLabel("Last part of the URL").fill("support");
      await page.getByLabel("Instructions for the model").fill("Be kind.\nAlways.");
      await seen("draft-no-source");
      await page.getByRole("button", { name: "Connect an identity provider" }).click();
      await page.getByRole("heading", { name: "Create User Source" }).waitFor();
      await seen("draft-presets");
      await page.getByRole("link", { name: "Another provider" }).click();
      await page.getByText("with PKCE").first().waitFor();
      await page.getByLabel("Name", { exact: true }).fill("Company");
      await page.getByLabel("Issuer URL").fill(provider.issuer);
      await page.getByLabel("Client ID").fill(provider.client.client_id);
      await page.getByLabel("Client Secret").fill(provider.client.client_secret);
      await seen("draft-source");
      await page.getByRole("button", { name: "Create", exact: true }).click();
      await page.getByText("chosen for the gateway below").waitFor();
      assert.ok(!decodeURIComponent(page.url()).includes(provider.client.client_secret));
      assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "Support & desk");
      assert.equal(await page.getByLabel("Last part of the URL").inputValue(), "support");
      assert.equal(await page.getByLabel("Instructions for the model").inputValue(), "Be kind.\nAlways.");
      await seen("draft-back");
      await page.reload();
      assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "Support & desk");
      await page.getByRole("button", { name: "Create gateway" }).click();
      await page.waitForURL(/\/connect$/);
      const { items } = await api("GET", "/gateways");
      const [source] = (await api("GET", "/user-sources")).items;
      assert.deepEqual(
        items.map((made) => [made.slug, made.user_source_id]),
        [["support", source.id]],
      );
    });

    test("another client ID keeps people's identity, another claim does not, and lists distinguish them", async () => {
      await signedIn({ url: `${gateway.url}/mcp/support` });
      const [{ id }] = (await api("GET", "/user-sources")).items;
      const path = `${project}/user-sources/${id}`;
      await page.goto(`${gateway.url}${path}/edit`);
      await page.getByLabel("Client ID").fill("another");
      await page.getByRole("button", { name: "Save changes" }).click();
      await page.getByRole("heading", { name: "This ends all sessions" }).waitFor();
      await page.getByText("They stay the same users").waitFor();
      await seen("source-client-id");
      await page.goto(`${gateway.url}${path}/edit`);
      await page.getByLabel("Subject Claim").fill("email");
      await page.getByRole("button", { name: "Save changes" }).click();
      await page.getByRole("heading", { name: "This changes who people are" }).waitFor();
      await page.getByRole("button", { name: "Change it and end 1 session" }).click();
      await page.getByText("Everyone signs in again with their next request.").waitFor();
      await signedIn({ url: `${gateway.url}/mcp/support` });
      await page.goto(`${gateway.url}${project}/users`);
      const rows = page.getByRole("row").filter({ hasText: "Ada Lovelace" });
      assert.equal(await rows.count(), 2);
      assert.equal(await rows.filter({ hasText: "Former identity" }).count(), 1);
      await seen("users-former");
      await rows.filter({ hasText: "Former identity" }).getByRole("link").click();
      await page.getByText("no one can sign in as this user any longer").waitFor();
      await seen("user-former");
      await page.goto(`${gateway.url}${path}`);
      await page.getByText("User, 1 former").waitFor();
      await seen("source-counts");
    });

    test("sleeping sessions are counted before they end, and an inactive source is activated on the way", async () => {
      const [made] = (await api("GET", "/gateways")).items;
      const [source] = (await api("GET", "/user-sources")).items;
      await api("PATCH", `/gateways/${made.id}`, { status: "inactive" });
      await api("PATCH", `/user-sources/${source.id}`, { status: "inactive" });
      await page.goto(`${gateway.url}${project}/user-sources/${source.id}/delete`);
      await page.getByText("session (1 paused)").waitFor();
      await seen("source-delete-asleep");
      await page.goto(`${gateway.url}${project}/gateways/new`);
      await page.getByRole("radio", { name: /^User Source/ }).check();
      await page.getByText("No User Source is active: Company is inactive.").waitFor();
      await page.getByLabel("Name", { exact: true }).fill("Typed");
      await seen("draft-inactive");
      await page.getByRole("button", { name: "Activate Company" }).click();
      await page.getByText("The User Source is active.").waitFor();
      assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "Typed");
      assert.equal(await page.getByLabel("User Source", { exact: true }).inputValue(), source.id);
    });

    test("a gateway whose source was deleted says so and can be edited", async () => {
      const [made] = (await api("GET", "/gateways")).items;
      await api("DELETE", `/user-sources/${made.user_source_id}`);
      await page.goto(`${gateway.url}${project}/gateways/${made.id}`);
      await page.getByText("Its User Source was deleted").waitFor();
      await page.getByRole("button", { name: "Activate" }).click();
      await page.getByText("cannot be activated").first().waitFor();
      await seen("gateway-lost-source");
      // Reloaded by its URL, it is the page of the gateway.
      await page.goto(page.url());
      await page.getByRole("link", { name: "Edit" }).click();
      await page.getByLabel("Name", { exact: true }).fill("Renamed");
      await seen("gateway-lost-source-edit");
      await page.getByRole("button", { name: "Save changes" }).click();
      await page.getByRole("heading", { name: /^Renamed/ }).waitFor();
      assert.deepEqual(ada.complaints, []);
    });
  });
}
