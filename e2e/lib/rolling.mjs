// Two replicas are restarted one after the other while people sign in and clients refresh and call. A request that finds no
// listener goes to the other replica, as behind a load balancer; no other error is tolerated.

import assert from "node:assert/strict";
import { signedIn } from "./access-token.mjs";
import { continuously } from "./continuous.mjs";
import { refreshing } from "./flow.mjs";
import { initialize } from "./mcp.mjs";

/** How many sign-ins and refreshes complete between two restarts. */
const SOME = 4;

/** The errors of a connection that was never made, or closed before anything came back. */
const NOT_SERVED = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "UND_ERR_SOCKET"]);

/** A fetch that spreads requests for the origin `from` over other origins. */
function loadBalancer(from, origins) {
  let turn = 0;
  return async (input, options) => {
    const at = new URL(input);
    if (at.origin !== from) return fetch(at, options);
    const first = turn++;
    for (let attempt = 0; ; attempt += 1) {
      const origin = origins[(first + attempt) % origins.length];
      try {
        return await fetch(`${origin}${at.pathname}${at.search}`, options);
      } catch (error) {
        if (attempt === 3 || !NOT_SERVED.has(error.cause?.code)) throw error;
      }
    }
  };
}

/** What clients do at the gateway with this `url`: sign in, refresh and call, over a fetch of their own. */
export function clientsOf(url, balanced = fetch) {
  const json = async (path, options) => {
    const answer = await balanced(`${url}${path}`, { method: "POST", ...options });
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    return JSON.parse(text);
  };
  let count = 0;
  return {
    refresh: ({ tokens, client }) =>
      json("/oauth2/token", { body: new URLSearchParams(refreshing(client.client_id, tokens.refresh_token)) }),
    call: ({ tokens }) => json("", initialize({ bearer: tokens.access_token })),
    /** Many people: one person may not sign in this often. */
    signIn: () => signedIn({ url, fetch: balanced, clientFetch: balanced, user: `person${(count += 1)}` }),
  };
}

/**
 * Runs the restarts one after the other, under traffic to the gateway with this `url`. `gateway` and `replica` are the two
 * processes. Fails if any sign-in, refresh or call fails, or a grant is lost.
 */
export async function restartUnderTraffic({ gateway, replica, url }, restarts) {
  const balanced = loadBalancer(gateway.url, [gateway.url, replica.origin]);
  const { refresh, call, signIn } = clientsOf(url, balanced);
  const people = [];
  const clients = await Promise.all([signIn(), signIn()]);
  const signIns = continuously(async () => people.push(await signIn()), { parallel: 2, limit: 2_000 });
  const uses = continuously(
    async () => {
      const person = clients.shift();
      try {
        person.tokens = await refresh(person);
        await call(person);
      } finally {
        clients.push(person);
      }
    },
    { parallel: clients.length, limit: 20_000 },
  );
  const some = () => Promise.all([signIns.more(SOME), uses.more(SOME)]);
  await some();
  for (const restart of restarts) {
    await restart();
    await some();
  }
  assert.deepEqual([await signIns.stop(), await uses.stop()], [[], []]);
  const all = [...people, ...clients];
  const calls = all.map(async (person) => call({ tokens: await refresh(person) }));
  await Promise.all(calls);
}
