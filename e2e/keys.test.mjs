// Master keys: replaced while people sign in, by a rotation that is killed again and again. Values sealed with either
// key open at every moment, and the next rotation continues where the last one stopped.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { createSignInGateway } from "./lib/api.mjs";
import { browserOf, codeOf, tokenRequest } from "./lib/code.mjs";
import { refreshing, register } from "./lib/flow.mjs";
import { STORES, startGateway } from "./lib/gateway.mjs";
import { start } from "./lib/process.mjs";
import { startProvider } from "./lib/provider.mjs";
import { within } from "./lib/time.mjs";

/** Several times what a rotation writes in one transaction. */
const SECRETS = 900;

for (const store of STORES) {
  describe(`a rotation of the master key on ${store}`, () => {
    let gateway, provider, url, client, browser;

    before(async () => {
      gateway = await startGateway({ store, logLevel: "warn" });
      provider = await startProvider({ redirectUri: gateway.callback });
      const made = await createSignInGateway(gateway, provider);
      for (let begun = 0; begun < SECRETS; begun += 10) {
        const ten = Array.from({ length: 10 }, (_, index) => `SECRET_${begun + index}`);
        await Promise.all(ten.map((name) => gateway.create("secrets", { name, value: name, origins: ["https://mcp.example.com"] })));
      }
      [url, client, browser] = [made.url, await register(made.url), browserOf()];
    });

    after(async () => {
      for (const each of [provider, gateway]) await each?.stop();
    });

    const configure = async (...keys) => {
      const file = gateway.config[1];
      const text = await readFile(file, "utf8");
      await writeFile(file, text.replace(/^master = .*$/m, `master = ${JSON.stringify(keys)}`));
      await gateway.restart();
    };

    const rotate = () => start(gateway.program, ["keys", "rotate", ...gateway.config], {});

    /** How many secrets are sealed with each key. */
    const sealed = async () => {
      const rows = await gateway.rows("SELECT substr(value, 4, 8) AS name, count(*) AS n FROM secrets GROUP BY 1");
      return Object.fromEntries(rows.map((row) => [row.name, Number(row.n)]));
    };

    /** Locks the last secret, so that a rotation cannot finish; SQLite has no lock that would not stop it completely. */
    async function hold() {
      if (store === "sqlite") return () => {};
      const holder = spawn("psql", [gateway.databaseUrl, "-Atq"], { stdio: ["pipe", "pipe", "inherit"] });
      holder.stdin.write("begin;\nselect 'held' from secrets order by id desc limit 1 for update;\n");
      await once(holder.stdout, "data");
      return async () => {
        holder.stdin.end("rollback;\n");
        await once(holder, "exit");
      };
    }

    const signsIn = async () => {
      const tokens = await tokenRequest(url, await codeOf(url, client, { browser }));
      assert.equal(tokens.status, 200, JSON.stringify(tokens));
      return tokens;
    };

    test("a killed one leaves every value readable, and the next one finishes", async () => {
      const first = gateway.masterKey;
      const second = randomBytes(32).toString("base64");
      const held = await signsIn();
      const [old] = Object.keys(await sealed());
      await configure(second, first);
      const letGo = await hold();
      const running = await rotate();
      let between;
      do between = await sealed();
      while (Object.keys(between).length === 1 && running.child.exitCode === null);
      await running.stop("SIGKILL");
      await letGo();
      between = await sealed();
      const [fresh] = Object.keys(between).filter((key) => key !== old);
      assert.ok(between[old] > 0 && between[fresh] > 0, `it was not cut off half way: ${JSON.stringify(between)}`);
      assert.equal(between[old] + between[fresh], SECRETS);

      await signsIn();
      await gateway.restart();
      const next = await tokenRequest(url, refreshing(client, held.refresh_token));
      assert.equal(next.status, 200, JSON.stringify(next));

      const again = await rotate();
      assert.equal(await again.exited, 0, again.output());
      assert.deepEqual(await sealed(), { [fresh]: SECRETS });
      // Without the old key, clients that registered themselves with it are lost, and everything stored is still there.
      await configure(second);
      client = await register(url);
      await signsIn();
      // Another rotation opens every single value.
      const third = randomBytes(32).toString("base64");
      await configure(third, second);
      const last = await rotate();
      assert.equal(await last.exited, 0, last.output());
      await configure(third);
      client = await register(url);
      await signsIn();
    });
  });
}

describe("two processes on one SQLite folder", () => {
  let gateway, other;

  before(async () => void (gateway = await startGateway()));
  after(async () => {
    for (const each of [other, gateway]) await each?.stop();
  });

  test("the second one warns and serves, and a single one does not warn", async () => {
    const warning = /another process serves from this data folder/;
    assert.doesNotMatch(gateway.log(), warning);
    other = await gateway.replica();
    // It may respond before its output has come through the pipe.
    await within(2_500, () => warning.test(other.log()), () => `it does not warn:\n${other.log()}`);
    assert.equal((await fetch(`${other.origin}/readyz`)).status, 200);
    await other.stop();
    await gateway.restart();
    assert.doesNotMatch(gateway.log(), warning);
  });
});
