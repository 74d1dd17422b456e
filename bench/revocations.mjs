// A million active revocations: the cost of one more where it is made, and how soon it applies on another replica, on both stores.

import { readFile } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { STORES, startGateway } from "../e2e/lib/gateway.mjs";
import { freePort, run, start } from "../e2e/lib/process.mjs";
import { hangUp, send } from "../e2e/lib/raw.mjs";
import { addressOf, code, register, tokens } from "./flow.mjs";

const { values: options } = parseArgs({
  options: { standing: { type: "string", default: "0,1000000" }, changes: { type: "string", default: "20" } },
});
const CHANGES = Number(options.changes);
/** Revocations inserted by one statement. */
const AT_ONCE = 100_000;
/** An access token must be refused at another replica within this time, or the run fails. */
const ACTS_WITHIN = 2_000;
const running = [];

const sorted = (numbers) => numbers.toSorted((a, b) => a - b);
const median = (numbers) => sorted(numbers)[Math.floor(numbers.length / 2)];

/** Adds revocations of random grants, each numbered as its own transaction, as the product numbers them. */
async function seed(gateway, store, count) {
  const statements = (rows) =>
    store === "sqlite"
      ? `UPDATE revocation_number SET number = number + 1;
         INSERT INTO revocations (kind, object_id, expires_at, number)
         WITH RECURSIVE counter(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < ${rows})
         SELECT 'grant', 'grt_' || lower(hex(randomblob(16))), ${Date.now() + 3_600_000}, (SELECT number FROM revocation_number) FROM counter`
      : `UPDATE revocation_number SET number = number + 1;
         INSERT INTO revocations (kind, object_id, expires_at, number)
         SELECT 'grant', 'grt_' || replace(gen_random_uuid()::text, '-', ''), ${Date.now() + 3_600_000}, (SELECT number FROM revocation_number)
         FROM generate_series(1, ${rows})`;
  for (let left = count; left > 0; left -= AT_ONCE) {
    const sql = statements(Math.min(left, AT_ONCE));
    if (store === "postgres") {
      await run("psql", [gateway.databaseUrl, "-q", "-v", "ON_ERROR_STOP=1", "-1", "-c", sql]);
      continue;
    }
    const database = new DatabaseSync(join(gateway.data, "gatewright.db"));
    database.exec(`PRAGMA busy_timeout = 20000; BEGIN IMMEDIATE; ${sql}; COMMIT`);
    database.close();
  }
}

async function resident(pid) {
  return Number((await readFile(`/proc/${pid}/status`, "utf8")).match(/VmRSS:\s+(\d+)/)[1]) / 1024;
}

/** The status of a call with an access token. */
async function call(url, accessToken) {
  const answer = await send(url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${accessToken}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "bench", version: "1" } },
    }),
  });
  return answer.status;
}

/** Milliseconds until a revocation is confirmed, and from then until the replica refuses the token. */
async function change(world, from) {
  const { url, elsewhere, client } = world;
  const held = await tokens(url, await code(url, client, from), from);
  if ((await call(elsewhere, held.access_token)) !== 200) throw new Error("the replica refuses a valid token");
  const began = performance.now();
  const revoked = await send(`${url}/oauth2/revoke`, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ client_id: client, token: held.refresh_token }).toString(),
    from,
  });
  const answered = performance.now();
  if (revoked.status !== 200) throw new Error(`revocation: ${revoked.status} ${revoked.text}`);
  if ((await call(url, held.access_token)) !== 401) throw new Error("it does not apply where it was made");
  while ((await call(elsewhere, held.access_token)) !== 401) {
    if (performance.now() - answered > ACTS_WITHIN) throw new Error("it does not apply at the replica within two seconds");
    await new Promise((done) => setTimeout(done, 10));
  }
  return { cost: answered - began, acts: performance.now() - answered };
}

try {
  const port = await freePort();
  const provider = await start(process.execPath, [join(import.meta.dirname, "instant-provider.mjs"), String(port)], {
    readyUrl: `http://127.0.0.1:${port}/jwks`,
  });
  running.push(provider);
  console.log("store | standing | ms a change, median | slowest | ms until another replica refuses, median | slowest | start ms | MB resident");
  for (const store of STORES) {
    const gateway = await startGateway({ store, logLevel: "error" });
    running.push(gateway);
    const create = (kind, body) => gateway.api("POST", `${gateway.project}/${kind}`, body);
    const source = await create("user-sources", {
      name: "Instant",
      issuer: `http://127.0.0.1:${port}`,
      client_id: "bench",
      client_secret: "bench-secret-of-some-length",
    });
    const { url } = await create("gateways", {
      name: "Bench",
      slug: "bench",
      authentication_mode: "user_source",
      user_source_id: source.id,
    });
    const client = await register(url);
    const replica = await gateway.replica();
    running.push(replica);
    const world = { url, client, elsewhere: url.replace(gateway.url, replica.origin) };
    let standing = 0;
    for (const count of options.standing.split(",").map(Number)) {
      await seed(gateway, store, count - standing);
      standing = count;
      const begun = performance.now();
      await gateway.restart();
      const startUp = performance.now() - begun;
      await replica.restart();
      await change(world, addressOf(0));
      const seen = [];
      for (let number = 1; number <= CHANGES; number += 1) seen.push(await change(world, addressOf(number)));
      const numbers = ["cost", "acts"].flatMap((name) => {
        const all = seen.map((each) => each[name]);
        return [median(all), Math.max(...all)].map((number) => number.toFixed(1));
      });
      const memory = (await resident(gateway.pid())).toFixed(0);
      console.log(`${store} | ${count} | ${numbers.join(" | ")} | ${startUp.toFixed(0)} | ${memory}`);
    }
  }
} finally {
  hangUp();
  for (const each of running.reverse()) await each.stop();
}
