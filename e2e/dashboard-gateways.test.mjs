// Gateways in the dashboard, in a real Chromium: created, limited to tools of a real server, changed after a confirmation,
// deactivated and deleted; with and without script, by keyboard, in every look.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { checkAccessibility } from "./lib/accessibility.mjs";
import { startChromium } from "./lib/chromium.mjs";
import { firstPerson, keyFor, look } from "./lib/dashboard.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { freePort } from "./lib/process.mjs";
import { startStatelessServer } from "./lib/stateless-server.mjs";
import { startEverything } from "./lib/upstreams.mjs";

const SOURCE = {
  name: "Okta production",
  issuer: "https://acme.okta.example",
  client_id: "gatewright",
  client_secret: "not-a-real-secret",
  skip_validation: true,
};

/** A stateless server with this many tools. */
async function startLarge(count) {
  const tools = Array.from({ length: count }, (_, number) => ({
    name: `record_${String(number).padStart(4, "0")}`,
    description: `Reads record number ${number} of the archive, with everything that was ever noted beside it.`,
    inputSchema: { type: "object" },
  }));
  return startStatelessServer({ list: () => ({ tools }) });
}

for (const javaScriptEnabled of [true, false]) {
  describe(`gateways ${javaScriptEnabled ? "with" : "without"} script`, () => {
    let chromium, gateway, everything, large, ada, page, project, api, path;

    before(async () => {
      [chromium, gateway, everything, large] = await Promise.all([
        startChromium(),
        startGateway(),
        startEverything(),
        startLarge(5_000),
      ]);
      ada = await firstPerson(chromium, gateway, { javaScriptEnabled });
      ({ page, project } = ada);
      const key = await keyFor(page, gateway, project);
      api = (method, rest, body) => gateway.api(method, `${project}${rest}`, body, key);
    });

    after(async () => {
      for (const part of [gateway, everything, large]) await part?.stop();
      await chromium?.close();
    });

    /** Opens a server in the tree. */
    async function open(name) {
      await node(name).locator("summary").click();
      if (!javaScriptEnabled) await page.getByRole("button", { name: `Show the tools of ${name}` }).click();
      await node(name).locator(".pick").waitFor();
    }

    const node = (name) => page.locator("details.node", { has: page.locator("summary", { hasText: name }) });

    test("an empty project says what is missing, and the way to a gateway", async () => {
      await page.goto(`${gateway.url}${project}/gateways`);
      await page.getByText("What a gateway is made of").waitFor();
      await page.getByRole("link", { name: "Create gateway" }).click();
      await page.getByText("There is no User Source yet.").waitFor();
      await api("POST", "/user-sources", SOURCE);
      await api("POST", "/servers", { slug: "everything", name: "Everything", url: everything.url });
      await api("POST", "/servers", { slug: "archive", name: "Archive", url: large.url });
      await api("POST", "/servers", { slug: "gone", name: "Gone", url: `http://127.0.0.1:${await freePort()}/mcp` });
    });

    test("errors are shown beside their field, and typed values stay", async () => {
      await page.goto(`${gateway.url}${project}/gateways/new`);
      assert.ok(await page.getByRole("radio", { name: /^User Source/ }).isChecked());
      await page.getByLabel("Name", { exact: true }).fill("Support agents");
      await page.getByLabel("Instructions for the model").fill("Look before you write.");
      await page.getByText("Other clients").click();
      await page.getByLabel("Document URL 1").fill("https://tool.example");
      await page.getByRole("button", { name: "Create gateway" }).click();
      await page.locator("#trusted_clients-error").waitFor();
      assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "Support agents");
      assert.equal(await page.getByLabel("Instructions for the model").inputValue(), "Look before you write.");
      await page.getByLabel("Document URL 1").fill("");
    });

    /** While typing, there is nothing to show without a script: the page that is saved shows the URL. */
    async function slugIsTried() {
      await api("POST", "/gateways", { name: "Other", slug: "taken", authentication_mode: "headers" });
      const slug = page.getByLabel(/^Last part of the URL/);
      await slug.pressSequentially("taken");
      await page.getByText("is taken, or another project used it").waitFor();
      await slug.fill("support");
      assert.equal(await page.locator("[data-slug-preview]").innerText(), "support");
      await page.getByText(`Free: ${gateway.url}/mcp/support`).waitFor();
    }

    if (javaScriptEnabled) test("the URL is shown while its last part is typed, and whether it can be had", slugIsTried);

    test("tools are chosen by server and by a filter, also where there are thousands", async () => {
      await page.getByLabel(/^Last part of the URL/).fill("support");
      await page.getByRole("radio", { name: /^Only chosen tools/ }).check();
      await open("Everything");
      await page.getByRole("checkbox", { name: /^echo/ }).check();
      await open("Archive");
      await node("Archive").getByText("1 to 100 of 5000").waitFor();
      await node("Archive").getByRole("button", { name: "Next of Archive" }).click();
      await node("Archive").getByText("101 to 200 of 5000").waitFor();
      await node("Archive").getByRole("checkbox", { name: /^record_0150/ }).check();
      await page.getByLabel("Find a tool").fill("number 4711");
      if (!javaScriptEnabled) await page.getByRole("button", { name: "Find", exact: true }).click();
      await page.getByText("One tool matches “number 4711”.").waitFor();
      await node("Archive").getByRole("checkbox", { name: /^record_4711/ }).check();
      if (javaScriptEnabled) {
        await node("Archive").getByText("2 chosen").waitFor();
        await node("Everything").getByText("1 chosen").waitFor();
      }
    });

    test("a server that is down says so", async () => {
      await page.getByLabel("Find a tool").fill("");
      if (!javaScriptEnabled) await page.getByRole("button", { name: "Find", exact: true }).click();
      await page.getByText("One tool matches").waitFor({ state: "detached" });
      await node("Gone").locator("summary").click();
      if (!javaScriptEnabled) await page.getByRole("button", { name: "Show the tools of Gone" }).click();
      await node("Gone").locator(".notice.warning").waitFor();
    });

    test("clients are trusted by name, loopback clients after a confirmation", async () => {
      await page.getByRole("checkbox", { name: /^Claude https/ }).check();
      await page.getByRole("checkbox", { name: /^Claude Code/ }).check();
      await page.getByRole("checkbox", { name: /^Skip it on people’s own machines/ }).first().check();
      await page.getByRole("button", { name: "Create gateway" }).click();
      await page.waitForURL(/\/connect$/);
      path = new URL(page.url()).pathname.replace(/\/connect$/, "");
      const made = await api("GET", path.replace(project, ""));
      assert.equal(made.slug, "support");
      assert.equal(made.instructions, "Look before you write.");
      assert.deepEqual(made.allowed_tools.map(({ tool }) => tool).sort(), ["echo", "record_0150", "record_4711"]);
      assert.deepEqual(
        made.trusted_clients.map(({ url, allow_loopback }) => [url, allow_loopback]),
        [
          ["https://claude.ai/oauth/mcp-oauth-client-metadata", false],
          ["https://claude.ai/oauth/claude-code-client-metadata", true],
        ],
      );
    });

    test("the list is filtered, and the URL keeps the filter", async () => {
      await page.goto(`${gateway.url}${project}/gateways`);
      await page.getByLabel("Name", { exact: true }).fill("SUPPORT");
      if (!javaScriptEnabled) await page.getByRole("button", { name: "Filter" }).click();
      await page.waitForURL(/search=SUPPORT/);
      await page.getByRole("link", { name: "Support agents" }).waitFor();
      await page.getByRole("link", { name: "Other" }).waitFor({ state: "detached" });
      await page.reload();
      assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "SUPPORT");
      await page.getByRole("link", { name: "Support agents" }).click();
      await page.getByRole("heading", { name: /^Support agents/, level: 1 }).waitFor();
    });

    test("what changes the URL is confirmed first, and leads back to the typed values", async () => {
      await page.getByRole("link", { name: "Edit", exact: true }).click();
      await page.getByLabel(/^Last part of the URL/).fill("helpdesk");
      await page.getByLabel("Name", { exact: true }).fill("Help desk");
      await page.getByRole("button", { name: "Save changes" }).click();
      await page.getByText("Clients must be set up again").waitFor();
      await page.getByRole("button", { name: "Back to the form" }).click();
      assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "Help desk");
      await page.getByRole("button", { name: "Save changes" }).click();
      await page.getByRole("button", { name: "Change the URL" }).click();
      await page.getByText("Your changes are saved.").waitFor();
      const made = await api("GET", path.replace(project, ""));
      assert.deepEqual([made.slug, made.name, made.allowed_tools.length], ["helpdesk", "Help desk", 3]);
    });

    test("a client is registered by an administrator, and its secret is shown once", async () => {
      await page.getByRole("link", { name: "Clients", exact: true }).click();
      await page.getByText("Register a client").click();
      await page.getByLabel("Name", { exact: true }).fill("Portal");
      await page.getByLabel("Where people are sent back to").fill("https://portal.example/callback");
      await page.getByRole("radio", { name: /^Confidential, secret in a header/ }).check();
      await page.getByRole("button", { name: "Register client" }).click();
      const secret = await page.locator("#client-secret").innerText();
      assert.ok(secret.length > 20);
      await page.getByRole("link", { name: "Overview", exact: true }).last().click();
      await page.getByRole("link", { name: "Clients", exact: true }).click();
      await page.getByRole("row", { name: /Portal/ }).waitFor();
      assert.equal((await page.content()).includes(secret), false);
    });

    test("it is deactivated, activated, and deleted by its name", async () => {
      await page.goto(`${gateway.url}${path}`);
      await page.getByText("Deactivate…").click();
      await page.getByRole("button", { name: "Deactivate gateway" }).click();
      await page.getByText("The gateway is inactive.").waitFor();
      await page.getByRole("button", { name: "Activate" }).click();
      await page.getByText("The gateway is active.").waitFor();
      await page.getByRole("link", { name: "Delete…" }).click();
      await page.getByLabel(/^Enter the name/).fill("Support");
      await page.getByRole("button", { name: "Delete gateway" }).click();
      await page.locator("#confirm_name-error").waitFor();
      await page.getByLabel(/^Enter the name/).fill("Help desk");
      await page.getByRole("button", { name: "Delete gateway" }).click();
      await page.getByText("The gateway is deleted").waitFor();
    });

    test("nothing complained on the way", () => {
      assert.deepEqual(ada.complaints, []);
    });
  });
}

