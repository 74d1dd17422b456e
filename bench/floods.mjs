// A hundred thousand registrations and a hundred thousand unfinished sign-ins: what they leave in the database. And an
// office of a thousand people behind one address that signs in at the same time.

import { parseArgs } from "node:util";
import { addressOf, authorizationRequest, code, consentForm } from "../e2e/lib/flow.mjs";
import { STORES } from "../e2e/lib/gateway.mjs";
import { startSignInWorld } from "../e2e/lib/instant.mjs";
import { flood, hangUp } from "../e2e/lib/raw.mjs";

const { values: options } = parseArgs({ options: { count: { type: "string", default: "100000" } } });
const COUNT = Number(options.count);
/** People behind one address who sign in at the same time. */
const OFFICE = 1_000;
/** Networks they come from. */
const NETWORKS = 500;
const running = [];

async function size(gateway, store) {
  const [pages] =
    store === "sqlite"
      ? await gateway.rows("SELECT page_count * 4096 AS bytes FROM pragma_page_count()")
      : await gateway.rows("SELECT pg_database_size(current_database()) AS bytes");
  return `${(Number(pages.bytes) / 1e6).toFixed(2)} MB`;
}

/** Complete sign-ins of many people behind one address, a few at a time: how many, and how long they took. */
async function office(url, client) {
  const since = performance.now();
  let next = 0;
  const people = async () => {
    while (next < OFFICE) {
      next += 1;
      await code(url, client, "127.251.0.2");
    }
  };
  await Promise.all(Array.from({ length: 16 }, people));
  console.log(`  ${OFFICE} sign-ins behind one address: ${((performance.now() - since) / 1000).toFixed(1)} s`);
}

try {
  for (const store of STORES) {
    const world = await startSignInWorld({ store, logLevel: "error" });
    running.push(world);
    const { gateway, url, client } = world;
    console.log(`${store}: ${await size(gateway, store)} at first`);
    const registrations = await flood(COUNT, (index) => ({
      url: `${url}/oauth2/register`,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ client_name: `Flood ${index}`, redirect_uris: ["http://127.0.0.1/callback"] }),
      from: addressOf(index % NETWORKS),
    }));
    console.log(`  ${COUNT} registrations ${JSON.stringify(registrations)}: ${await size(gateway, store)}`);
    const asked = await flood(COUNT, (index) => ({ url: authorizationRequest(url, client).at, from: addressOf(index % NETWORKS) }));
    console.log(`  ${COUNT} consent pages that no one answers ${JSON.stringify(asked)}: ${await size(gateway, store)}`);
    const forms = [];
    // One page allows ten sign-ins.
    for (let page = 0; page < COUNT / 10; page += 1) forms.push((await consentForm(url, client, addressOf(page % NETWORKS))).form);
    const began = await flood(COUNT, (index) => ({ ...forms[Math.floor(index / 10)], from: addressOf(index % NETWORKS) }));
    console.log(`  ${COUNT} unfinished sign-ins ${JSON.stringify(began)}: ${await size(gateway, store)}`);
    await office(url, client);
    console.log(`  after that: ${await size(gateway, store)}`);
  }
} finally {
  hangUp();
  for (const each of running.reverse()) await each.stop();
}
