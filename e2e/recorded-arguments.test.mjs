// Recorded arguments on the real program: off by default, redacted before they are stored, read by administrators only, deleted with the
// switch and on demand, and in no log, list, message or file of the database.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startChromium } from "./lib/chromium.mjs";
import { firstPerson, invite, join as joinProject, keyFor, look, person } from "./lib/dashboard.mjs";
import { STORES, startGateway } from "./lib/gateway.mjs";
import { toolCall } from "./lib/mcp.mjs";
import { startStatelessServer } from "./lib/stateless-server.mjs";
import { within } from "./lib/time.mjs";

const CANARY = "canary-5e77b1";
const TOOL = { name: "say", inputSchema: { type: "object" } };
const server = () =>
  startStatelessServer({
    list: () => ({ tools: [TOOL], ttlMs: 60_000, cacheScope: "public" }),
    call: ({ params, reply }) => reply({ content: [{ type: "text", text: `result of ${params.arguments.what}` }] }),
  });
const call = (url, key, user, parameters) =>
  fetch(url, toolCall({ bearer: key, user, name: "say", arguments: parameters })).then((answer) => answer.text());

for (const store of STORES) {
  describe(`recorded arguments on ${store}`, () => {
    let gateway, upstream, made, key, viewer;

    before(async () => {
      gateway = await startGateway({ store, logLevel: "trace" });
      upstream = await server();
      await gateway.create("servers", { slug: "one", url: upstream.url });
      made = await gateway.create("gateways", { name: "Recorded", slug: "recorded", authentication_mode: "headers" });
      key = (await gateway.create("api-keys", { name: "calls", role: "gateway" })).key;
      viewer = (await gateway.create("api-keys", { name: "reads", role: "viewer" })).key;
    });

    after(async () => {
      await upstream?.stop();
      await gateway?.stop();
    });

    const path = () => `${gateway.project}/gateways/${made.id}`;
    /** The newest call of a user, once it is written. */
    async function called(user, as) {
      let found;
      await within(10_000, async () => {
        const { items } = await gateway.api("GET", `${gateway.project}/activity?kind=call&header_user_id=${user}`, undefined, as);
        found = items[0];
        return found;
      }, "the call is not in the activity");
      assert.ok(!("recorded_arguments" in found), "lists have no arguments");
      return gateway.api("GET", `${gateway.project}/activity/${found.id}`, undefined, as);
    }
    const onDisk = async (text) => {
      const names = store === "sqlite" ? await readdir(gateway.data) : [];
      const files = await Promise.all(names.map((name) => readFile(join(gateway.data, name))));
      return files.some((bytes) => bytes.includes(text));
    };

    test("nothing is recorded by default, and a pointer that is not one is named", async () => {
      await call(made.url, key, "ada", { what: CANARY });
      assert.equal((await called("ada")).recorded_arguments, null);
      assert.equal(await onDisk(CANARY), false);
      assert.equal((await gateway.api("GET", path())).record_arguments, null);
      const wrong = gateway.api("PATCH", path(), { record_arguments: { redact: ["/good", "password"], retention_days: 0 } });
      const problem = await wrong.then(() => assert.fail("it was accepted"), (answer) => answer);
      const text = JSON.stringify(problem.body ?? problem, null, 1) + String(problem.message ?? "");
      assert.match(text, /record_arguments\/redact\/1/);
      assert.match(text, /record_arguments\/retention_days/);
    });

    test("arguments are kept redacted, for administrators only, and nowhere else", async () => {
      await gateway.api("PATCH", path(), { record_arguments: { redact: ["/password", "/items/*/token"] } });
      await call(made.url, key, "bob", { what: "visible-1", password: CANARY, items: [{ token: CANARY, n: 1 }] });
      const { recorded_arguments: recorded } = await called("bob");
      assert.deepEqual(JSON.parse(recorded.text), { what: "visible-1", password: "[redacted]", items: [{ token: "[redacted]", n: 1 }] });
      assert.equal(recorded.is_cut, false);
      assert.equal((await called("bob", viewer)).recorded_arguments, null);
      assert.equal(await onDisk(CANARY), false);
      if (store === "sqlite") assert.equal(await onDisk("visible-1"), true);
      assert.equal(await onDisk("result of visible-1"), false);
      assert.ok(!gateway.log().includes(CANARY) && !gateway.log().includes("visible-1"));
      const { items } = await gateway.api("GET", `${gateway.project}/audit-events?action=gateway.updated`);
      assert.ok(items[0].changes.some(({ field }) => field === "record_arguments"));
    });

    test("long arguments are cut and say so", async () => {
      await call(made.url, key, "long", { what: "x".repeat(100_000), password: CANARY });
      const { recorded_arguments: recorded } = await called("long");
      assert.deepEqual([recorded.text.length, recorded.is_cut], [16_384, true]);
      assert.ok(recorded.bytes > 100_000);
      // Too long to be read for its arguments: the row is there without them.
      await call(made.url, key, "longer", { what: "x".repeat(1_100_000) });
      assert.equal((await called("longer")).recorded_arguments, null);
    });

    test("what was recorded is deleted on demand, and with the switch", async () => {
      assert.ok((await called("bob")).recorded_arguments);
      await gateway.api("DELETE", `${path()}/recorded-arguments`);
      assert.equal((await called("bob")).recorded_arguments, null);
      const { items } = await gateway.api("GET", `${gateway.project}/audit-events?action=gateway.arguments_deleted`);
      assert.equal(items.length, 1);
      await call(made.url, key, "carol", { what: "again" });
      assert.ok((await called("carol")).recorded_arguments);
      await gateway.api("PATCH", path(), { record_arguments: null });
      assert.equal((await called("carol")).recorded_arguments, null);
      await call(made.url, key, "dora", { what: CANARY });
      assert.equal((await called("dora")).recorded_arguments, null);
    });
  });
}

