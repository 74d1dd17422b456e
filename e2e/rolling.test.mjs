// Two replicas are restarted one after the other, as in an upgrade, while people sign in and clients refresh and call. A
// request that finds no listener goes to the other replica, as behind a load balancer; no other error is tolerated.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { signedIn } from "./lib/access-token.mjs";
import { createSignInGateway } from "./lib/api.mjs";
import { continuously } from "./lib/continuous.mjs";
import { refreshing } from "./lib/flow.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { initialize } from "./lib/mcp.mjs";
import { startProvider } from "./lib/provider.mjs";

/** How often each replica is restarted. */
const ROUNDS = 2;

/** How many sign-ins and refreshes complete between two restarts. */
const SOME = 4;

/** The errors of a connection that was never made, or closed before anything came back. */
const NOT_SERVED = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "UND_ERR_SOCKET"]);

describe("a rolling restart of two replicas", () => {
  let gateway, replica, provider, url, balanced;

  before(async () => {
    gateway = await startGateway({ store: "postgres" });
    provider = await startProvider({ redirectUri: gateway.callback });
    ({ url } = await createSignInGateway(gateway, provider));
    // Started last, it knows all of this from the start.
    replica = await gateway.replica();
    balanced = loadBalancer();
  });

  after(async () => {
    for (const each of [provider, replica, gateway]) await each?.stop();
  });

  /** A fetch that spreads the gateway's requests over both replicas. */
  function loadBalancer() {
    const origins = [gateway.url, replica.origin];
    let turn = 0;
    return async (input, options) => {
      const at = new URL(input);
      if (at.origin !== gateway.url) return fetch(at, options);
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

  const json = async (path, options) => {
    const answer = await balanced(`${url}${path}`, { method: "POST", ...options });
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    return JSON.parse(text);
  };

  const refresh = ({ tokens, client }) =>
    json("/oauth2/token", { body: new URLSearchParams(refreshing(client.client_id, tokens.refresh_token)) });

  const call = ({ tokens }) => json("", initialize({ bearer: tokens.access_token }));

  let count = 0;
  /** Many people: one person may not sign in this often. */
  const signIn = () => signedIn({ url, fetch: balanced, clientFetch: balanced, user: `person${(count += 1)}` });

  test("loses no sign-in, no grant and no call", async () => {
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
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const each of [replica, gateway]) {
        await each.restart();
        await some();
      }
    }
    assert.deepEqual([await signIns.stop(), await uses.stop()], [[], []]);
    const all = [...people, ...clients];
    const calls = all.map(async (person) => call({ tokens: await refresh(person) }));
    await Promise.all(calls);
  });
});