describe("how gateways look and are used", () => {
  let chromium, gateway, everything, large, ada, page, project, api, id;

  before(async () => {
    [chromium, gateway, everything, large] = await Promise.all([
      startChromium(),
      startGateway(),
      startEverything(),
      startLarge(5_000),
    ]);
    ada = await firstPerson(chromium, gateway);
    ({ page, project } = ada);
  });

  after(async () => {
    for (const part of [gateway, everything, large]) await part?.stop();
    await chromium?.close();
  });

  test("an empty project", async () => {
    await page.goto(`${gateway.url}${project}/gateways`);
    await look(page, "gateways-empty");
    await page.goto(`${gateway.url}${project}/gateways/new`);
    await look(page, "gateway-new-empty");
  });

  test("a form that is filled in, and one that is refused", async () => {
    const key = await keyFor(page, gateway, project);
    api = (method, rest, body) => gateway.api(method, `${project}${rest}`, body, key);
    const source = await api("POST", "/user-sources", SOURCE);
    const server = await api("POST", "/servers", { slug: "everything", name: "Everything", url: everything.url });
    await api("POST", "/servers", { slug: "archive", name: "Archive of records", url: large.url });
    const down = await api("POST", "/servers", { slug: "gone", name: "Gone", url: `http://127.0.0.1:${await freePort()}/mcp` });
    await api("POST", "/gateways", { name: "Night batch", slug: "batch", authentication_mode: "headers", status: "inactive" });
    await api("POST", "/gateways", { name: "Team", slug: "team", authentication_mode: "project_members" });
    const made = await api("POST", "/gateways", {
      name: "Support agents",
      description: "Tickets and orders for the people who answer customers.",
      instructions: "Look up the customer before you answer.\nNever promise a refund.",
      slug: "support",
      authentication_mode: "user_source",
      user_source_id: source.id,
      servers: [server.id, down.id],
      allowed_tools: [
        ...["echo", "get-sum", "no-longer-there"].map((tool) => ({ server: server.id, tool })),
        { server: down.id, tool: "search" },
      ],
      trusted_clients: [
        { url: "https://claude.ai/oauth/mcp-oauth-client-metadata" },
        { url: "https://claude.ai/oauth/claude-code-client-metadata", allow_loopback: true },
        { url: "https://tools.example.com/a/rather/long/path/to/the/document/of/a/client.json" },
      ],
    });
    id = made.id;
    await page.goto(`${gateway.url}${project}/gateways/new`);
    await look(page, "gateway-new");
    await page.getByLabel("Name", { exact: true }).fill("Support");
    await page.getByLabel(/^Last part of the URL/).fill("support");
    await page.getByText("is taken, or another project used it").waitFor();
    await page.getByLabel("Access token, seconds").evaluate((input) => (input.value = "5"));
    await page.locator("#gateway-form").evaluate((form) => (form.noValidate = true));
    await page.getByRole("button", { name: "Create gateway" }).click();
    await page.locator("#settings-error").waitFor();
    await look(page, "gateway-refused");
  });

  test("the list, a gateway, its clients", async () => {
    await page.goto(`${gateway.url}${project}/gateways`);
    await look(page, "gateways");
    await page.goto(`${gateway.url}${project}/gateways?search=nothing`);
    await look(page, "gateways-none");
    await page.goto(`${gateway.url}${project}/gateways/${id}`);
    await page.locator("details.changes summary").first().click();
    await look(page, "gateway");
    await page.getByText("Deactivate…").click();
    await look(page, "gateway-question");
    await page.getByRole("link", { name: "Clients", exact: true }).click();
    await look(page, "gateway-clients-empty");
    await api("POST", `/gateways/${id}/preregistered-clients`, {
      name: "Portal",
      redirect_uris: ["https://portal.example/callback", "http://127.0.0.1/callback"],
      token_endpoint_auth_method: "client_secret_basic",
    });
    await api("POST", `/gateways/${id}/blocked-clients`, { client_id: "https://evil.example/client.json" });
    await page.reload();
    await page.getByText("Register a client").click();
    await look(page, "gateway-clients");
    await page.goto(`${gateway.url}${project}/gateways/${id}/delete`);
    await look(page, "gateway-delete");
  });

  test("by keyboard alone: a server is opened, a tool ticked, another found, and all is saved", async () => {
    await page.goto(`${gateway.url}${project}/gateways/${id}/edit`);
    await page.locator("details.node > summary").first().focus();
    await page.keyboard.press("Enter");
    await page.locator(".pick").first().waitFor();
    await look(page, "gateway-edit");
    await page.locator("details.node > summary").first().focus();
    // Past the two buttons to the first tool.
    for (let press = 0; press < 8; press += 1) {
      await page.keyboard.press("Tab");
      if (await page.evaluate("document.activeElement.name === 'tool'")) break;
    }
    const first = await page.evaluate("document.activeElement.value.split(' ')[1]");
    const before = await page.evaluate("document.activeElement.checked");
    await page.keyboard.press("Space");
    await page.getByLabel("Find a tool").focus();
    await page.keyboard.type("sum");
    await page.keyboard.press("Enter");
    await page.getByText(/match(es)? “sum”/).waitFor();
    assert.match(page.url(), /\/edit$/, "Enter in the filter sends nothing");
    await look(page, "gateway-found");
    await page.getByRole("button", { name: "Save changes" }).focus();
    await page.keyboard.press("Enter");
    await page.getByText("Your changes are saved.").waitFor();
    const { allowed_tools: tools } = await api("GET", `/gateways/${id}`);
    assert.equal(tools.some(({ tool }) => tool === first), !before);
    assert.ok(tools.some(({ tool }) => tool === "search"), "the selection at a server that is down stays");
  });

  test("names begin with a prefix or not, and the page says which names clients see and who serves them", async () => {
    const tools = ["search", "files.read"].map((name) => ({ name, inputSchema: { type: "object" } }));
    const twins = await Promise.all([0, 1].map(() => startStatelessServer({ list: () => ({ tools }) })));
    const ids = [];
    for (const [number, { url }] of twins.entries()) {
      const { id } = await api("POST", "/servers", { slug: `twin-${number}`, name: `Twin ${number}`, url });
      ids.push(id);
    }
    const { id } = await api("POST", "/gateways", { name: "Twins", slug: "twins", authentication_mode: "headers", servers: ids });
    const path = `${gateway.url}${project}/gateways/${id}`;
    await page.goto(path);
    const changed = page.getByRole("region", { name: "Names that clients see differently" });
    await changed.getByText(/^twin-1_files_read_x[0-9a-f]{10}$/).waitFor();
    await look(page, "gateway-names");
    await page.goto(`${path}/edit`);
    await page.getByText("Advanced: names of tools and prompts").click();
    await page.getByRole("radio", { name: /^Never/ }).check();
    await look(page, "gateway-advanced");
    await page.getByRole("button", { name: "Save changes" }).click();
    await page.getByText("Your changes are saved.").waitFor();
    const shared = page.getByRole("region", { name: "Tools and prompts that several servers have" });
    const row = shared.getByRole("row", { name: /search/ });
    await row.waitFor();
    assert.match(await row.innerText(), /Twin 0\s+Twin 1/);
    await look(page, "gateway-shared-names");
    for (const twin of twins) await twin.stop();
  });

  test("thousands of tools, and a server that is down", async () => {
    await page.goto(`${gateway.url}${project}/gateways/new`);
    await page.getByRole("radio", { name: /^Only chosen tools/ }).check();
    await page.locator("details.node > summary").filter({ hasText: "Archive" }).click();
    await page.getByText("1 to 100 of 5000").waitFor();
    await page.locator("details.node > summary").filter({ hasText: "Gone" }).click();
    await page.locator(".node .notice.warning").waitFor();
    await look(page, "gateway-tools");
  });

  test("changes that affect people are confirmed", async () => {
    await page.goto(`${gateway.url}${project}/gateways/${id}/edit`);
    await page.getByLabel(/^Last part of the URL/).fill("helpdesk");
    await page.getByRole("radio", { name: /^Project members/ }).check();
    await page.getByRole("button", { name: "Save changes" }).click();
    await page.getByText("Nothing is changed yet.").waitFor();
    await look(page, "gateway-confirm");
    await checkAccessibility(page, "confirmation");
    assert.deepEqual(ada.complaints, []);
  });
});
