// Servers and secrets in the dashboard, in a real Chromium and with real MCP servers: added, viewed, changed, deleted, with
// and without script; what a server says does no harm; and how all of it looks.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startChromium } from "./lib/chromium.mjs";
import { firstPerson, look } from "./lib/dashboard.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { startHostileUpstream } from "./lib/hostile-upstream.mjs";
import { freePort } from "./lib/process.mjs";
import { startStatelessServer } from "./lib/stateless-server.mjs";
import { startEverything, startRmcp } from "./lib/upstreams.mjs";

const EVIL = '<img src=x onerror="document.title=\'pwned\'">';

/** A stateless server that requires a key and has malicious tool descriptions. */
async function startPicky(key) {
  const received = [];
  const tools = [
    { name: "look_up", title: "Look something up", description: "Finds one record by its number.", annotations: { readOnlyHint: true } },
    { name: "erase", description: `Erases a record. ${EVIL} ${"It cannot be brought back. ".repeat(20)}`, annotations: { destructiveHint: true } },
    { name: "a_tool_with_a_very_long_name_that_nobody_would_type_by_hand_but_that_generators_like_to_make_from_paths" },
  ].map((tool) => ({ inputSchema: { type: "object" }, ...tool }));
  const server = await startStatelessServer({
    name: `Picky ${EVIL}`,
    version: "4.2",
    admit: (request) => {
      received.push(request.headers);
      return request.headers["x-api-key"] === key ? undefined : 401;
    },
    list: () => ({ ttlMs: 1000, cacheScope: "public", tools }),
  });
  return { ...server, received };
}

async function fillServer(page, { url, slug, name = "" }) {
  await page.getByLabel("URL", { exact: true }).fill(url);
  await page.getByLabel("ID", { exact: true }).fill(slug);
  await page.getByLabel("Name (optional)").fill(name);
}

