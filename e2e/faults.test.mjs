// Faults below the process: a kill in the middle of writing, a full disk, an unavailable database. Everything
// acknowledged survives, nothing is done partly or twice, and it recovers without help.

import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createSignInGateway, apiHeaders } from "./lib/api.mjs";
import { browserOf, codeOf, tokenRequest } from "./lib/code.mjs";
import { smallDisk } from "./lib/disk.mjs";
import { refreshing, register } from "./lib/flow.mjs";
import { STORES, configure, startGateway } from "./lib/gateway.mjs";
import { startPostgres } from "./lib/postgres.mjs";
import { run, start } from "./lib/process.mjs";
import { startProvider } from "./lib/provider.mjs";
import { within } from "./lib/time.mjs";

/** A gateway instance with a provider and one gateway where people sign in. */
async function signInWorld(options) {
  const gateway = await startGateway({ logLevel: "warn", ...options });
  const provider = await startProvider({ redirectUri: gateway.callback });
  const { url } = await createSignInGateway(gateway, provider);
  const stop = async () => {
    await provider.stop();
    await gateway.stop();
  };
  return { gateway, url, client: await register(url), browser: browserOf(), stop };
}

const refreshed = (url, tokens, client_id) =>
  tokenRequest(url, refreshing(client_id, tokens.refresh_token));

for (const store of STORES) {
  describe(`killed on ${store}`, () => {
    let world;

    before(async () => void (world = await signInWorld({ store })));
    after(() => world?.stop());

    test("while codes are redeemed: each yields one complete grant or none, and no code two", async () => {
      const { gateway, url, client, browser } = world;
      for (const killedAfter of [1, 3]) {
        const codes = [];
        for (let count = 0; count < 6; count += 1) codes.push(await codeOf(url, client, { browser }));
        let acknowledged = 0;
        let restarted;
        const first = await Promise.all(
          codes.map(async (code) => {
            const answer = await tokenRequest(url, code);
            if (answer?.status === 200 && (acknowledged += 1) === killedAfter) restarted = gateway.restart("SIGKILL");
            return answer;
          }),
        );
        assert.ok(restarted, "nothing was acknowledged before the kill");
        await restarted;
        for (const [index, answer] of first.entries()) {
          const again = await tokenRequest(url, codes[index]);
          const both = [answer?.status, again.status].filter((status) => status === 200);
          assert.ok(both.length <= 1, "a code was redeemed twice");
          const tokens = answer?.status === 200 ? answer : again;
          if (tokens.status === 200) assert.equal((await refreshed(url, tokens, client)).status, 200);
          else assert.equal(tokens.error, "invalid_grant");
        }
        const halves = await gateway.rows(
          `SELECT (SELECT count(*) FROM grants g WHERE NOT EXISTS (SELECT 1 FROM refresh_tokens r WHERE r.grant_id = g.id)) AS without_token,
                  (SELECT count(*) FROM authorization_codes c LEFT JOIN grants g ON g.id = c.grant_id
                    WHERE (c.redeemed_at IS NULL) <> (g.id IS NULL)) AS at_odds`,
        );
        assert.deepEqual({ ...halves[0] }, { without_token: 0, at_odds: 0 });
      }
    });

    test("while administrators save: everything acknowledged exists, with its line in the audit trail", async () => {
      const { gateway } = world;
      const named = async (path) => {
        const page = await gateway.api("GET", `${gateway.project}/${path}?limit=200`);
        return page.items;
      };
      for (let round = 0; round < 3; round += 1) {
        const saved = [];
        let restarted;
        await Promise.all(
          Array.from({ length: 8 }, async (_, index) => {
            const name = `Key ${round} ${index}`;
            const made = await gateway.create("api-keys", { name, role: "viewer" }).catch(() => undefined);
            if (made) saved.push(name);
            if (saved.length === round + 1) restarted ??= gateway.restart("SIGKILL");
          }),
        );
        assert.ok(restarted, "nothing was acknowledged before the kill");
        await restarted;
        const keys = await named("api-keys");
        const names = keys.map((key) => key.name);
        for (const name of saved) assert.ok(names.includes(name), `${name} is gone`);
        const [{ n }] = await gateway.rows(
          `SELECT count(*) AS n FROM audit_events WHERE object_type = 'api_key' AND action LIKE '%create%' AND project_id = '${gateway.project.split("/").pop()}'`,
        );
        assert.equal(Number(n), keys.length, "as many were written as the audit trail shows");
        const { program, config } = gateway;
        assert.match(await run(program, ["audit", "verify", ...config]), /^No event was changed/m);
      }
    });

    test("while it migrates: the next start finishes", async () => {
      const migrate = ({ program, config }) => start(program, ["migrate", ...config], {});
      const whole = await configure({ store });
      const began = performance.now();
      assert.equal(await (await migrate(whole)).exited, 0);
      const took = performance.now() - began;
      const tables = async (instance) =>
        (await instance.rows(
          store === "sqlite"
            ? "SELECT name, sql AS made FROM sqlite_master WHERE name NOT LIKE 'sqlite%' ORDER BY name"
            : "SELECT table_name AS name, column_name AS made FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
        )).map((row) => ({ ...row }));
      const expected = await tables(whole);
      assert.ok(expected.length > 10);
      await rm(whole.folder, { recursive: true, force: true });
      for (const part of [0.3, 0.5, 0.7, 0.9]) {
        const instance = await configure({ store });
        const running = await migrate(instance);
        // The step at which it is killed differs between runs, and none may matter.
        setTimeout(() => running.stop("SIGKILL"), took * part);
        await running.exited;
        assert.equal(await (await migrate(instance)).exited, 0);
        assert.deepEqual(await tables(instance), expected);
        const printed = await run(instance.program, ["admin", "init", ...instance.config]);
        assert.match(printed, /gwk_/);
        await rm(instance.folder, { recursive: true, force: true });
      }
    });
  });
}

