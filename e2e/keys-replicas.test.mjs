// The master key of two replicas is rotated as the guide says: at every moment the two have different keys, and people can
// sign in on either replica. With the steps for a single process, they could not.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { signedIn } from "./lib/access-token.mjs";
import { configure } from "./lib/gateway.mjs";
import { freePort, run, start } from "./lib/process.mjs";
import { startProvider } from "./lib/provider.mjs";

/** Sign-ins at each step; their requests alternate between the replicas. */
const SIGN_INS = 4;

describe("a change of the master key of two replicas", () => {
  let made, provider, url, listens;
  const [old, fresh] = [0, 1].map(() => randomBytes(32).toString("base64"));
  const running = [];

  /** Starts a replica, or the same with other keys. */
  async function serve(index, keys) {
    await running[index]?.stop();
    const env = { GATEWRIGHT__SERVER__LISTEN: listens[index], GATEWRIGHT__KEYS__MASTER: JSON.stringify(keys) };
    running[index] = await start(made.program, ["serve", ...made.config], { env, readyUrl: `http://${listens[index]}/readyz` });
  }

  before(async () => {
    made = await configure({ store: "postgres" });
    listens = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
    const env = { GATEWRIGHT__KEYS__MASTER: JSON.stringify([old]) };
    const key = (await run(made.program, ["admin", "init", ...made.config], { env })).match(/gwk_[\w-]+/)[0];
    for (const index of [0, 1]) await serve(index, [old]);
    provider = await startProvider({ redirectUri: `${made.url}/oauth2/intermediate_callback` });
    const ask = async (path, body, bearer) => {
      const answer = await fetch(`http://${listens[0]}/api/v1${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      assert.ok(answer.ok, `${path}: ${answer.status}`);
      return answer.json();
    };
    const { id } = await ask("/projects", { name: "Acme" }, key);
    const owner = (await ask(`/projects/${id}/api-keys`, { name: "tests", role: "owner" }, key)).key;
    const source = await ask(
      `/projects/${id}/user-sources`,
      {
        name: "Company",
        issuer: provider.issuer,
        client_id: provider.client.client_id,
        client_secret: provider.client.client_secret,
      },
      owner,
    );
    const mode = { authentication_mode: "user_source", user_source_id: source.id };
    url = (await ask(`/projects/${id}/gateways`, { name: "Keys", slug: "keys", ...mode }, owner)).url;
    // The other replica sees it within two seconds; after a restart, it knows.
    await serve(1, [old]);
  });

  after(async () => {
    for (const each of running) await each?.stop();
    await provider?.stop();
    if (made) await rm(made.folder, { recursive: true, force: true });
  });

  /** A fetch whose requests to the gateway alternate between the replicas, beginning with one of them. */
  function balanced(first) {
    let turn = first;
    return (input, options) => {
      const at = new URL(input);
      if (at.origin !== made.url) return fetch(at, options);
      return fetch(`http://${listens[turn++ % 2]}${at.pathname}${at.search}`, options);
    };
  }

  const signIns = async () => {
    const failures = [];
    for (let index = 0; index < SIGN_INS; index += 1) {
      const spread = balanced(index);
      await signedIn({ url, fetch: spread, clientFetch: balanced(index + 1) }).catch((error) => failures.push(String(error)));
    }
    return failures;
  };

  test("in two steps loses no sign-in", async () => {
    for (const [index, keys] of [
      [0, [old, fresh]],
      [1, [old, fresh]],
      [0, [fresh, old]],
      [1, [fresh, old]],
    ]) {
      await serve(index, keys);
      assert.deepEqual(await signIns(), [], `replica ${index} with ${keys[0] === old ? "the new key second" : "the new key in front"}`);
    }
    const env = { GATEWRIGHT__KEYS__MASTER: JSON.stringify([fresh, old]) };
    await run(made.program, ["keys", "rotate", ...made.config], { env });
    assert.deepEqual(await signIns(), []);
    for (const index of [0, 1]) await serve(index, [fresh]);
    assert.deepEqual(await signIns(), []);
  });

  test("in one step loses some, which is why two are needed", async () => {
    const third = randomBytes(32).toString("base64");
    await serve(0, [third, fresh]);
    assert.notDeepEqual(await signIns(), []);
    // With the key in second place at the other replica, all sign-ins work again.
    await serve(1, [fresh, third]);
    assert.deepEqual(await signIns(), []);
  });
});
