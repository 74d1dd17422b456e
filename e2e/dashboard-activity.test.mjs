// What people ask a gateway, as their administrator sees it, in a real Chromium and with real calls: charts, the list with its
// filters, a request that was refused and one that went well, and new ones as they come.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { signedIn } from "./lib/access-token.mjs";
import { sourceFields } from "./lib/api.mjs";
import { startChromium } from "./lib/chromium.mjs";
import { firstPerson, keyFor, look } from "./lib/dashboard.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { toolCall } from "./lib/mcp.mjs";
import { startProvider } from "./lib/provider.mjs";
import { within } from "./lib/time.mjs";
import { startRmcp } from "./lib/upstreams.mjs";

for (const javaScriptEnabled of [true, false]) {
  describe(`activity in the dashboard ${javaScriptEnabled ? "with" : "without"} script`, () => {
    let chromium, gateway, provider, rmcp, ada, page, url, token;

    const open = (path) => page.goto(`${gateway.url}${ada.project}${path}`);
    const snap = (name) => (javaScriptEnabled ? look(page, name) : undefined);
    const rows = () => page.locator("[data-row]");

    /** Calls a tool; the status of the response. */
    async function call(name, bearer = token) {
      const answer = await fetch(url, toolCall({ bearer, name }));
      await answer.text();
      return answer.status;
    }

    /** Opens the list until it has this many rows: they are written within two seconds. */
    const openWith = (count, path = "/activity") =>
      within(15_000, async () => (await open(path), (await rows().count()) >= count), `the list has fewer than ${count} rows`);

    before(async () => {
      [chromium, gateway, provider] = [await startChromium(), await startGateway(), undefined];
      provider = await startProvider({ redirectUri: gateway.callback });
      ada = await firstPerson(chromium, gateway, { javaScriptEnabled });
      page = ada.page;
      rmcp = await startRmcp(gateway, { project: ada.project });
      const key = await keyFor(page, gateway, ada.project);
      const create = (kind, body) => gateway.api("POST", `${ada.project}/${kind}`, body, key);
      const source = await create("user-sources", sourceFields(provider));
      const server = await create("servers", { slug: "rmcp", name: "Rmcp", url: rmcp.url, identity: "assertion" });
      const fields = { name: "Support agents", authentication_mode: "user_source", user_source_id: source.id };
      url = (await create("gateways", { ...fields, servers: [server.id] })).url;
    });

    after(async () => {
      for (const each of [rmcp, provider, gateway]) await each?.stop();
      await chromium?.close();
    });

    test("before any request, the page says how they appear", async () => {
      await open("/activity");
      await page.getByText("No requests in the last day").first().waitFor();
      await snap("activity-empty");
    });

    test("calls are charts and rows, and the filters are in the address", async () => {
      token = (await signedIn({ url, user: "grace", name: "Claude Code" })).tokens.access_token;
      for (let calls = 0; calls < 12; calls += 1) assert.equal(await call("whoami"), 200);
      for (let calls = 0; calls < 3; calls += 1) await call("no_such_tool");
      assert.equal(await call("whoami", "not-a-token"), 401);
      await openWith(16);
      await page.getByRole("img", { name: /^Requests/ }).waitFor();
      await page.getByRole("img", { name: /^People active/ }).waitFor();
      await page.getByText("Not offered by the gateway").first().waitFor();
      await snap("activity");
      await page.getByLabel("Result").selectOption("refused");
      if (!javaScriptEnabled) await page.getByRole("button", { name: "Filter" }).click();
      await page.waitForURL(/outcome=refused/);
      await rows().getByText("OK", { exact: true }).first().waitFor({ state: "detached" });
      await snap("activity-refused");
    });

    test("the numbers of a chart are in a table behind it", async () => {
      await open("/activity?range=hour");
      await page.getByText("Show the numbers of Requests").click();
      await page.getByRole("columnheader", { name: "Failed" }).first().waitFor();
      await snap("activity-numbers");
    });

    test("a refused request says why, and one that went well where its time went", async () => {
      await open("/activity?outcome=refused&kind=call");
      await page.getByRole("link", { name: "Refused" }).first().click();
      await page.getByText("The gateway offers nothing of this name to this person.").waitFor();
      await page.getByRole("link", { name: "Open the gateway" }).waitFor();
      await snap("activity-refused-request");
      await open("/activity?tool=whoami&outcome=ok");
      await page.getByRole("link", { name: "OK" }).first().click();
      await page.getByText(/at the server, .* in Gatewright/).waitFor();
      await page.locator("main").getByRole("link", { name: "Grace Hopper" }).waitFor();
      await snap("activity-request");
      await page.getByRole("link", { name: "Others of this person" }).click();
      await page.getByText("Only requests of Grace Hopper").waitFor();
    });

    test("the overview, and the pages of gateway, server and user, show the last day", async () => {
      await open("");
      await page.getByRole("heading", { name: "Last 24 hours", exact: true }).waitFor();
      await snap("overview-activity");
      await page.getByRole("heading", { name: "Slowest" }).waitFor();
      for (const [section, name] of [["gateways", "Support agents"], ["servers", "Rmcp"], ["users", "Grace Hopper"]]) {
        await open(`/${section}`);
        await page.locator("main").getByRole("link", { name }).first().click();
        await page.getByRole("heading", { name: "Last 24 hours", exact: true }).waitFor();
        await snap(`activity-of-${section}`);
      }
    });

    if (javaScriptEnabled) {
      test("new requests appear while one follows them, until one stops or signs out", async () => {
        await openWith(16);
        const before = await rows().count();
        await page.getByRole("button", { name: "Follow" }).click();
        await page.getByText("New requests appear on top.").waitFor();
        assert.equal(await call("whoami"), 200);
        await within(15_000, async () => (await rows().count()) === before + 1, "the new request did not appear");
        await rows().first().getByText("whoami").waitFor();
        await snap("activity-followed");
        await page.getByRole("button", { name: "Stop following" }).click();
        await page.getByRole("button", { name: "Follow" }).waitFor();
      });
    } else {
      test("without script there is a link in place of what follows by itself", async () => {
        await openWith(16);
        const before = await rows().count();
        assert.equal(await page.getByRole("button", { name: "Follow" }).count(), 0);
        assert.equal(await call("whoami"), 200);
        await within(
          15_000,
          async () => (await page.getByRole("link", { name: "Refresh" }).click(), (await rows().count()) === before + 1),
          "the new request did not appear",
        );
      });
    }

    test("nothing complained on the way", () => {
      assert.deepEqual(ada.complaints, []);
    });
  });
}