for (const javaScriptEnabled of [true, false]) {
  describe(`servers and secrets ${javaScriptEnabled ? "with" : "without"} script`, () => {
    let chromium, gateway, everything, rmcp, picky, ada, base;

    before(async () => {
      chromium = await startChromium();
      gateway = await startGateway();
      [everything, rmcp, picky] = await Promise.all([startEverything(), startRmcp(gateway), startPicky("open sesame")]);
      ada = await firstPerson(chromium, gateway, { javaScriptEnabled });
      base = gateway.url + ada.project;
    });

    after(async () => {
      picky?.stop();
      await Promise.all([everything?.stop(), rmcp?.stop(), gateway?.stop(), chromium?.close()]);
    });

    test("servers of both kinds are added and show their details and tools", async () => {
      for (const [server, slug, era, tool] of [
        [everything, "everything", "MCP 2025-11-25", "echo"],
        [rmcp, "demo", "MCP 2026-07-28", "whoami"],
      ]) {
        await ada.page.goto(`${base}/servers`);
        await ada.page.getByRole("link", { name: /^Add/ }).first().click();
        await fillServer(ada.page, { url: server.url, slug });
        await ada.page.keyboard.press("Enter");
        await ada.page.getByText("The server is added.").waitFor();
        await ada.page.getByText(era).waitFor();
        await ada.page.getByRole("heading", { name: tool, exact: true }).waitFor();
        await ada.page.getByText("Answers", { exact: true }).waitFor();
      }
      await ada.page.goto(`${base}/servers`);
      assert.equal(await ada.page.getByText("Answers", { exact: true }).count(), 2);
    });

    test("a new process contacts servers for the page that shows them", async () => {
      await gateway.restart();
      await ada.page.goto(`${base}/servers`);
      if (!javaScriptEnabled) await ada.page.getByRole("link", { name: "Check servers that were not checked yet" }).click();
      await ada.page.getByText("Answers", { exact: true }).nth(1).waitFor();
      await gateway.restart();
      await ada.page.goto(`${base}/servers`, { waitUntil: "commit" });
      await ada.page.getByRole("link", { name: "demo" }).click();
      if (!javaScriptEnabled) await ada.page.getByRole("link", { name: "Ask the server for its tools" }).click();
      await ada.page.getByRole("heading", { name: "whoami", exact: true }).waitFor();
    });

    test("a server that requires a key refuses, and answers once a header names the secret", async () => {
      await ada.page.goto(`${base}/servers/new`);
      await fillServer(ada.page, { url: picky.url, slug: "picky", name: "Picky" });
      await ada.page.getByRole("button", { name: "Add server" }).click();
      await ada.page.getByText("The server refused Gatewright (HTTP 401).").waitFor();
      const server = ada.page.url();
      await ada.page.goto(`${base}/secrets`);
      await ada.page.getByRole("link", { name: "Create secret" }).first().click();
      await ada.page.getByLabel("Name", { exact: true }).fill("PICKY_KEY");
      await ada.page.getByLabel("Value").fill("open sesame");
      await ada.page.getByLabel("May be sent to").fill(picky.origin);
      await ada.page.getByRole("button", { name: "Create", exact: true }).click();
      await ada.page.getByText("The secret is stored.").waitFor();
      await ada.page.goto(`${server}/edit`);
      await ada.page.getByLabel("Name", { exact: true }).first().fill("X-Api-Key");
      await ada.page.getByLabel("Followed by secret").first().selectOption("PICKY_KEY");
      await ada.page.getByRole("button", { name: "Add another header" }).click();
      await ada.page.getByLabel("Name", { exact: true }).nth(1).fill("X-Team");
      await ada.page.getByLabel("Value", { exact: true }).nth(1).fill("platform");
      await ada.page.getByRole("button", { name: "Save changes" }).click();
      await ada.page.getByText("The server is saved.").waitFor();
      await ada.page.getByRole("heading", { name: "look_up" }).waitFor();
      await ada.page.getByText("X-Api-Key: ${secret:PICKY_KEY}").waitFor();
      const last = picky.received.at(-1);
      assert.deepEqual([last["x-api-key"], last["x-team"]], ["open sesame", "platform"]);
      assert.ok(!(await ada.page.content()).includes("open sesame"));
    });

    test("a name that models refuse is shown beside the one that clients see, and a short prefix begins it", async () => {
      const server = ada.page.url();
      const long = ada.page.locator("li", { has: ada.page.getByRole("heading", { name: /^a_tool_with_a_very_long_name/ }) });
      const shown = await long.locator(".shown-as code").allInnerTexts();
      assert.equal(shown.length, 2);
      for (const name of shown) assert.match(name, /^[a-zA-Z0-9_-]{1,64}$/);
      assert.match(shown[1], /^picky_a_tool/);
      await ada.page.goto(`${server}/edit`);
      await ada.page.getByText("Advanced: prefix of its tools").click();
      await ada.page.getByLabel("Short prefix (optional)").fill("demo");
      await ada.page.getByRole("button", { name: "Save changes" }).click();
      await ada.page.locator("#prefix-error").waitFor();
      await ada.page.getByLabel("Short prefix (optional)").fill("pk");
      await ada.page.getByRole("button", { name: "Save changes" }).click();
      await ada.page.getByText("The server is saved.").waitFor();
      await ada.page.getByText("pk_", { exact: true }).waitFor();
      if (!javaScriptEnabled) await ada.page.goto(`${server}?ask=yes`);
      await long.locator(".shown-as code").nth(1).waitFor();
      assert.match((await long.locator(".shown-as code").allInnerTexts())[1], /^pk_a_tool/);
      if (javaScriptEnabled) await look(ada.page, "server-names");
    });

    test("what the server says about itself is shown and has no effect", async () => {
      await ada.page.getByText(`Picky ${EVIL} 4.2`).waitFor();
      assert.equal(await ada.page.locator("main img").count(), 0);
      assert.ok(!(await ada.page.title()).includes("pwned"));
      await ada.page.getByLabel("Search tools").fill("number");
      if (!javaScriptEnabled) await ada.page.getByRole("button", { name: "Filter" }).click();
      await ada.page.waitForURL(/tool=number/);
      await ada.page.getByRole("heading", { name: "erase" }).waitFor({ state: "detached" });
      await ada.page.getByRole("heading", { name: "look_up" }).waitFor();
    });

    test("the secret is not sent to a new origin until it is entered for it", async () => {
      const elsewhere = await startPicky("open sesame");
      try {
        await ada.page.goto(`${base}/servers`);
        await ada.page.getByRole("link", { name: "Picky" }).click();
        const server = ada.page.url();
        await ada.page.getByRole("link", { name: "Edit" }).click();
        await ada.page.getByLabel("URL", { exact: true }).fill(elsewhere.url);
        await ada.page.getByRole("button", { name: "Save changes" }).click();
        await ada.page.getByText("may not be sent to").waitFor();
        assert.equal(await ada.page.getByLabel("URL", { exact: true }).inputValue(), elsewhere.url);
        assert.equal(elsewhere.received.length, 0);
        const way = await ada.page.getByRole("link", { name: /Allow PICKY_KEY/ }).getAttribute("href");
        const typed = await ada.context.newPage();
        await typed.goto(gateway.url + way);
        await typed.getByRole("button", { name: "Save secret" }).click();
        await typed.locator("#value-error").waitFor();
        await typed.getByLabel("New value").fill("open sesame");
        await typed.getByRole("button", { name: "Save secret" }).click();
        await typed.getByText("The secret is saved.").waitFor();
        await typed.close();
        await ada.page.getByRole("button", { name: "Save changes" }).click();
        await ada.page.waitForURL(server);
        await ada.page.getByRole("heading", { name: "look_up" }).waitFor();
        assert.equal(elsewhere.received.at(-1)["x-api-key"], "open sesame");
      } finally {
        elsewhere.stop();
      }
      await ada.page.getByRole("button", { name: "Check now" }).click();
      await ada.page.getByText("The server cannot be reached").waitFor();
    });

    test("a secret in use cannot be deleted and shows where it is used; an unused one can", async () => {
      await ada.page.goto(`${base}/secrets`);
      await ada.page.getByRole("link", { name: "PICKY_KEY" }).click();
      const remove = async () => {
        await ada.page.getByLabel("Enter the name of the secret to confirm").fill("PICKY_KEY");
        await ada.page.getByRole("button", { name: "Delete secret" }).click();
      };
      await remove();
      await ada.page.getByText("cannot be deleted while headers of servers name it").waitFor();
      await ada.page.getByRole("alert").getByRole("link", { name: "Picky" }).click();
      await ada.page.getByRole("link", { name: "Delete…" }).click();
      await ada.page.getByLabel("Enter the ID of the server to confirm").fill("picky");
      await ada.page.getByRole("button", { name: "Delete server" }).click();
      await ada.page.getByText("The server is deleted.").waitFor();
      await ada.page.goto(`${base}/secrets`);
      await ada.page.getByRole("link", { name: "PICKY_KEY" }).click();
      await remove();
      await ada.page.getByText("The secret is deleted.").waitFor();
      await ada.page.getByText("No secrets yet").waitFor();
    });

    test("nothing complained on the way", () => {
      assert.deepEqual(ada.complaints, []);
    });
  });
}

