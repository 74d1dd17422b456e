// Activity on the real program: every request is found in the API, and a kill loses at most the last two seconds.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { STORES, startGateway } from "./lib/gateway.mjs";
import { toolCall } from "./lib/mcp.mjs";
import { startStatelessServer } from "./lib/stateless-server.mjs";
import { pause } from "./lib/time.mjs";

const CANARY = "canary-in-arguments";
const TOOL = { name: "say", inputSchema: { type: "object", properties: { what: { type: "string" } } } };

/** A gateway in Headers mode before a server with one tool, whose calls can be distinguished by their user. */
async function startWorld(store) {
  const gateway = await startGateway({ store, logLevel: "warn" });
  const server = await startStatelessServer({
    list: () => ({ tools: [TOOL], ttlMs: 60_000, cacheScope: "public" }),
    call: ({ params, reply }) =>
      reply({ content: [{ type: "text", text: params.arguments.what }], isError: params.arguments.what === "fail" }),
  });
  await gateway.create("servers", { slug: "one", url: server.url });
  const { url } = await gateway.create("gateways", { name: "Active", slug: "active", authentication_mode: "headers" });
  const { key } = await gateway.create("api-keys", { name: "active", role: "gateway" });
  /** Calls the tool as a user; the status, or nothing if there was no response. */
  const call = async (user, what = CANARY) => {
    const response = await fetch(url, toolCall({ bearer: key, user, name: "say", arguments: { what } })).catch(() => undefined);
    await response?.text().catch(() => undefined);
    return response?.status;
  };
  /** All requests that a filter finds, the newest first. */
  const activity = async (filter = "") => {
    const found = [];
    for (let cursor = ""; cursor !== null; ) {
      const page = await gateway.api("GET", `${gateway.project}/activity?limit=200${filter}${cursor && `&cursor=${cursor}`}`);
      found.push(...page.items);
      cursor = page.next_cursor;
    }
    return found;
  };
  const stop = async () => {
    await gateway.stop();
    await server.stop();
  };
  return { gateway, call, activity, stop };
}

/** Waits until the activity has what is asked for; returns it. */
async function until(read, holds, seconds = 10) {
  const deadline = Date.now() + seconds * 1_000;
  for (;;) {
    const found = await read();
    if (holds(found)) return found;
    assert.ok(Date.now() < deadline, JSON.stringify(found.slice(0, 3), null, 2));
    await pause(50);
  }
}

for (const store of STORES) {
  describe(`activity on ${store}`, () => {
    let world;

    before(async () => void (world = await startWorld(store)));
    after(() => world?.stop());

    test("each request is found within two seconds, and none with what was in it", async () => {
      const { gateway, call, activity } = world;
      assert.equal(await call("ada"), 200);
      assert.equal(await call("bob", "fail"), 200);
      const answered = Date.now();
      const found = await until(() => activity("&kind=call"), ({ length }) => length >= 2);
      assert.ok(Date.now() - answered < 2_500, "it took longer");
      const [failed, first] = found;
      assert.equal(failed.outcome, "tool_error");
      assert.equal(failed.header_user_id, "bob");
      assert.equal(first.outcome, "ok");
      assert.equal(first.item, "say");
      assert.ok(first.upstream_us > 0 && first.upstream_us < first.duration_us, JSON.stringify(first));
      assert.ok(!JSON.stringify(found).includes(CANARY));
      // What a gateway records of arguments is with the request only, not in the list.
      assert.deepEqual(await gateway.api("GET", `${gateway.project}/activity/${first.id}`), { ...first, recorded_arguments: null });
      assert.deepEqual(await activity("&outcome=tool_error&header_user_id=bob"), [failed]);
      if (store === "sqlite") {
        for (const name of await readdir(gateway.data)) {
          assert.ok(!(await readFile(join(gateway.data, name))).includes(CANARY), name);
        }
      }
    });

    test("a kill loses the requests of at most two seconds, and none appears twice", async () => {
      const { gateway, call, activity } = world;
      const answered = [];
      let goesOn = true;
      const caller = async (number) => {
        for (let count = 0; goesOn; count += 1) {
          const user = `kill-${number}-${count}`;
          if ((await call(user)) === 200) answered.push({ user, at: Date.now() });
        }
      };
      const callers = [0, 1, 2, 3].map(caller);
      await pause(4_000);
      const killedAt = Date.now();
      goesOn = false;
      await gateway.restart("SIGKILL");
      await Promise.all(callers);
      const found = await activity("&kind=call");
      const users = found.map(({ header_user_id }) => header_user_id);
      assert.equal(new Set(users.filter((user) => user.startsWith("kill-"))).size, users.filter((user) => user.startsWith("kill-")).length, "a request is there twice");
      const old = answered.filter(({ at }) => at < killedAt - 2_000);
      assert.ok(old.length > 50, `${old.length} requests were made in time`);
      const missing = old.filter(({ user }) => !users.includes(user));
      assert.deepEqual(missing, []);
      // It continues after the restart, after the existing rows.
      assert.equal(await call("after"), 200);
      const [newest] = await until(() => activity("&header_user_id=after"), ({ length }) => length === 1);
      assert.ok(found.every(({ id }) => id < newest.id));
    });

    test("a normal stop loses none", async () => {
      const { gateway, call, activity } = world;
      const users = Array.from({ length: 20 }, (_, number) => `stop-${number}`);
      for (const user of users) assert.equal(await call(user), 200);
      await gateway.restart();
      const found = (await activity("&kind=call")).map(({ header_user_id }) => header_user_id);
      assert.deepEqual(users.filter((user) => !found.includes(user)), []);
    });
  });
}
