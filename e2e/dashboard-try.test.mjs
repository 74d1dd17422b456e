// Trying tools that ask their user something, and that report while they work, in a real Chromium: with real servers of both eras, with
// and without script.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startAskingSessions, startAskingStateless } from "./lib/asking-servers.mjs";
import { startChromium } from "./lib/chromium.mjs";
import { firstPerson, keyFor, look } from "./lib/dashboard.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { within } from "./lib/time.mjs";

const until = (condition) => within(20_000, condition, "the server still did not learn of it");

const SERVERS = { sessions: startAskingSessions, stateless: startAskingStateless };

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "with" : "without";

  describe(`tools that ask and report, ${how} script`, () => {
    const servers = {};
    let chromium, gateway, ada, page, project, tools;

    before(async () => {
      [chromium, gateway] = await Promise.all([startChromium(), startGateway()]);
      for (const [name, start] of Object.entries(SERVERS)) servers[name] = await start();
      ada = await firstPerson(chromium, gateway, { javaScriptEnabled });
      ({ page, project } = ada);
      const key = await keyFor(page, gateway, project);
      const api = (path, body) => gateway.api("POST", `${project}/${path}`, body, key);
      for (const [name, { url }] of Object.entries(servers)) await api("servers", { slug: name, name: `Table ${name}`, url });
      const { id } = await api("gateways", { name: "Support agents", slug: `try-${how}`, authentication_mode: "project_members" });
      tools = `${gateway.url}${project}/gateways/${id}/try`;
    });

    after(async () => {
      for (const part of [gateway, ...Object.values(servers)]) await part?.stop();
      await chromium?.close();
    });

    const call = async (tool) => {
      await page.goto(`${tools}/${tool}`);
      await page.getByRole("button", { name: "Call tool" }).click();
    };
    const question = () => page.getByRole("region", { name: "The server asks" });
    const result = () => page.getByRole("region", { name: "Result" }).locator("pre.output").first();
    const focused = () => page.evaluate("document.activeElement.name ?? document.activeElement.id");
    // What is looked at is the same without script, where axe cannot run.
    const shot = (name) => javaScriptEnabled && look(page, `try-${name}`);

    for (const era of Object.keys(SERVERS)) {
      describe(`by a server of the kind “${era}”`, () => {
        test("a form is filled in, corrected and answered, and a second one follows", async () => {
          await call(`${era}_book`);
          await question().getByText("For whom is the table? <b>Please</b> fill in who comes.").waitFor();
          assert.equal(await focused(), "argument:/1/name");
          if (era === "sessions") await shot("question");
          await question().getByLabel(/^Name of the guest/).fill("Ada");
          await question().getByLabel(/^E-mail address/).fill("nowhere");
          await question().getByLabel(/^People/).fill("9");
          await question().getByRole("button", { name: "Send answer" }).click();
          await question().getByText("This must be an e-mail address, like ada@example.com.").waitFor();
          await question().getByText("This must be at most 8.").waitFor();
          assert.equal(await focused(), "argument:/1/email", "the first field that is wrong");
          if (era === "sessions") await shot("wrong-answer");
          await question().getByLabel(/^E-mail address/).fill("ada@example.com");
          await question().getByLabel(/^People/).fill("3");
          await question().getByLabel(/^Room/).selectOption("Terrace");
          await question().getByLabel("At a window").check();
          await question().getByLabel(/^People/).press("Enter");
          await question().getByText("A table for 3, is that right?").waitFor();
          await question().getByText("Round 2").waitFor();
          await question().getByRole("button", { name: "Send answer" }).click();
          const expected = { name: "Ada", email: "ada@example.com", day: "2026-12-24", people: 3, room: "out", wishes: ["window"], sure: true };
          assert.deepEqual(JSON.parse(await result().innerText()), expected);
          if (era === "sessions") await shot("answered");
        });

        test("a question is declined and dismissed", async () => {
          for (const [button, action] of [
            ["Decline", "decline"],
            ["Cancel", "cancel"],
          ]) {
            await call(`${era}_book`);
            await question().getByRole("button", { name: button }).click();
            assert.equal(await result().innerText(), `You chose ${action}.`);
          }
        });

        test("a page is shown by its address, and opened only by a click, in a tab of its own", async () => {
          await call(`${era}_connect`);
          await question().getByText("https://accounts.example.com/connect?for=calendar&state=abc").waitFor();
          if (era === "stateless") await shot("url");
          const link = question().getByRole("link", { name: "Open accounts.example.com in a new tab" });
          await ada.context.route("https://accounts.example.com/**", (route) => route.fulfill({ body: "there" }));
          const [tab] = await Promise.all([ada.context.waitForEvent("page"), link.click()]);
          await tab.waitForURL(/^https:\/\/accounts\.example\.com\/connect/);
          if (javaScriptEnabled) assert.equal(await tab.evaluate("window.opener"), null);
          await tab.close();
          await question().getByRole("button", { name: "Continue" }).click();
          assert.equal(await result().innerText(), "You chose accept.");
        });
      });
    }

    if (!javaScriptEnabled) {
      test("progress and log are shown with the result", async () => {
        for (const era of Object.keys(SERVERS)) {
          const calling = call(`${era}_export`);
          const { exporting } = servers[era];
          await until(() => (exporting.goOn(), exporting.told.finished > 0));
          await calling;
          assert.equal(await result().innerText(), "Exported 100 rows.");
          const reports = page.locator("details.fold pre").first();
          assert.match(await reports.innerText(), /\[info\] Reading <i>table<\/i> orders\n40 of 100: Exporting orders\n\[warning\]/);
        }
      });
      return;
    }

    for (const era of Object.keys(SERVERS)) {
      const running = () => page.getByRole("region", { name: "Running" });

      describe(`from a server of the kind “${era}”`, () => {
        test("progress and log are shown while the tool runs, from the level that was chosen", async () => {
          const { exporting } = servers[era];
          await page.goto(`${tools}/${era}_export`);
          await page.getByLabel("Log level").selectOption("warning");
          await page.getByRole("button", { name: "Call tool" }).click();
          await running().getByText("40 of 100: Exporting orders").waitFor();
          await running().getByText("[warning] Two rows are odd").waitFor();
          assert.equal(await running().getByRole("status").getAttribute("aria-live"), "polite");
          assert.equal(await running().locator("progress").evaluate(({ value, max }) => value / max), 0.4);
          assert.equal(await running().getByText("Reading").count(), 0, "a message below the level");
          await shot(`running-${era}`);
          exporting.goOn();
          assert.equal(await result().innerText(), "Exported 100 rows.");
          assert.equal(await page.evaluate("document.activeElement.id"), "result");
          assert.equal(await running().count(), 0);
          assert.equal(await page.getByLabel("Log level").inputValue(), "warning");

          await page.getByLabel("Log level").selectOption("debug");
          await page.getByRole("button", { name: "Call tool" }).click();
          await running().getByText("[info] Reading <i>table</i> orders").waitFor();
          await running().getByText("[debug] Connecting to the archive").waitFor();
          exporting.goOn();
          await result().waitFor();
        });

        test("a call is cancelled, and its server learns so", async () => {
          const { told } = servers[era].exporting;
          const before = told.cancelled;
          await call(`${era}_export`);
          await running().getByText("40 of 100: Exporting orders").waitFor();
          await running().getByRole("button", { name: "Cancel" }).click();
          await page.getByRole("region", { name: "Not finished" }).getByText("You cancelled the request.").waitFor();
          await until(() => told.cancelled > before);
          await shot(`cancelled-${era}`);
          await page.getByRole("button", { name: "Call tool" }).click();
          await running().getByText("40 of 100: Exporting orders").waitFor();
          await page.goto(tools);
          await until(() => told.cancelled > before + 1);
        });
      });
    }

    test("nothing on the pages broke a rule of the browser", () => assert.deepEqual(ada.complaints, []));
  });
}
