// The machine's clock jumps, for the gateway and its provider alike, through a preloaded library.

import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addressOf, refreshing, signInFast } from "../e2e/lib/flow.mjs";
import { statusWith } from "../e2e/lib/mcp.mjs";
import { hangUp, send } from "../e2e/lib/raw.mjs";
import { pause, seconds, within } from "../e2e/lib/time.mjs";
import { invariants } from "./invariants.mjs";
import { People } from "./people.mjs";
import { ask, readiness, signInWorld } from "./world.mjs";

const HOUR = 3_600;
/** The offsets the clock is set to, one after the other, in seconds from the true time. */
const JUMPS = [2 * HOUR, 0, -2 * HOUR, 0, 60, -60, 0];
const SETTLED = 8_000;

/** The library as Debian installs it, in the folder for the machine's architecture. */
async function library() {
  for (const folder of await readdir("/usr/lib")) {
    const path = join("/usr/lib", folder, "faketime/libfaketimeMT.so.1");
    if (existsSync(path)) return path;
  }
  return undefined;
}

async function jumps(bounds) {
  const path = await library();
  if (!path) return { skipped: "libfaketime is not installed" };
  const folder = await mkdtemp(join(tmpdir(), "gatewright-clock-"));
  const file = join(folder, "offset");
  const set = (offset) => writeFile(file, `${offset < 0 ? "" : "+"}${offset}s\n`);
  await set(0);
  // Intervals are measured with another clock, which does not jump on a real machine either.
  const env = { LD_PRELOAD: path, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1" };
  let world;
  const slowest = { settled: 0 };
  try {
    world = await signInWorld({ env, providerEnv: env });
    const { gateway, url, client } = world;
    const pid = gateway.pid();
    const date = async () => Date.parse((await send(`${gateway.url}/healthz`)).headers.date) - Date.now();
    await set(HOUR);
    const seen = await within(3_000, async () => Math.abs((await date()) - HOUR * 1_000) < 3_000, "the jump is not seen").catch(() => undefined);
    if (seen === undefined) return { skipped: "this program does not see the clock of libfaketime" };
    await set(0);
    const people = new People(world, { workers: 4 });
    await bounds.each(async (round) => {
      const offset = JUMPS[round % JUMPS.length];
      const from = addressOf(round);
      const held = await signInFast(world, from);
      await set(offset);
      const settled = async () =>
        (await readiness(gateway.url)) === 200 && Math.abs((await date()) - offset * 1_000) < 3_000;
      slowest.settled = Math.max(slowest.settled, await within(SETTLED, settled, "it is not ready, or reports another date"));
      // A refresh token outlives each of these jumps, and so does the person's access.
      const refreshed = await ask(`${url}/oauth2/token`, refreshing(client, held.refresh_token), from);
      if (refreshed?.status !== 200) throw new Error(`after a jump to ${offset} s a refresh returns ${refreshed?.status} ${refreshed?.text}`);
      const status = await statusWith(url, refreshed.access_token, from);
      if (status !== 200) throw new Error(`after a jump to ${offset} s a new access token returns ${status}`);
      people.begin();
      await pause(700);
      await people.end();
      await people.verify();
      await invariants(gateway, "sqlite");
      if (gateway.pid() !== pid) throw new Error("it was restarted");
    });
    return `ready, with the new date, after at most ${seconds(slowest.settled)}; ${people}; no one had to sign in again`;
  } finally {
    hangUp();
    await world?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

export default [
  {
    part: "clock",
    fault: "the clock jumps",
    done: "the clock of gateway and provider is set two hours ahead, back, two hours behind, and by a minute (libfaketime)",
    promised: "it stays ready and reports the new date; people can sign in, and those who are signed in stay signed in; no code and no token works twice",
    rounds: 14,
    minutes: 1.5,
    short: 4,
    run: jumps,
  },
];