describe("recorded arguments in the dashboard", () => {
  let chromium, gateway, upstream, ada, page, url, key;
  const open = (path) => page.goto(`${gateway.url}${ada.project}${path}`);

  before(async () => {
    [chromium, gateway, upstream] = [await startChromium(), await startGateway(), await server()];
    ada = await firstPerson(chromium, gateway);
    page = ada.page;
    const api = await keyFor(page, gateway, ada.project);
    const create = (kind, body) => gateway.api("POST", `${ada.project}/${kind}`, body, api);
    await create("servers", { slug: "one", url: upstream.url });
    url = (await create("gateways", { name: "Recorded", slug: "recorded", authentication_mode: "headers" })).url;
    const owner = { name: "calls", role: "gateway" };
    await page.goto(`${gateway.url}${ada.project}/api-keys`);
    await page.getByLabel("Name", { exact: true }).fill(owner.name);
    await page.getByRole("radio", { name: /^Gateway/ }).check();
    await page.getByRole("button", { name: "Create key" }).click();
    key = await page.locator("#api-key").innerText();
  });

  after(async () => {
    await chromium?.close();
    await upstream?.stop();
    await gateway?.stop();
  });

  /** Opens the page of the newest call of a user. */
  const request = (visitor, user) =>
    within(15_000, async () => {
      await visitor.goto(`${gateway.url}${ada.project}/activity?kind=call&person=%7C${user}`);
      const row = visitor.locator("[data-row] a").first();
      return (await row.count()) > 0 && (await row.click(), true);
    }, "the call is not in the list");

  test("an administrator turns it on with a warning, and sees the arguments on the page of a request", async () => {
    await open("/gateways");
    await page.locator("main").getByRole("link", { name: "Recorded" }).first().click();
    await page.getByRole("link", { name: "Edit" }).click();
    await page.getByText("Advanced: record what clients send").click();
    await page.getByText("Arguments can contain personal data and secrets").waitFor();
    await page.getByLabel("Record arguments of tools and prompts").check();
    await page.getByLabel("Do not store these").fill("password");
    await page.getByRole("button", { name: "Save changes" }).click();
    await page.getByText("begin it with /").first().waitFor();
    await look(page, "record-arguments-form");
    await page.getByLabel("Do not store these").fill("/password\n/items/*/token");
    await page.getByRole("button", { name: "Save changes" }).click();
    await page.getByText("Recorded, kept for 7 days").waitFor();
    await look(page, "record-arguments-gateway");
    await call(url, key, "bob", { what: "visible-1", password: CANARY });
    await request(page, "bob");
    await page.getByRole("heading", { name: "Arguments" }).waitFor();
    const shown = await page.locator("main").innerText();
    assert.match(shown, /"what": "visible-1"/);
    assert.match(shown, /"password": "\[redacted\]"/);
    assert.ok(!shown.includes(CANARY));
    await look(page, "recorded-arguments");
  });

  test("who only looks does not see them, and they can be deleted at any time", async () => {
    await open("/members");
    const link = await invite(page, { email: "grace@example.com" }, "Viewer");
    const grace = await person(chromium);
    await joinProject(grace.page, link, { name: "Grace Hopper" });
    await request(grace.page, "bob");
    await grace.page.getByRole("heading", { name: "About this request" }).waitFor();
    assert.equal(await grace.page.getByRole("heading", { name: "Arguments" }).count(), 0);
    assert.ok(!(await grace.page.content()).includes("visible-1"));
    await open("/gateways");
    await page.locator("main").getByRole("link", { name: "Recorded" }).first().click();
    await page.getByText("Delete recorded arguments…").click();
    await page.getByRole("button", { name: "Delete recorded arguments" }).click();
    await page.getByText("The recorded arguments are deleted.").waitFor();
    await request(page, "bob");
    await page.getByRole("heading", { name: "About this request" }).waitFor();
    assert.equal(await page.getByRole("heading", { name: "Arguments" }).count(), 0);
    assert.deepEqual(ada.complaints, []);
  });
});
