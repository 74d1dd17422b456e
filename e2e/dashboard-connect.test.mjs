// Connecting clients to a gateway and trying its tools, in a real Chromium: what the pages tell people to enter works in real
// clients, and what a tool trial shows is what the server verified itself.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { checkAccessibility } from "./lib/accessibility.mjs";
import { sourceFields } from "./lib/api.mjs";
import { photograph, startChromium } from "./lib/chromium.mjs";
import { memoryProvider, startCallback } from "./lib/client.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { startProvider } from "./lib/provider.mjs";
import { signIn } from "./lib/sign-in.mjs";
import { startEverything, startRmcp } from "./lib/upstreams.mjs";

const PASSWORD = "violet harbour ninety";
const CLIENTS = ["claude-code", "claude-desktop", "cursor", "vs-code", "chatgpt", "inspector", "other"];

/** Creates the first account; returns its page and the path of its project. */
async function setUp(chromium, gateway, options = {}) {
  const context = await chromium.newContext({ reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  const complaints = [];
  const isStatus = (message) => /status of (403|404|409|422)/.test(message.text());
  page.on("console", (message) => message.type() === "error" && !isStatus(message) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(gateway.log().match(/http\S+\/account\/setup\/\S+/)[0]);
  await page.getByLabel("Your name").fill("Ada Lovelace");
  await page.getByLabel("E-mail address").fill("ada@example.com");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByLabel("Name of the first project").fill("Acme production");
  await page.getByRole("button", { name: "Create account and project" }).click();
  await page.getByRole("heading", { name: "Acme production", level: 1 }).waitFor();
  const project = new URL(page.url()).pathname;
  /** The API, as the pages of the dashboard call it. */
  const api = (method, path, body) =>
    page.evaluate(
      async ([method, path, body]) => {
        const headers = { "content-type": "application/json" };
        const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
        if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
        return answer.json();
      },
      [method, `/api/v1${project}/${path}`, body],
    );
  return { context, page, project, complaints, api };
}

const connected = async (transport) => {
  const client = new Client({ name: "end-to-end", version: "1.0.0" });
  await client.connect(transport);
  return client;
};

describe("connect and try", () => {
  let chromium, gateway, provider, everything, rmcp, callback, folder, ada, gateways;
  const pageOf = (name, rest) => `${gateway.url}${ada.project}/gateways/${gateways[name].id}/${rest}`;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "gatewright-connect-"));
    [chromium, gateway, everything, callback] = await Promise.all([
      startChromium(),
      startGateway(),
      startEverything(),
      startCallback(),
    ]);
    provider = await startProvider({ redirectUri: gateway.callback });
    ada = await setUp(chromium, gateway, { permissions: ["clipboard-read", "clipboard-write"] });
    rmcp = await startRmcp(gateway, { project: ada.project });
    await ada.api("POST", "servers", { slug: "everything", name: "Everything", url: everything.url });
    await ada.api("POST", "servers", { slug: "rmcp", name: "Identity desk", url: rmcp.url, identity: "assertion" });
    const source = await ada.api("POST", "user-sources", sourceFields(provider));
    gateways = {
      support: await ada.api("POST", "gateways", {
        name: "Support agents",
        slug: "support",
        authentication_mode: "user_source",
        user_source_id: source.id,
      }),
      batch: await ada.api("POST", "gateways", { name: "Night batch", slug: "batch", authentication_mode: "headers" }),
      off: await ada.api("POST", "gateways", {
        name: "Switched off",
        slug: "off",
        authentication_mode: "project_members",
        status: "inactive",
      }),
    };
  });

  after(async () => {
    for (const part of [rmcp, provider, everything, gateway, callback]) await part?.stop();
    await chromium?.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function look(name) {
    await photograph(ada.page, `connect-${name}`);
    await checkAccessibility(ada.page, name);
  }

  const snippet = async (name, client, id = client) => {
    await ada.page.goto(pageOf(name, `connect?client=${client}`));
    return ada.page.locator(`#${id}`).innerText();
  };

  test("the URL is all a client needs where people sign in", async () => {
    await ada.page.goto(pageOf("support", "connect"));
    await ada.page.getByRole("button", { name: "Copy URL" }).click();
    await ada.page.getByText("Copied").waitFor();
    const url = await ada.page.evaluate("navigator.clipboard.readText()");
    const auth = memoryProvider({ redirectUrl: callback.url });
    const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: auth });
    await assert.rejects(connected(transport));
    const answer = await signIn({
      authorizationUrl: auth.kept.authorizationUrl,
      redirectUrl: callback.url,
      user: "grace",
    });
    await transport.finishAuth(answer.get("code"));
    const client = await connected(new StreamableHTTPClientTransport(new URL(url), { authProvider: auth }));
    const { structuredContent } = await client.callTool({ name: "rmcp_whoami", arguments: {} });
    assert.equal(structuredContent.subject, "grace");
    assert.equal(structuredContent.act, undefined);
    await client.close();
  });

  test("the configuration of Headers mode works in real clients, with key and user filled in", async () => {
    const { key } = await ada.api("POST", "api-keys", { name: "clients", role: "gateway" });
    const fill = (text) => text.replaceAll("YOUR_GATEWAY_KEY", key).replaceAll("YOUR_USER_ID", "emp-7");
    const plain = JSON.parse(fill(await snippet("batch", "other"))).mcpServers.batch;
    assert.equal(plain.type, "http");
    const over = (server) =>
      connected(new StreamableHTTPClientTransport(new URL(server.url), { requestInit: { headers: server.headers } }));
    const whoami = async (client) => {
      const { structuredContent } = await client.callTool({ name: "rmcp_whoami", arguments: {} });
      await client.close();
      return structuredContent.subject;
    };
    assert.equal(await whoami(await over(plain)), "emp-7");
    assert.equal(await whoami(await over(JSON.parse(fill(await snippet("batch", "cursor"))).mcpServers.batch)), "emp-7");

    // What Claude Desktop would start: npx finds the program installed next to this file.
    const desktop = JSON.parse(fill(await snippet("batch", "claude-desktop"))).mcpServers.batch;
    assert.deepEqual([desktop.command, ...desktop.args.slice(0, 2)], ["npx", "-y", "mcp-remote"]);
    const proxy = join(import.meta.dirname, "node_modules/mcp-remote/dist/proxy.js");
    const bridged = new StdioClientTransport({
      command: process.execPath,
      args: [proxy, ...desktop.args.slice(2)],
      env: { ...process.env, ...desktop.env, MCP_REMOTE_CONFIG_DIR: folder },
      stderr: "ignore",
    });
    assert.equal(await whoami(await connected(bridged)), "emp-7");

    // A shell passes these exact arguments to Claude Code; its headers follow the URL.
    const words = execFileSync("sh", ["-c", `printf '%s\\n' ${fill(await snippet("batch", "claude-code"))}`], {
      encoding: "utf8",
    });
    const [, , , , , name, url, , authorization, , user] = words.trimEnd().split("\n");
    assert.deepEqual([name, url], ["batch", plain.url]);
    const headers = Object.fromEntries([authorization, user].map((header) => header.split(": ")));
    assert.equal(await whoami(await over({ url, headers })), "emp-7");
  });

  test("the page's policy lets install links through unchanged", async () => {
    const config = await snippet("batch", "cursor");
    const cursor = await ada.page.getByRole("link", { name: "Add to Cursor" }).getAttribute("href");
    const params = new URL(cursor).searchParams;
    assert.equal(params.get("name"), "batch");
    const decoded = JSON.parse(Buffer.from(params.get("config"), "base64").toString());
    assert.deepEqual(decoded, JSON.parse(config).mcpServers.batch);

    const file = JSON.parse(await snippet("batch", "vs-code"));
    const vscode = await ada.page.getByRole("link", { name: "Add to VS Code" }).getAttribute("href");
    assert.ok(vscode.startsWith("vscode:mcp/install?"));
    const { name, inputs, ...server } = JSON.parse(decodeURIComponent(vscode.slice("vscode:mcp/install?".length)));
    assert.deepEqual({ inputs, servers: { [name]: server } }, file);

    // Chromium asks whether to pass a link with an unknown scheme to the system, which is not our concern; if a policy stopped
    // the link, the console would complain.
    for (const [client, label] of [
      ["cursor", "Add to Cursor"],
      ["vs-code", "Add to VS Code"],
    ]) {
      const tab = await ada.context.newPage();
      tab.on("console", (message) => message.type() === "error" && ada.complaints.push(message.text()));
      await tab.goto(pageOf("batch", `connect?client=${client}`));
      await tab.getByRole("link", { name: label }).click({ noWaitAfter: true });
      assert.equal(await tab.evaluate("document.querySelectorAll('h1').length"), 1);
      await tab.close();
    }
    assert.deepEqual(ada.complaints, []);
  });

  test("every client has its place, with script and without", async () => {
    await ada.page.goto(pageOf("support", "connect"));
    await ada.page.getByRole("link", { name: "VS Code" }).click();
    await ada.page.getByRole("link", { name: "Add to VS Code" }).waitFor();
    assert.match(ada.page.url(), /client=vs-code$/);
    assert.equal(await ada.page.evaluate("document.activeElement.id"), "to-vs-code");
    await ada.page.getByRole("button", { name: /^Copy for \.vscode/ }).click();
    await ada.page.getByText("Copied").waitFor();
    const { cookies } = await ada.context.storageState();
    const plain = await chromium.newContext({ javaScriptEnabled: false });
    await plain.addCookies(cookies);
    const page = await plain.newPage();
    await page.goto(pageOf("support", "connect"));
    await page.getByRole("link", { name: "ChatGPT" }).click();
    await page.getByText("Developer mode", { exact: true }).waitFor();
    await page.goto(pageOf("support", "try/rmcp_whoami"));
    await page.getByRole("button", { name: "Call tool" }).click();
    await page.getByRole("heading", { name: "What the server received" }).waitFor();
    await page.goto(pageOf("support", "try-prompts/everything_args-prompt"));
    await page.getByLabel(/^city/).fill("Paris");
    await page.getByRole("button", { name: "Get prompt" }).click();
    await page.getByText("What's weather in Paris?", { exact: true }).waitFor();
    await page.goto(pageOf("support", "try-resources"));
    await page.getByRole("link", { name: "demo://resource/dynamic/text/{resourceId}" }).click();
    await page.getByLabel("resourceId").fill("3");
    await page.getByRole("button", { name: "Read resource" }).click();
    await page.getByText(/^Resource 3/).waitFor();
    await plain.close();
  });

  test("how the Connect page looks", async () => {
    for (const client of CLIENTS) {
      await ada.page.goto(pageOf("support", `connect?client=${client}`));
      await look(`sign-in-${client}`);
      await ada.page.goto(pageOf("batch", `connect?client=${client}`));
      await look(`headers-${client}`);
    }
    await ada.page.goto(pageOf("off", "connect"));
    await look("inactive");
  });

  test("a tool is found, filled in and called as oneself, by keyboard", async () => {
    await ada.page.goto(pageOf("support", "try"));
    await ada.page.getByText(/^\d+ tools$/).waitFor();
    await look("tools");
    await ada.page.getByLabel("Find a tool").focus();
    await ada.page.keyboard.type("whoam");
    await ada.page.getByText(/^1 of \d+ tools$/).waitFor();
    const found = ada.page.getByRole("link", { name: "rmcp_whoami" });
    // The list of the last letter comes when the tool is already focused.
    const held = Promise.withResolvers();
    await ada.page.route("**/try?q=whoami", async (route) => {
      await held.promise;
      await route.continue();
    });
    const asked = ada.page.waitForRequest("**/try?q=whoami");
    await ada.page.keyboard.type("i");
    await asked;
    await found.focus();
    held.resolve();
    await ada.page.waitForURL(/q=whoami$/);
    await ada.page.waitForFunction(() => document.activeElement?.textContent === "rmcp_whoami");
    await ada.page.keyboard.press("Enter");
    await ada.page.getByText("This tool takes no arguments.").waitFor();
    await ada.page.getByRole("button", { name: "Call tool" }).press("Enter");
    await ada.page.getByText("Done", { exact: true }).waitFor();
    const told = JSON.parse(await ada.page.locator("#structured").innerText());
    assert.match(told.sub, /^acc_/);
    assert.equal(told.email, "ada@example.com");
    assert.equal(told.act, undefined);
    assert.ok((await ada.page.locator(".facts").innerText()).includes(told.sub), "the page shows what the server verified");
    await look("tried-as-oneself");
  });

  test("a tool is called as a user, and a signed claim tells the server who acts", async () => {
    await ada.page.goto(pageOf("support", "try/rmcp_whoami"));
    await ada.page.getByLabel("Someone else").fill("grac");
    await ada.page.getByRole("button", { name: "Find", exact: true }).click();
    await ada.page.getByRole("radio", { name: /grace/ }).check();
    await ada.page.getByRole("button", { name: "Call tool" }).click();
    await ada.page.getByText("Done", { exact: true }).waitFor();
    const told = JSON.parse(await ada.page.locator("#structured").innerText());
    assert.match(told.sub, /^usr_/);
    assert.equal(told.subject, "grace");
    const { id } = await ada.page.evaluate(async () => (await fetch("/api/v1/account")).json());
    assert.deepEqual(told.act, { sub: id }, "the server verified who acts for the user");
    await look("tried-as-user");
    const events = await ada.api("GET", "audit-events?action=gateway.tool_tried");
    assert.deepEqual(
      events.items[0].changes.map(({ after }) => after),
      ["rmcp_whoami", told.sub],
    );
  });

  test("forms built from the schemas of a server of the other era", async () => {
    await ada.page.goto(pageOf("support", "try/everything_get-sum"));
    await ada.page.getByLabel(/^a/).fill("20");
    await ada.page.getByRole("button", { name: "Call tool" }).click();
    await ada.page.getByText("This is required.").waitFor();
    assert.equal(await ada.page.getByLabel(/^a/).inputValue(), "20", "typed values stay");
    await look("refused");
    await ada.page.getByLabel(/^b/).fill("22");
    await ada.page.getByRole("button", { name: "Call tool" }).click();
    await ada.page.getByText(/42/).first().waitFor();
    await look("form");
    await ada.page.getByRole("button", { name: "Enter the arguments as JSON" }).click();
    assert.deepEqual(JSON.parse(await ada.page.getByLabel("Arguments as JSON").inputValue()), { a: 20, b: 22 });
    await look("json");
    await ada.page.goto(pageOf("support", "try/everything_get-tiny-image"));
    await ada.page.getByRole("button", { name: "Call tool" }).click();
    const picture = ada.page.getByRole("img", { name: "A picture in the answer" });
    await picture.waitFor();
    assert.ok((await picture.evaluate((image) => image.naturalWidth)) > 0, "the policy lets the picture through");
    await look("picture");
    assert.deepEqual(ada.complaints, []);
  });

  test("a prompt is filled in and got, as oneself and as a user", async () => {
    const { page } = ada;
    await page.goto(pageOf("support", "try"));
    await page.getByRole("navigation", { name: "What to try" }).getByRole("link", { name: "Prompts" }).click();
    await page.getByText(/^\d+ prompts$/).waitFor();
    await look("prompts");
    await page.getByRole("link", { name: "everything_args-prompt" }).click();
    await page.getByRole("button", { name: "Get prompt" }).click();
    await page.getByText("This is required.").waitFor();
    await page.getByLabel(/^city/).fill("<b>Paris</b>");
    await page.getByRole("button", { name: "Get prompt" }).click();
    await page.getByText("What's weather in <b>Paris</b>?", { exact: true }).waitFor();
    await look("prompt");
    await page.getByLabel("Someone else").fill("grac");
    await page.getByRole("button", { name: "Find", exact: true }).click();
    await page.getByRole("radio", { name: /grace/ }).check();
    await page.getByRole("button", { name: "Get prompt" }).click();
    await page.getByText("Done", { exact: true }).waitFor();
    const events = await ada.api("GET", "audit-events?action=gateway.prompt_tried");
    const [prompt, user] = events.items[0].changes.map(({ after }) => after);
    assert.equal(prompt, "everything_args-prompt");
    assert.match(user, /^usr_/);
  });

  test("resources are read, and those that a template stands for", async () => {
    const { page } = ada;
    await page.goto(pageOf("support", "try-resources"));
    await page.getByText(/^\d+ resources$/).waitFor();
    await look("resources");
    await page.getByRole("link", { name: /static\/document\/architecture/ }).click();
    await page.getByRole("button", { name: "Read resource" }).click();
    await page.getByText("Done", { exact: true }).waitFor();
    assert.match(await page.locator("pre.output").first().innerText(), /^# /);
    await look("resource");
    await page.goto(pageOf("support", "try-resources"));
    await page.getByRole("link", { name: "demo://resource/dynamic/blob/{resourceId}" }).click();
    await page.getByLabel("resourceId").fill("7");
    await page.getByRole("button", { name: "Read resource" }).click();
    await page.getByText("demo://resource/dynamic/blob/7", { exact: true }).first().waitFor();
    const saving = page.waitForEvent("download");
    await page.getByRole("link", { name: "Save as 7.bin" }).click();
    const saved = await saving;
    assert.equal(saved.suggestedFilename(), "7.bin");
    assert.match(await readFile(await saved.path(), "utf8"), /Resource 7/);
    await look("template");
    await page.goto(pageOf("support", "try-resources/read"));
    await page.getByLabel("URI").fill("demo://nothing");
    await page.getByRole("button", { name: "Read resource" }).click();
    await page.getByText(/Resource not found/).waitFor();
    await look("no-resource");
  });

  test("what a server reports while it works is shown with the result", async () => {
    const { page } = ada;
    await page.goto(pageOf("support", "try/everything_trigger-long-running-operation"));
    await page.getByLabel(/^duration/).fill("1");
    await page.getByLabel(/^steps/).fill("3");
    await page.getByRole("button", { name: "Call tool" }).click();
    await page.getByText("What the server reported before it answered").waitFor();
    assert.match(await page.locator("details.fold pre").first().innerText(), /3 of 3/);
    await look("reports");
    assert.deepEqual(ada.complaints, []);
  });
});
