// From the previous release to this version: two replicas are replaced one after the other under traffic, and the database that
// the previous release wrote is used on.

import assert from "node:assert/strict";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createSignInGateway } from "./lib/api.mjs";
import { BINARIES, STORES, startGateway } from "./lib/gateway.mjs";
import { attempt } from "./lib/process.mjs";
import { startProvider } from "./lib/provider.mjs";
import { clientsOf, restartUnderTraffic } from "./lib/rolling.mjs";

/** The program of the previous release. */
const PREVIOUS = process.env.GATEWRIGHT_TEST_PREVIOUS;
const skip = !PREVIOUS && "the commit of the previous release is not in this clone";

/** An installed program: a link that an upgrade replaces. */
async function installation() {
  const folder = await mkdtemp(join(tmpdir(), "gatewright-upgrade-"));
  const program = join(folder, "gatewright");
  const install = async (version) => {
    await rm(program, { force: true });
    await symlink(version, program);
  };
  await install(PREVIOUS);
  return {
    program,
    upgrade: () => install(join(BINARIES, "gatewright")),
    goBack: () => install(PREVIOUS),
    remove: () => rm(folder, { recursive: true }),
  };
}

for (const store of STORES) {
  describe(`an upgrade on ${store}`, { skip }, () => {
    let installed, gateway, provider, url;

    before(async () => {
      installed = await installation();
      gateway = await startGateway({ store, program: installed.program });
      provider = await startProvider({ redirectUri: gateway.callback });
      ({ url } = await createSignInGateway(gateway, provider));
    });

    after(async () => {
      for (const each of [provider, gateway]) await each?.stop();
      await installed?.remove();
    });

    const command = (...words) => attempt(installed.program, [...words, ...gateway.config]);

    test("keeps everyone signed in, says beforehand what it does, and cannot be undone by accident", async () => {
      const { signIn, refresh, call } = clientsOf(url);
      const person = await signIn();
      await gateway.running().stop();
      await installed.upgrade();

      const plan = await command("migrate", "--plan");
      assert.equal(plan.code, 0, plan.output);
      const [, planned = "0"] = plan.output.match(/^(\d+) migrations? to apply, in about /m) ?? [];
      assert.equal(plan.output.match(/^\d{14} {2}\w/gm)?.length ?? 0, Number(planned), plan.output);
      const migrated = await command("migrate");
      const [, applied = "0"] = migrated.output.match(/^Applied (\d+) migrations?\./m) ?? [];
      assert.equal(applied, planned, migrated.output);
      assert.match((await command("migrate", "--plan")).output, /There is nothing to do/);

      await gateway.restart();
      person.tokens = await refresh(person);
      await call(person);
      await call(await signIn());
      await gateway.running().stop();

      await installed.goBack();
      if (planned !== "0") {
        const older = await command("serve");
        assert.equal(older.code, 1);
        assert.match(older.output, /used by a newer version of Gatewright/);
      }
      await installed.upgrade();
      await gateway.restart();
      person.tokens = await refresh(person);
    });
  });
}

describe("an upgrade of one replica after the other", { skip }, () => {
  let installed, gateway, replica, provider, url;

  before(async () => {
    installed = await installation();
    gateway = await startGateway({ store: "postgres", program: installed.program });
    provider = await startProvider({ redirectUri: gateway.callback });
    ({ url } = await createSignInGateway(gateway, provider));
    replica = await gateway.replica();
  });

  after(async () => {
    for (const each of [provider, replica, gateway]) await each?.stop();
    await installed?.remove();
  });

  test("loses no sign-in, no grant and no call while both versions run", async () => {
    await restartUnderTraffic({ gateway, replica, url }, [installed.upgrade, () => replica.restart(), () => gateway.restart()]);
    assert.equal((await fetch(`${gateway.url}/readyz`)).status, 200);
  });
});