describe("how servers and secrets look", () => {
  let chromium, gateway, everything, picky, many, ada, base;

  before(async () => {
    chromium = await startChromium();
    gateway = await startGateway();
    [everything, picky, many] = await Promise.all([startEverything(), startPicky("open sesame"), startHostileUpstream({ endless: true })]);
    ada = await firstPerson(chromium, gateway);
    base = gateway.url + ada.project;
  });

  after(async () => {
    picky?.stop();
    many?.stop();
    await Promise.all([everything?.stop(), gateway?.stop(), chromium?.close()]);
  });

  async function send(path, body) {
    const api = await ada.page.evaluate(
      async ([url, text]) => {
        const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: text });
        return { status: answer.status, body: await answer.json() };
      },
      [`/api/v1${ada.project}${path}`, JSON.stringify(body)],
    );
    assert.equal(api.status, 201, JSON.stringify(api.body));
    return api.body;
  }

  test("empty, and the forms", async () => {
    for (const rest of ["servers", "servers/new", "secrets", "secrets/new"]) {
      await ada.page.goto(`${base}/${rest}`);
      await look(ada.page, `servers-${rest.replace("/", "-")}-empty`);
    }
    await ada.page.goto(`${base}/servers/new`);
    await fillServer(ada.page, { url: "https://user:pw@example.com", slug: "No good" });
    await ada.page.getByLabel("Time limit of a request, in seconds").fill("soon");
    await ada.page.evaluate(() => (document.querySelector("main form").noValidate = true));
    await ada.page.getByRole("button", { name: "Add server" }).click();
    await ada.page.locator("#url-error").waitFor();
    await look(ada.page, "servers-new-refused");
  });

  test("lists and pages of servers and secrets", async () => {
    const secret = await send("/secrets", { name: "PICKY_KEY", value: "open sesame", origins: [picky.origin, "https://mcp.example.com"] });
    await send("/secrets", { name: "OLD_GITHUB_TOKEN", value: "x", origins: ["http://10.20.30.40:8000"] });
    const header = { name: "X-Api-Key", value: "${secret:PICKY_KEY}" };
    const servers = [
      await send("/servers", { slug: "everything", name: "Reference server", url: everything.url }),
      await send("/servers", { slug: "picky", name: "Records of the archive", url: picky.url, headers: [header], identity: "none" }),
      await send("/servers", { slug: "many", name: "One with thousands of tools", url: many.url, identity: "assertion" }),
      await send("/servers", { slug: "down", name: "A server whose name is so long that it hardly fits into a row of a list", url: `http://127.0.0.1:${await freePort()}/mcp` }),
    ];
    for (const [name, chosen, status] of [["Support desk", [servers[1].id], "active"], ["Everything we have", [], "inactive"]]) {
      await send("/gateways", { name, authentication_mode: "headers", servers: chosen, status });
    }
    await ada.page.goto(`${base}/servers`);
    await look(ada.page, "servers-list");
    await ada.page.goto(`${base}/servers?search=nothing+like+this`);
    await look(ada.page, "servers-list-none-found");
    for (const [server, name] of servers.map((server, index) => [server, ["legacy", "picky", "many", "down"][index]])) {
      await ada.page.goto(`${base}/servers/${server.id}`);
      await look(ada.page, `servers-detail-${name}`);
    }
    await ada.page.goto(`${base}/servers/${servers[1].id}/edit`);
    await look(ada.page, "servers-edit");
    await ada.page.getByLabel("URL", { exact: true }).fill("https://elsewhere.example.com/mcp");
    await ada.page.getByRole("button", { name: "Save changes" }).click();
    await ada.page.getByText("may not be sent to").waitFor();
    await look(ada.page, "servers-edit-refused");
    await ada.page.goto(`${base}/servers/${servers[1].id}/delete`);
    await look(ada.page, "servers-delete");
    await ada.page.getByLabel("Enter the ID of the server to confirm").fill("picky");
    await ada.page.getByRole("button", { name: "Delete server" }).click();
    await ada.page.getByRole("alert").getByRole("link", { name: "Support desk" }).waitFor();
    await look(ada.page, "servers-delete-refused");
    await ada.page.goto(`${base}/secrets`);
    await look(ada.page, "secrets-list");
    await ada.page.goto(`${base}/secrets/${secret.id}?allow=https%3A%2F%2Felsewhere.example.com`);
    await look(ada.page, "secrets-detail");
  });

  test("a server is added by keyboard alone", async () => {
    await ada.page.goto(`${base}/servers/new`);
    await ada.page.getByLabel("URL", { exact: true }).focus();
    await ada.page.keyboard.type(everything.url);
    await ada.page.keyboard.press("Tab");
    await ada.page.keyboard.type("typed");
    await ada.page.keyboard.press("Enter");
    await ada.page.getByText("The server is added.").waitFor();
  });

  test("nothing complained on the way", () => {
    assert.deepEqual(ada.complaints, []);
  });
});
