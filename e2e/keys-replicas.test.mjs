// The master key of two replicas is rotated as the guide says: at every moment the two have different keys, and people can
// sign in on either replica. With the steps for a single process, they could not.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { signedIn } from "./lib/access-token.mjs";
import { createProject, createSignInGateway } from "./lib/api.mjs";
import { adminInit, configure, startReplica } from "./lib/gateway.mjs";
import { run } from "./lib/process.mjs";
import { startProvider } from "./lib/provider.mjs";

/** Sign-ins at each step; their requests alternate between the replicas. */
const SIGN_INS = 4;

describe("a change of the master key of two replicas", () => {
  let made, provider, url;
  const [old, fresh] = [0, 1].map(() => randomBytes(32).toString("base64"));
  const running = [];

  /** Starts a replica, or starts it again with other keys. */
  async function serve(index, keys) {
    const env = { GATEWRIGHT__KEYS__MASTER: JSON.stringify(keys) };
    if (running[index]) await running[index].restart("SIGTERM", env);
    else running[index] = await startReplica(made, { env });
  }

  before(async () => {
    made = await configure({ store: "postgres" });
    const env = { GATEWRIGHT__KEYS__MASTER: JSON.stringify([old]) };
    const key = await adminInit(made, { env });
    for (const index of [0, 1]) await serve(index, [old]);
    provider = await startProvider({ redirectUri: `${made.url}/oauth2/intermediate_callback` });
    const project = await createProject(running[0].origin, key);
    url = (await createSignInGateway(project, provider)).url;
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
      return fetch(`${running[turn++ % 2].origin}${at.pathname}${at.search}`, options);
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
