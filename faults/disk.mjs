// The disk of a SQLite instance fills up under load, also while the process is killed and restarted.

import { join } from "node:path";
import { apiHeaders } from "../e2e/lib/api.mjs";
import { addressOf, signInFast } from "../e2e/lib/flow.mjs";
import { statusWith } from "../e2e/lib/mcp.mjs";
import { hangUp, send } from "../e2e/lib/raw.mjs";
import { run } from "../e2e/lib/process.mjs";
import { smallDisk } from "../e2e/lib/disk.mjs";
import { pause, seconds, within } from "../e2e/lib/time.mjs";
import { Administrator } from "./administrator.mjs";
import { invariants } from "./invariants.mjs";
import { People } from "./people.mjs";
import { readiness, signInWorld } from "./world.mjs";

/** Writing is tried every five seconds with a small change, which fits for longer than others do. */
const NOTICED = 30_000;
const BACK = 10_000;

/** Saves until the database's log has no room left: its contents are overwritten before it has to grow. */
async function untilRefused({ gateway, gatewayId }) {
  const url = `${gateway.url}/api/v1${gateway.project}/gateways/${gatewayId}`;
  const headers = apiHeaders(gateway.projectKey);
  for (let count = 0; count < 3_000; count += 1) {
    const body = JSON.stringify({ instructions: `${count} ${"d".repeat(1_000)}` });
    const answer = await send(url, { method: "PATCH", headers, body });
    if (answer.status === 503) return;
    if (answer.status !== 200) throw new Error(`saving on a full disk: ${answer.status} ${answer.text}`);
  }
  throw new Error("a full disk accepts everything");
}

async function full(bounds) {
  const disk = await smallDisk({ megabytes: 48 });
  let world;
  const slowest = { unready: 0, back: 0 };
  try {
    world = await signInWorld({ dataDir: join(disk.folder, "data"), wrapper: disk.wrapper });
    const { gateway } = world;
    const load = [new People(world, { workers: 4 }), new Administrator(world)];
    await bounds.each(async (round) => {
      const from = addressOf(round);
      const held = await signInFast(world, from);
      for (const each of load) each.begin();
      await pause(500);
      await disk.fill(gateway.pid());
      try {
        await untilRefused(world);
        const unready = await within(NOTICED, async () => (await readiness(gateway.url)) === 503, "it says that it is ready");
        slowest.unready = Math.max(slowest.unready, unready);
        const known = await statusWith(world.url, held.access_token, from);
        if (known !== 200) throw new Error(`a call with an earlier token returns ${known}`);
        if (disk.wrapper.length === 0) await doctorNamesIt(gateway);
      } finally {
        await disk.free(gateway.pid());
      }
      const back = await within(BACK, async () => (await readiness(gateway.url)) === 200, "it is not ready again");
      slowest.back = Math.max(slowest.back, back);
      await Promise.all(load.map((each) => each.end()));
      if (round % 2) await gateway.restart("SIGKILL");
      hangUp();
      for (const each of load) await each.verify();
      await invariants(gateway, "sqlite");
    });
    return (
      `${disk.kind}; not ready after at most ${seconds(slowest.unready)}, ready again within ${seconds(slowest.back)}; ` +
      `${load.join(", ")}; nothing lost, nothing doubled`
    );
  } finally {
    hangUp();
    await world?.stop();
    await disk.stop();
  }
}

async function doctorNamesIt({ program, config, data }) {
  const said = await run(program, ["doctor", ...config]).catch((error) => error.message);
  if (!/ended with/.test(said) || !said.includes(data)) throw new Error(`doctor does not name the full disk: ${said}`);
}

export default [
  {
    part: "disk",
    fault: "a full disk",
    done: "the file system of the SQLite database fills up under load; in every second round the process is killed too",
    promised: "503 for writes, known tokens work, not ready within half a minute, `doctor` names the file; nothing is lost; it recovers automatically when there is room",
    rounds: 6,
    minutes: 1.5,
    run: full,
  },
];
