// `gatewright demo` as a newcomer runs it: one command, the walkthrough, and a gateway that a person can keep using.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { checkAccessibility } from "./lib/accessibility.mjs";
import { photograph, startChromium } from "./lib/chromium.mjs";
import { BINARIES } from "./lib/gateway.mjs";
import { freePort, run, start } from "./lib/process.mjs";
import { within } from "./lib/time.mjs";

const program = join(BINARIES, "gatewright");
/** What the pages of the example project show after the walkthrough. */
const CONTENTS = {
  Gateways: "/mcp/demo",
  "User Sources": "Demo identity provider",
  Servers: "Demo server",
  Users: "Ada Lovelace",
  "Sign-ins": "Ada Lovelace",
  Members: "Demo admin",
};
let folder;
let port;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "gatewright-demo-"));
  port = await freePort();
});

// Nothing was created if the run's pattern left out every test.
after(() => folder && rm(folder, { recursive: true, force: true }));

const demo = (...more) => ["demo", "--data-dir", join(folder, "data"), "--port", String(port), ...more];

test("one command goes from a URL to a tool that knows Ada, and again over the same data", async () => {
  for (const time of ["first", "second"]) {
    const printed = await run(program, demo("--once"));
    assert.match(printed, /You are Ada Lovelace <ada@example\.com>/, time);
    assert.match(printed, /15 steps in /, time);
    assert.doesNotMatch(printed, /\u001b/, "no colour without a terminal");
    assert.doesNotMatch(printed, /eyJ/, "no token is printed");
  }
});

/** Opens a section until its page shows something: steps of a sign-in are written two seconds after they happened. */
async function shows(page, section, content) {
  const deadline = Date.now() + 10_000;
  do {
    assert.ok(Date.now() < deadline, `${section} does not show ${content}`);
    await page.locator(".sidebar").getByRole("link", { name: section, exact: true }).click();
    await page.getByRole("heading", { name: section, level: 1 }).waitFor();
  } while ((await page.locator("main").getByText(content).count()) === 0);
}

/** The demo, served until it is stopped, once it has printed everything. */
async function serving(...more) {
  const running = await start(program, demo(...more), { readyUrl: `http://127.0.0.1:${port}/readyz` });
  await within(30_000, () => running.output().includes("Ctrl-C"), running.output);
  return running;
}

test("its link opens the dashboard on the example project, at this start and the next", async () => {
  const chromium = await startChromium();
  try {
    const links = [];
    for (const time of ["first", "second"]) {
      const running = await serving("--no-open");
      const link = running.output().match(/http\S+\/demo\/[\w-]{43}\n/)?.[0].trim();
      assert.ok(link, running.output());
      assert.doesNotMatch(running.output(), /Your browser opens/, "there is no terminal");
      links.push(link);
      const page = await (await chromium.newContext({ reducedMotion: "reduce" })).newPage();
      await page.goto(link);
      await page.getByRole("heading", { name: "Demo", level: 1 }).waitFor();
      if (time === "first") {
        await photograph(page, "demo-overview");
        await checkAccessibility(page, "the demo's overview");
      }
      for (const [section, content] of Object.entries(CONTENTS)) {
        await shows(page, section, content);
      }
      await page.getByRole("button", { name: "Sign out" }).first().click();
      await page.getByText("You have signed out.").waitFor();
      await page.goto(page.url());
      await page.getByText("This is the demo.").waitFor();
      await page.goto(link);
      await page.getByRole("heading", { name: "Demo", level: 1 }).waitFor();
      if (time === "second") {
        await page.goto(links[0]);
        await page.getByRole("heading", { name: "This link does not work" }).waitFor();
      }
      await page.context().close();
      assert.equal(await running.stop("SIGINT"), 0, running.output());
    }
  } finally {
    await chromium.close();
  }
});

test("it keeps serving, prints what to enter, and exits at Ctrl-C with status 0", async () => {
  const url = `http://127.0.0.1:${port}`;
  const brief = await serving();
  assert.ok(brief.output().split("\n").length <= 41, brief.output());
  assert.ok(brief.output().includes(`claude mcp add --transport http gatewright-demo ${url}/mcp/demo`), brief.output());
  assert.equal(await brief.stop("SIGINT"), 0, brief.output());
  assert.match(brief.output(), /Stopped\. When you start it again, it continues with the same data\./);
  const running = await serving("--verbose");
  const printed = running.output();
  assert.ok(printed.includes(`claude mcp add --transport http gatewright-demo ${url}/mcp/demo`), printed);
  const [, key, users] = printed.match(/Bearer (gwk_[\w-]+)' \\\n\s+(http\S+\/users)/);
  const answer = await fetch(users, { headers: { authorization: `Bearer ${key}` } });
  const { items } = await answer.json();
  assert.deepEqual(
    items.map((user) => [user.subject, user.display_name]),
    [["ada-1815", "Ada Lovelace"]],
  );
  const second = await start(program, demo("--once"), {});
  assert.equal(await second.exited, 1, "two demos do not share a folder");
  assert.match(second.output(), /Another demo runs/);
  assert.equal(await running.stop("SIGINT"), 0, running.output());
});

test("a requested port that is in use is an error that says what to do", async () => {
  const taken = await start(program, demo(), { readyUrl: `http://127.0.0.1:${port}/readyz` });
  for (const option of ["--port", "--provider-port", "--server-port"]) {
    const other = ["demo", "--once", "--data-dir", join(folder, "other"), option, String(port)];
    const refused = await start(program, other, {});
    assert.equal(await refused.exited, 1);
    assert.ok(refused.output().includes(`Choose another with ${option}, or leave it out`), refused.output());
  }
  await taken.stop("SIGINT");
});