describe("a disk that is full", () => {
  let world, disk;

  before(async () => {
    disk = await smallDisk();
    world = await signInWorld({ dataDir: join(disk.folder, "data"), wrapper: disk.wrapper });
  });
  after(async () => {
    await world?.stop();
    await disk?.stop();
  });

  test("writes get 503, reads keep working, and everything recovers with free space", async () => {
    const { gateway, url, client, browser } = world;
    const held = await tokenRequest(url, await codeOf(url, client, { browser }));
    const waiting = await codeOf(url, client, { browser });
    await disk.fill(gateway.pid());
    const names = [];
    const save = async () => {
      const name = `Server ${names.length}`;
      const answer = await fetch(`${gateway.url}/api/v1${gateway.project}/servers`, {
        method: "POST",
        headers: apiHeaders(gateway.projectKey),
        body: JSON.stringify({ slug: `s${names.length}`, name, url: `https://mcp.example.com/${"d".repeat(400)}` }),
      });
      const text = await answer.text();
      if (answer.status === 201) names.push(name);
      return { status: answer.status, retryAfter: answer.headers.get("retry-after"), text };
    };
    // The existing contents of the database's log are overwritten before it has to grow.
    let refused;
    for (let count = 0; count < 2_000 && refused === undefined; count += 1) {
      const answer = await save();
      if (answer.status !== 201) refused = answer;
    }
    assert.equal(refused?.status, 503, JSON.stringify(refused));
    assert.ok(Number(refused.retryAfter) > 0);
    assert.match(refused.text, /Nothing changed/);
    const redeemed = await tokenRequest(url, waiting);
    assert.equal(redeemed.status, 503, JSON.stringify(redeemed));
    assert.ok(Number(redeemed.retryAfter) > 0);
    const all = async () => {
      const items = [];
      for (let cursor = ""; cursor !== undefined; ) {
        const page = await gateway.api("GET", `${gateway.project}/servers?limit=200${cursor && `&cursor=${cursor}`}`);
        items.push(...page.items.map((item) => item.name));
        cursor = page.next_cursor ?? undefined;
      }
      return items.toSorted();
    };
    assert.deepEqual(await all(), names.toSorted(), "exactly the acknowledged objects exist");

    await disk.free(gateway.pid());
    const afterwards = await save();
    assert.equal(afterwards.status, 201, `${afterwards.text}\n${gateway.log()}`);
    assert.equal((await tokenRequest(url, waiting)).status, 200, "the code was not used up");
    assert.equal((await refreshed(url, held, client)).status, 200);
    assert.deepEqual(await all(), names.toSorted());
    await gateway.restart("SIGKILL");
    assert.deepEqual(await all(), names.toSorted());
  });
});

describe("a database that is unavailable", () => {
  let world, postgres;

  before(async () => {
    postgres = await startPostgres();
    world = await signInWorld({ databaseUrl: postgres.url });
  });
  after(async () => {
    await world?.stop();
    await postgres?.stop();
  });

  test("requests get 503 with Retry-After everywhere, and it recovers without a restart", async () => {
    const { gateway, url, client, browser } = world;
    const held = await tokenRequest(url, await codeOf(url, client, { browser }));
    const waiting = await codeOf(url, client, { browser });
    const pid = gateway.pid();
    const ready = async () => (await fetch(`${gateway.url}/readyz`)).status === 200;
    const mcp = () => fetch(url, { method: "POST", headers: { authorization: `Bearer ${held.access_token}` }, body: "{}" });
    assert.ok(await ready());

    await postgres.takeAway();
    for (const form of [
      waiting,
      refreshing(client, held.refresh_token),
    ]) {
      const answer = await tokenRequest(url, form);
      assert.equal(answer.status, 503, JSON.stringify(answer));
      assert.ok(Number(answer.retryAfter) > 0);
    }
    const list = await fetch(`${gateway.url}/api/v1${gateway.project}/servers`, {
      headers: { authorization: `Bearer ${gateway.projectKey}` },
    });
    assert.equal(list.status, 503, await list.text());
    assert.ok(Number(list.headers.get("retry-after")) > 0);
    // Configuration read before is trusted for five seconds, and no longer.
    await within(10_000, async () => (await mcp()).status === 503, "a stale configuration keeps serving");
    assert.ok(!(await ready()));
    assert.equal((await fetch(`${gateway.url}/healthz`)).status, 200, "the process itself is healthy");

    await postgres.bringBack();
    await within(15_000, ready, "it does not recover");
    assert.equal(gateway.pid(), pid);
    assert.equal((await tokenRequest(url, waiting)).status, 200, "the code was not used up");
    assert.equal((await refreshed(url, held, client)).status, 200);
    assert.notEqual((await mcp()).status, 503);
  });
});
