// How long a backup, a restore into each store and a move take with a hundred thousand people who have a grant each.

import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { freshDatabase } from "../e2e/lib/database.mjs";
import { MEGABYTE } from "../e2e/lib/figures.mjs";
import { addressOf, signInFast } from "../e2e/lib/flow.mjs";
import { startSignInWorld } from "../e2e/lib/instant.mjs";
import { start } from "../e2e/lib/process.mjs";
import { seconds } from "../e2e/lib/time.mjs";
import { seedGrants } from "./seed.mjs";

const { values: options } = parseArgs({ options: { copied: { type: "string", default: "100000" } } });
const GRANTS = Number(options.copied);
/** A move of a hundred thousand grants takes less than this, or the run fails. */
const MOVES_WITHIN = 60_000;

const world = await startSignInWorld({ store: "sqlite", logLevel: "warn" });
const folder = await mkdtemp(join(tmpdir(), "gatewright-bench-copies-"));
try {
  const { gateway } = world;
  await signInFast(world, addressOf(0));
  await seedGrants(gateway, "sqlite", 0, GRANTS);

  /** Runs a command to its end; returns the milliseconds that took, and the most memory that it had. */
  const timed = async (words, config, env = {}) => {
    const began = performance.now();
    const running = await start(gateway.program, [...words, "--config", config], { env });
    let most = 0;
    const watch = setInterval(async () => {
      const status = await readFile(`/proc/${running.child.pid}/status`, "utf8").catch(() => "");
      most = Math.max(most, Number(status.match(/VmHWM:\s+(\d+)/)?.[1] ?? 0) * 1024);
    }, 50);
    const code = await running.exited;
    clearInterval(watch);
    const took = performance.now() - began;
    if (code !== 0) throw new Error(running.output());
    const counted = Number(running.output().match(/(\d+) grants/)?.[1]);
    if (counted < GRANTS) throw new Error(`only ${counted} grants were copied`);
    return { took, most };
  };

  const config = gateway.config[1];
  const elsewhere = async (name, url) => {
    const text = await readFile(config, "utf8");
    const file = join(folder, `${name}.toml`);
    const changed = text.replace(/^data_dir = .*$/m, `data_dir = "${join(folder, name)}"${url ? `\nurl = "${url}"` : ""}`);
    await writeFile(file, changed);
    return file;
  };
  const file = join(folder, "backup");
  const results = [["backup", await timed(["backup", "--to", file], config)]];
  const size = (await stat(file)).size;
  results.push(["restore into SQLite", await timed(["restore", file], await elsewhere("sqlite"))]);
  results.push(["restore into PostgreSQL", await timed(["restore", file], await elsewhere("postgres", await freshDatabase()))]);
  await gateway.running().stop();
  const moved = await timed(["move"], config, { GATEWRIGHT_MOVE_TO: await freshDatabase() });
  results.push(["move to PostgreSQL", moved]);
  console.log(`${GRANTS} grants; the backup has ${(size / MEGABYTE).toFixed(1)} MB`);
  console.log("| command | time | most memory |\n| --- | --- | --- |");
  for (const [name, { took, most }] of results) {
    console.log(`| ${name} | ${seconds(took)} | ${(most / MEGABYTE).toFixed(0)} MB |`);
  }
  if (moved.took > MOVES_WITHIN) throw new Error(`the move took ${seconds(moved.took)}`);
} finally {
  await world.stop();
  await rm(folder, { recursive: true, force: true });
}
