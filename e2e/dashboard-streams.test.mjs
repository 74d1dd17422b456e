// The pages of streams in a real Chromium: one of each kind is created, tested, fails, is changed and deleted, with script and without;
// and how the pages look.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startChromium } from "./lib/chromium.mjs";
import { firstPerson, look } from "./lib/dashboard.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { SECRET, startWebhook } from "./lib/receivers.mjs";
import { within } from "./lib/time.mjs";

const LONG = "Security information and event management of the Acme group, Rotterdam (EU)";

for (const javaScriptEnabled of [true, false]) {
  describe(`streams in the dashboard ${javaScriptEnabled ? "with" : "without"} script`, () => {
    let chromium, gateway, webhook, ada, page, folder;

    const open = (path) => page.goto(`${gateway.url}/instance/streams${path}`);
    const press = (name) => page.getByRole("button", { name }).click();
    const fill = (label, text) => page.getByLabel(label, { exact: true }).fill(text);
    const snap = (name) => (javaScriptEnabled ? look(page, name) : undefined);

    before(async () => {
      chromium = await startChromium();
      folder = await mkdtemp(join(tmpdir(), "gatewright-streams-"));
      gateway = await startGateway({ env: { GATEWRIGHT__STREAMS__DIRECTORY: folder } });
      webhook = await startWebhook();
      ada = await firstPerson(chromium, gateway, { javaScriptEnabled });
      page = ada.page;
    });

    after(async () => {
      await chromium?.close();
      for (const each of [webhook, gateway]) await each?.stop();
      await rm(folder, { recursive: true, force: true });
    });

    test("before there is one, the page says what a stream is", async () => {
      await page.goto(`${gateway.url}/instance`);
      await page.getByRole("link", { name: "Streams", exact: true }).first().click();
      await page.getByRole("heading", { name: "No streams yet" }).waitFor();
      await snap("streams-empty");
    });

    test("a webhook is created, after what is wrong with it was named, and a test event arrives", async () => {
      await page.getByRole("link", { name: "New webhook stream" }).click();
      await snap("streams-new-webhook");
      await fill("Name", LONG);
      await fill("URL", "https://user:password@siem.example.com/");
      await fill("Secret", "too short");
      await page.getByLabel(/^Audit events/).uncheck();
      await press("Create stream");
      await page.locator("#url-error").waitFor();
      assert.equal(await page.locator(".error").count(), 3);
      assert.equal(await page.getByLabel("Secret", { exact: true }).inputValue(), "");
      await snap("streams-new-refused");
      await fill("URL", webhook.url);
      await fill("Secret", SECRET);
      await page.getByLabel(/^Audit events/).check();
      await page.getByLabel(/^Requests of gateways/).check();
      await press("Create stream");
      await page.getByText("The stream is created.").waitFor();
      await press("Send a test event");
      await page.getByText("The test event arrived.").waitFor();
      assert.equal(webhook.accepted.filter(({ type }) => type === "test").length, 1);
      await snap("streams-webhook");
    });

    test("while its receiver is away, its page and the list say so", async () => {
      const path = page.url();
      await webhook.stop();
      await press("Send a test event");
      await page.getByText("The test event did not arrive").waitFor();
      await snap("streams-test-failed");
      // The failed test event is an event itself, which waits now.
      await within(20_000, async () => (await page.goto(path), await page.getByText("Fails", { exact: true }).count()) > 0, "the page says nothing");
      await page.getByText("Last error").waitFor();
      await snap("streams-fails");
      assert.match(await page.locator("main").innerText(), /Next attempt/);
      await open("");
      await page.getByText("Fails", { exact: true }).waitFor();
    });

    test("a file and a syslog stream are created, and one is deactivated", async () => {
      await page.getByRole("link", { name: "New file stream" }).click();
      await page.getByText(folder).waitFor();
      await fill("Name", "Archive");
      await fill("File name", "../audit.jsonl");
      await press("Create stream");
      await page.locator("#file_name-error").waitFor();
      await snap("streams-new-file");
      await fill("File name", "audit.jsonl");
      await press("Create stream");
      await page.getByText("The stream is created.").waitFor();
      await press("Send a test event");
      await page.getByText("The test event arrived.").waitFor();
      assert.match(await readFile(join(folder, "audit.jsonl"), "utf8"), /"type":"test"/);
      await open("/new?kind=syslog");
      await fill("Name", "Syslog");
      await fill("Host", "a-receiver-with-a-long-name.security.rotterdam.example.com");
      await fill("Certificate authorities", "not a certificate");
      await press("Create stream");
      await page.locator("#authorities-error").waitFor();
      await snap("streams-new-syslog");
      await fill("Certificate authorities", "");
      await press("Create stream");
      await page.getByText("The stream is created.").waitFor();
      await press("Deactivate");
      await page.getByText("The stream is inactive.").waitFor();
      await snap("streams-syslog");
    });

    test("the list shows all of them, also what was lost", async () => {
      const lost = `UPDATE stream_states SET lost = 1204, lost_at = ${Date.now()} WHERE stream_id IN (SELECT id FROM streams WHERE name = 'Syslog')`;
      await gateway.execute(lost);
      await open("");
      await page.getByText("Lost records").waitFor();
      const download = page.waitForEvent("download");
      await page.getByRole("link", { name: "CSV", exact: true }).click();
      assert.match((await download).suggestedFilename(), /^streams-.*\.csv$/);
      assert.equal(await page.locator("tbody tr").count(), 3);
      await snap("streams");
      await page.getByRole("link", { name: "Syslog", exact: true }).click();
      await page.getByText("1204").waitFor();
      await snap("streams-lost");
    });

    test("a stream is changed, not over the change of another, and deleted", async () => {
      await open("");
      await page.getByRole("link", { name: "Archive" }).click();
      const other = await ada.context.newPage();
      await other.goto(page.url());
      await fill("Files to keep", "9");
      await press("Save stream");
      await page.getByText("The stream is saved.").waitFor();
      await other.getByRole("button", { name: "Save stream" }).click();
      await other.getByText("Someone else saved first").waitFor();
      await other.close();
      await page.getByText("Delete…").click();
      const [card, button] = await Promise.all([
        page.locator(".card.danger").boundingBox(),
        page.getByRole("button", { name: "Delete stream" }).boundingBox(),
      ]);
      assert.ok(button.y + button.height < card.y + card.height && button.x < card.x + card.width / 2, "the question is in its card");
      await snap("streams-delete");
      await press("Delete stream");
      await page.getByText("The stream is deleted.").waitFor();
      assert.equal(await page.locator("tbody tr").count(), 2);
    });

    test("nothing complained on the way", () => {
      assert.deepEqual(ada.complaints, []);
    });
  });
}

test("without a folder for files, the form says what to configure", async (t) => {
  const [chromium, gateway] = [await startChromium(), await startGateway()];
  t.after(async () => {
    await chromium.close();
    await gateway.stop();
  });
  const { page } = await firstPerson(chromium, gateway);
  await page.goto(`${gateway.url}/instance/streams/new?kind=file`);
  await page.getByText("streams.directory").waitFor();
  await look(page, "streams-no-folder");
});
