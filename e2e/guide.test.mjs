// The first steps of the guide as a newcomer takes them, in a real Chromium: from the setup link, server, source and
// gateway to a real client whose user signs in at a real provider, and to what the dashboard then shows. This also takes
// the guide's pictures.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Client, StreamableHTTPClientTransport, auth } from "@modelcontextprotocol/client";
import { checkAccessibility } from "./lib/accessibility.mjs";
import { photograph, startChromium } from "./lib/chromium.mjs";
import { memoryProvider, startCallback } from "./lib/client.mjs";
import { GRACE, PASSWORD, person, setupLink } from "./lib/dashboard.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { Camera, IN_THE_TREE } from "./lib/pictures.mjs";
import { startProvider } from "./lib/provider.mjs";
import { startRmcp } from "./lib/upstreams.mjs";

const GUIDE = join(import.meta.dirname, "../docs/guide");

describe("the first steps of the guide", () => {
  let chromium, gateway, provider, server, camera, grace, page, project, url;

  before(async () => {
    chromium = await startChromium();
    gateway = await startGateway();
    provider = await startProvider({ redirectUri: gateway.callback });
    camera = new Camera(chromium);
    grace = await person(chromium);
    page = grace.page;
    page.setDefaultTimeout(10_000);
  });

  after(async () => {
    for (const each of [server, provider, gateway]) await each?.stop();
    await chromium?.close();
  });

  const goTo = (section) => page.locator(".sidebar").getByRole("link", { name: section, exact: true }).click();
  const heading = (name) => page.getByRole("heading", { name, level: 1 }).waitFor();

  test("2. the first account, and a project that says what is next", async () => {
    await page.goto(setupLink(gateway));
    await page.getByLabel("Your name").fill(GRACE.name);
    await page.getByLabel("E-mail address").fill(GRACE.email);
    await page.getByLabel("Name of the first project").fill("Acme production");
    await camera.take(page, "setup");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Create account and project" }).click();
    await heading("Acme production");
    project = new URL(page.url()).pathname;
    await camera.take(page, "overview-empty");
  });

  test("3. a server", async () => {
    server = await startRmcp(gateway, { project });
    await goTo("Servers");
    await page.getByRole("link", { name: "Add your first server" }).click();
    await page.getByLabel("URL", { exact: true }).fill(server.url);
    await page.getByLabel("ID", { exact: true }).fill("tickets");
    await page.getByLabel("Name (optional)").fill("Tickets");
    await page.getByRole("radio", { name: /^A signed assertion/ }).check();
    await camera.take(page, "server");
    await page.getByRole("button", { name: "Add server" }).click();
    await heading("Tickets");
  });

  test("4. a User Source", async () => {
    await goTo("User Sources");
    await page.locator("main").getByRole("link", { name: "Create User Source" }).click();
    await page.getByRole("link", { name: /^Another provider/ }).click();
    await page.getByLabel("Name", { exact: true }).fill("Company sign-in");
    await page.getByLabel("Issuer URL").fill(provider.issuer);
    await page.getByLabel("Client ID").fill(provider.client.client_id);
    await page.getByLabel("Client Secret").fill(provider.client.client_secret);
    await page.getByText(gateway.callback).first().waitFor();
    await camera.take(page, "source");
    await page.getByRole("button", { name: "Create", exact: true }).click();
    await heading("Company sign-in");
  });

  test("5. a gateway", async () => {
    await goTo("Gateways");
    await page.locator("main").getByRole("link", { name: "Create gateway" }).click();
    await page.getByRole("radio", { name: /^User Source/ }).check();
    await page.getByLabel("User Source", { exact: true }).selectOption({ label: "Company sign-in" });
    await page.getByLabel("Name", { exact: true }).fill("Support desk");
    await page.getByLabel(/Last part of the URL/).fill("support");
    await camera.take(page, "gateway");
    await page.getByRole("button", { name: "Create gateway" }).click();
    await heading(/Support desk/);
  });

  test("6. what to copy into a client", async () => {
    await page.locator("main").getByRole("link", { name: "Connect", exact: true }).first().click();
    await heading("Connect Support desk");
    await camera.take(page, "connect");
    url = (await page.locator("#gateway-url").innerText()).trim();
    assert.equal(url, `${gateway.url}/mcp/support`);
  });

  /** A client that knows only the URL, and its user's browser on the consent page. */
  async function asks(name) {
    const callback = await startCallback();
    const client = memoryProvider({ redirectUrl: callback.url, name });
    await auth(client, { serverUrl: url });
    const user = await person(chromium);
    await user.page.goto(client.kept.authorizationUrl.href);
    return { callback, client, user };
  }

  async function signsIn(at) {
    await at.getByRole("button", { name: /allow/i }).click();
    await at.locator("input[name=login]").fill("ada");
    await at.locator("input[name=password]").fill("any");
    await at.locator("button[type=submit]").click();
    await at.locator("button[type=submit]").click();
  }

  test("6. a real client signs its user in at a real provider, and the server knows who calls", async () => {
    const { callback, client, user } = await asks("Claude Code");
    await user.page.getByRole("button", { name: "Allow" }).waitFor();
    await camera.take(user.page, "consent");
    await signsIn(user.page);
    const answer = await callback.arrived;
    await auth(client, { serverUrl: url, authorizationCode: answer.get("code"), iss: answer.get("iss") });
    const mcp = new Client({ name: "guide", version: "1" });
    await mcp.connect(new StreamableHTTPClientTransport(new URL(url), { authProvider: client }));
    const { content } = await mcp.callTool({ name: "whoami", arguments: {} });
    assert.match(content[0].text, /ada/i);
    await mcp.close();
    callback.stop();
    await user.context.close();
  });

  test("7. the dashboard knows the person and each step", async () => {
    await goTo("Users");
    await page.locator("main").getByRole("link", { name: "Ada Lovelace" }).click();
    await heading("Ada Lovelace");
    await settled("succeeded");
    await goTo("Sign-ins");
    await page.locator("main table").getByRole("link").first().click();
    await page.getByText("The app's first request").first().waitFor();
    await camera.take(page, "sign-in");
  });

  test("someone cannot sign in: the reference leads to the reason", async () => {
    await goTo("Users");
    await page.locator("main").getByRole("link", { name: "Ada Lovelace" }).click();
    await page.getByRole("button", { name: "Block user" }).click();
    await page.getByRole("button", { name: "Unblock user" }).waitFor();
    const { callback, user } = await asks("Claude Code");
    await signsIn(user.page);
    const reference = (await user.page.locator("body").innerText()).match(/\b[0-9A-Z]{4}-[0-9A-Z]{4}\b/)?.[0];
    assert.ok(reference, await user.page.locator("body").innerText());
    await user.context.close();
    callback.stop();
    await settled("failed");
    await goTo("Sign-ins");
    await page.getByLabel("Reference").fill(reference.toLowerCase().replace("-", ""));
    await page.getByLabel("Reference").press("Enter");
    await page.locator("main table").getByRole("link").first().click();
    await page.getByText(/blocked/i).first().waitFor();
    await camera.take(page, "sign-in-failed");
  });

  /** Waits until a sign-in with this result is written: steps are written two seconds after they happened. */
  async function settled(progress) {
    const deadline = Date.now() + 10_000;
    for (;;) {
      await page.goto(`${gateway.url}${project}/sign-ins?result=${progress}`);
      if ((await page.locator("main table tbody tr").count()) > 0) return;
      assert.ok(Date.now() < deadline, `no sign-in that ${progress}`);
    }
  }

  test("nothing complained on the way", () => {
    // htmx reports requests that were still running when their page was left as errors.
    const isLeaving = (complaint) => /^htmx:(afterRequest|sendAbort)/.test(complaint);
    assert.deepEqual(grace.complaints.filter((complaint) => !isLeaving(complaint)), []);
  });

  test("the guide shows the pictures that were taken, and no others", async () => {
    const shown = new Set();
    for (const file of await readdir(GUIDE)) {
      if (!file.endsWith(".md")) continue;
      for (const [, name] of (await readFile(join(GUIDE, file), "utf8")).matchAll(/\]\(images\/([^)]+)\)/g)) shown.add(name);
    }
    assert.deepEqual([...shown].sort(), camera.taken.toSorted());
    assert.deepEqual((await readdir(IN_THE_TREE)).sort(), camera.taken.toSorted());
  });

  test("the guide is served to everyone, and every page of it is accessible", async () => {
    const reader = await person(chromium);
    await reader.page.goto(`${gateway.url}/help`);
    const links = await reader.page.getByRole("navigation", { name: "Guide" }).getByRole("link").all();
    const paths = await Promise.all(links.map((link) => link.getAttribute("href")));
    assert.ok(paths.length > 12, paths.join(" "));
    for (const path of paths) {
      await reader.page.goto(gateway.url + path);
      await checkAccessibility(reader.page, path);
      if (["/help", "/help/sources", "/help/api"].includes(path)) await photograph(reader.page, `help-${path.split("/").at(-1)}`);
    }
    assert.deepEqual(reader.complaints, []);
    await page.goto(`${gateway.url}${project}/user-sources`);
    await page.locator(".sidebar").getByRole("link", { name: "Help" }).click();
    await heading("User Sources");
    await page.getByRole("link", { name: "To the dashboard" }).click();
    await heading(/Acme production|Projects/);
  });
});
