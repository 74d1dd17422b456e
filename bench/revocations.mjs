// A million active revocations: the cost of one more where it is made, and how soon it applies on another replica, on both stores.

import { parseArgs } from "node:util";
import { MEGABYTE, median, memory } from "../e2e/lib/figures.mjs";
import { addressOf, postForm, signInFast } from "../e2e/lib/flow.mjs";
import { STORES } from "../e2e/lib/gateway.mjs";
import { startSignInWorld } from "../e2e/lib/instant.mjs";
import { statusWith } from "../e2e/lib/mcp.mjs";
import { hangUp } from "../e2e/lib/raw.mjs";
import { pause } from "../e2e/lib/time.mjs";

const { values: options } = parseArgs({
  options: { standing: { type: "string", default: "0,1000000" }, changes: { type: "string", default: "20" } },
});
const CHANGES = Number(options.changes);
/** Revocations inserted by one statement. */
const AT_ONCE = 100_000;
/** An access token must be refused at another replica within this time, or the run fails. */
const ACTS_WITHIN = 2_000;
const running = [];

/** Adds revocations of random grants, each numbered as its own transaction, as the product numbers them. */
async function seed(gateway, store, count) {
  const number = "UPDATE revocation_number SET number = number + 1";
  const columns = "INSERT INTO revocations (kind, object_id, expires_at, number)";
  const values = (id) => `SELECT 'grant', 'grt_' || ${id}, ${Date.now() + 3_600_000}, (SELECT number FROM revocation_number)`;
  const rows = (many) =>
    store === "sqlite"
      ? `${columns} WITH RECURSIVE counter(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < ${many})
         ${values("lower(hex(randomblob(16)))")} FROM counter`
      : `${columns} ${values("replace(gen_random_uuid()::text, '-', '')")} FROM generate_series(1, ${many})`;
  for (let left = count; left > 0; left -= AT_ONCE) await gateway.execute(number, rows(Math.min(left, AT_ONCE)));
}

/** Milliseconds until a revocation is confirmed, and from then until the replica refuses the token. */
async function change(world, from) {
  const { url, elsewhere, client } = world;
  const held = await signInFast(world, from);
  if ((await statusWith(elsewhere, held.access_token)) !== 200) throw new Error("the replica refuses a valid token");
  const began = performance.now();
  const revoked = await postForm(`${url}/oauth2/revoke`, { client_id: client, token: held.refresh_token }, from);
  const answered = performance.now();
  if (revoked.status !== 200) throw new Error(`revocation: ${revoked.status} ${revoked.text}`);
  if ((await statusWith(url, held.access_token)) !== 401) throw new Error("it does not apply where it was made");
  while ((await statusWith(elsewhere, held.access_token)) !== 401) {
    if (performance.now() - answered > ACTS_WITHIN) throw new Error("it does not apply at the replica within two seconds");
    await pause(10);
  }
  return { cost: answered - began, acts: performance.now() - answered };
}

try {
  console.log("store | standing | ms a change, median | slowest | ms until another replica refuses, median | slowest | start ms | MB resident");
  for (const store of STORES) {
    const made = await startSignInWorld({ store, logLevel: "error" });
    running.push(made);
    const { gateway, url } = made;
    const replica = await gateway.replica();
    running.push(replica);
    const world = { ...made, elsewhere: url.replace(gateway.url, replica.origin) };
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
      const resident = ((await memory(gateway.pid())).resident / MEGABYTE).toFixed(0);
      console.log(`${store} | ${count} | ${numbers.join(" | ")} | ${startUp.toFixed(0)} | ${resident}`);
    }
  }
} finally {
  hangUp();
  for (const each of running.reverse()) await each.stop();
}
