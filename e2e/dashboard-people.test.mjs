// The users of gateways, as their administrator sees them, in a real Chromium and with real sign-ins: found, blocked
// and unblocked; a failed sign-in, found by the reference that its page showed.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { signedIn } from "./lib/access-token.mjs";
import { sourceFields } from "./lib/api.mjs";
import { startChromium } from "./lib/chromium.mjs";
import { browserOf } from "./lib/code.mjs";
import { firstPerson, look } from "./lib/dashboard.mjs";
import { authorizationRequest, register } from "./lib/flow.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { toolCall } from "./lib/mcp.mjs";
import { startProvider, signInAtProvider } from "./lib/provider.mjs";
import { allowButton } from "./lib/sign-in.mjs";
import { startRmcp } from "./lib/upstreams.mjs";


/** The status of a tool call with a token. */
async function call(url, token) {
  const answer = await fetch(url, toolCall({ bearer: token, name: "whoami" }));
  await answer.text();
  return answer.status;
}

/** A sign-in that ends on one of our pages; the reference on it. */
async function failedSignIn(url) {
  const browser = browserOf();
  const consent = await browser.open(authorizationRequest(url, await register(url)).at);
  const atProvider = await browser.submit(consent, { button: allowButton(consent) });
  const end = await signInAtProvider(browser, atProvider, "grace");
  assert.equal(end.status, 400, end.text);
  return end.text.match(/<code>([0-9A-Z]{4}-[0-9A-Z]{4})<\/code>/)[1];
}

