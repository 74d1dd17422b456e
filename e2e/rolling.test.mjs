// Two replicas are restarted one after the other, as in an upgrade, while people sign in and clients refresh and call.

import { after, before, describe, test } from "node:test";
import { createSignInGateway } from "./lib/api.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { startProvider } from "./lib/provider.mjs";
import { restartUnderTraffic } from "./lib/rolling.mjs";

/** How often each replica is restarted. */
const ROUNDS = 2;

describe("a rolling restart of two replicas", () => {
  let gateway, replica, provider, url;

  before(async () => {
    gateway = await startGateway({ store: "postgres" });
    provider = await startProvider({ redirectUri: gateway.callback });
    ({ url } = await createSignInGateway(gateway, provider));
    // Started last, it knows all of this from the start.
    replica = await gateway.replica();
  });

  after(async () => {
    for (const each of [provider, replica, gateway]) await each?.stop();
  });

  test("loses no sign-in, no grant and no call", async () => {
    const round = [() => replica.restart(), () => gateway.restart()];
    await restartUnderTraffic({ gateway, replica, url }, Array(ROUNDS).fill(round).flat());
  });
});