for (const javaScriptEnabled of [true, false]) {
  describe(`people in the dashboard ${javaScriptEnabled ? "with" : "without"} script`, () => {
    let chromium, gateway, provider, rmcp, ada, url, broken, source;

    /** Calls the API with the page's session. */
    async function create(kind, body) {
      const { cookies } = await ada.context.storageState();
      const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
      const answer = await fetch(`${gateway.url}/api/v1${ada.project}/${kind}`, {
        method: "POST",
        headers: { "content-type": "application/json", "sec-fetch-site": "same-origin", cookie },
        body: JSON.stringify(body),
      });
      assert.equal(answer.status, 201, await answer.clone().text());
      return answer.json();
    }

    const open = (path) => ada.page.goto(`${gateway.url}${ada.project}${path}`);
    const heading = (name) => ada.page.getByRole("heading", { name, level: 1 }).waitFor();
    const snap = (name) => (javaScriptEnabled ? look(ada.page, name) : undefined);
    const submit = () => (javaScriptEnabled ? undefined : ada.page.getByRole("button", { name: "Filter" }).click());

    before(async () => {
      chromium = await startChromium();
      gateway = await startGateway();
      provider = await startProvider({ redirectUri: gateway.callback });
      ada = await firstPerson(chromium, gateway, { javaScriptEnabled });
      rmcp = await startRmcp(gateway, { project: ada.project });
      source = await create("user-sources", sourceFields(provider));
      const wrong = await create("user-sources", sourceFields(provider, { name: "Staff numbers", subject_claim: "employee_id" }));
      const server = await create("servers", { slug: "rmcp", name: "Rmcp", url: rmcp.url, identity: "assertion" });
      const make = (name, id) =>
        create("gateways", { name, authentication_mode: "user_source", user_source_id: id, servers: [server.id] });
      url = (await make("Support agents", source.id)).url;
      broken = (await make("Night shift", wrong.id)).url;
    });

    after(async () => {
      for (const each of [rmcp, provider, gateway]) await each?.stop();
      await chromium?.close();
    });

    test("the overview of a project says what needs attention and what comes next", async () => {
      await open("");
      await ada.page.getByText("No one has tried to sign in yet").waitFor();
      await ada.page.getByRole("link", { name: "Connect an app to Support agents" }).last().waitFor();
      await snap("overview-quiet");
    });

    test("before anyone has signed in, the pages say how users appear", async () => {
      await open("/users");
      await ada.page.getByText("No one has signed in yet").waitFor();
      await snap("users-empty");
      await open("/sign-ins");
      await ada.page.getByText("No one has tried to sign in yet").waitFor();
      await snap("sign-ins-empty");
    });

    test("a user blocked in the dashboard is refused on the next request, and let in again afterwards", async () => {
      const { tokens } = await signedIn({ url, user: "grace", name: "Claude Code" });
      const other = await signedIn({ url, user: "ada", name: "Cursor" });
      assert.equal(await call(url, tokens.access_token), 200);
      await open("/users");
      await heading("Users");
      await ada.page.getByRole("link", { name: "Ada Lovelace" }).last().waitFor();
      await snap("users");
      if (javaScriptEnabled) await ada.page.keyboard.press("/");
      else await ada.page.getByLabel("Search").focus();
      await ada.page.keyboard.type("HOPPER");
      await submit();
      await ada.page.waitForURL(/search=HOPPER/);
      await ada.page.locator("main").getByRole("link", { name: "Ada Lovelace" }).waitFor({ state: "detached" });
      await ada.page.getByRole("link", { name: "Grace Hopper" }).click();
      await heading("Grace Hopper");
      await ada.page.locator(".card.danger").getByText("1 session at 1 gateway").waitFor();
      await ada.page.getByRole("link", { name: "Signed in" }).first().waitFor();
      await snap("user");
      await ada.page.getByRole("button", { name: "Block user" }).click();
      await ada.page.getByText("The user is blocked.").waitFor();
      assert.equal(await call(url, tokens.access_token), 401);
      assert.equal(await call(url, other.tokens.access_token), 200, "no one else is affected");
      await snap("user-blocked");
      await ada.page.getByRole("button", { name: "Unblock user" }).click();
      await ada.page.getByText("The user can sign in again.").waitFor();
      assert.equal(await call(url, tokens.access_token), 401, "what ended stays ended");
      const again = await signedIn({ url, user: "grace", name: "Claude Code" });
      assert.equal(await call(url, again.tokens.access_token), 200);
    });

    test("one session is ended and the other continues", async () => {
      const first = await signedIn({ url, user: "grace", name: "Night batch" });
      const second = await signedIn({ url, user: "grace", name: "Visual Studio Code" });
      await ada.page.reload();
      const row = ada.page.getByRole("row", { name: /Night batch/ }).first();
      await row.getByText("End…").click();
      await snap("user-question");
      await row.getByRole("button", { name: "End session" }).click();
      await ada.page.getByText("The session has ended.").waitFor();
      assert.equal(await call(url, first.tokens.access_token), 401);
      assert.equal(await call(url, second.tokens.access_token), 200);
      await ada.page.getByText("End all…").click();
      await ada.page.getByRole("button", { name: "End all sessions" }).click();
      await ada.page.getByText("No app is signed in for this person.").waitFor();
      assert.equal(await call(url, second.tokens.access_token), 401);
    });

    test("a failed sign-in is found by the reference its page showed, however it is typed, with the reason", async () => {
      const reference = await failedSignIn(broken);
      await open("/sign-ins");
      await heading("Sign-ins");
      await snap("sign-ins");
      await ada.page.getByLabel("Reference").fill(` ${reference.toLowerCase().replace("-", " ")}`);
      await submit();
      await ada.page.waitForURL(/reference=/);
      await ada.page.getByRole("link", { name: "Signed in" }).first().waitFor({ state: "detached" });
      await ada.page.getByRole("row", { name: new RegExp(reference) }).getByRole("link", { name: "Failed" }).click();
      await heading("The sign-in failed");
      await ada.page.getByText(/employee_id/).first().waitFor();
      await ada.page.getByText("or choose another subject claim", { exact: false }).first().waitFor();
      await ada.page.getByText("Identified the person").waitFor();
      await ada.page.getByRole("link", { name: "Open the User Source Staff numbers" }).waitFor();
      await snap("sign-in-failed");
      await open("/sign-ins?reference=K7QM-2XW");
      await ada.page.getByText("That is not a reference").waitFor();
      await snap("sign-ins-no-reference");
    });

    test("a filter is in the URL and survives a reload", async () => {
      await open("/sign-ins");
      await ada.page.getByLabel("Result").selectOption("failed");
      await submit();
      await ada.page.waitForURL(/result=failed/);
      await ada.page.getByRole("link", { name: "Signed in" }).first().waitFor({ state: "detached" });
      await ada.page.reload();
      assert.equal(await ada.page.getByLabel("Result").inputValue(), "failed");
      if (javaScriptEnabled) assert.equal(new URL(ada.page.url()).search, "?result=failed", "unset filters are left out");
      await open(`/users?source=${source.id}`);
      assert.equal(await ada.page.getByLabel("User Source").inputValue(), source.id);
      await ada.page.getByRole("link", { name: "Grace Hopper" }).waitFor();
    });

    test("a successful sign-in shows its steps up to the first call", async () => {
      await open("/sign-ins?result=succeeded");
      await ada.page.getByRole("link", { name: "Signed in" }).last().click();
      await heading("Signed in");
      for (const step of ["The person was asked", "Checked the ID token", "The app fetched its tokens"]) {
        await ada.page.getByText(step).waitFor();
      }
      await snap("sign-in");
    });

    test("failing sign-ins are on the overview, with links to the reasons", async () => {
      for (let attempt = 0; attempt < 2; attempt += 1) await failedSignIn(broken);
      await open("");
      await ada.page.getByText("3 of the last 3 sign-ins failed").waitFor();
      await snap("overview-attention");
      await ada.page.getByRole("link", { name: "Night shift" }).first().click();
      await heading("Sign-ins");
      assert.equal(await ada.page.getByLabel("Result").inputValue(), "failed");
      await ada.page.getByText("employee_id").first().waitFor();
    });

    test("the audit log shows who blocked whom, and is exported with the same filters", async () => {
      await open("/audit");
      await ada.page.getByLabel("About").selectOption("user");
      await submit();
      await ada.page.waitForURL(/object_type=user/);
      await ada.page.getByText("User blocked").first().waitFor();
      await ada.page.getByText("User Source created").first().waitFor({ state: "detached" });
      await snap("audit-filtered");
      const waiting = ada.page.waitForEvent("download");
      await ada.page.getByRole("link", { name: "Export as JSON Lines" }).click();
      const download = await waiting;
      const lines = (await readFile(await download.path(), "utf8")).trim().split("\n");
      const actions = lines.map((line) => JSON.parse(line).action);
      assert.ok(actions.includes("user.blocked"), actions.join());
      assert.ok(actions.every((action) => action.startsWith("user.")), actions.join());
    });

    test("nothing complained on the way", () => {
      assert.deepEqual(ada.complaints, []);
    });
  });
}
