// `cargo xtask faults`: causes each fault, checks what is promised, and prints one table of the results.
//   --part NAME    only this part
//   --rounds N     rounds of each fault instead of its default
//   --minutes N    minutes after which a fault starts no new round
//   --short        a few rounds of those that no end-to-end test covers, for every run of the tests

import { parseArgs } from "node:util";
import { seconds } from "../e2e/lib/time.mjs";
import { Bounds } from "./bounds.mjs";
import clock from "./clock.mjs";
import database from "./database.mjs";
import descriptors from "./descriptors.mjs";
import disk from "./disk.mjs";
import kills from "./kills.mjs";
import peers from "./peers.mjs";
import replicas from "./replicas.mjs";
import soak from "./soak.mjs";
import suites from "./suites.mjs";

const FAULTS = [...kills, ...replicas, ...database, ...disk, ...descriptors, ...clock, ...peers, ...suites, ...soak];
/** A fault that takes this many minutes longer than allowed has hung. */
const HUNG_AFTER = 5;

const { values: options } = parseArgs({
  options: {
    part: { type: "string" },
    rounds: { type: "string" },
    minutes: { type: "string" },
    short: { type: "boolean", default: false },
  },
});

// When interrupted, it stops what it started, as it does when it finishes.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

/** Runs one fault; returns its row of the table. */
async function run(fault) {
  const bounds = new Bounds({
    rounds: Number(options.rounds ?? (options.short ? fault.short : fault.rounds)),
    minutes: Number(options.minutes ?? fault.minutes),
  });
  console.error(`\n${fault.fault} ...`);
  const began = performance.now();
  let timer;
  const hung = new Promise((_, fail) => {
    const most = bounds.minutes + HUNG_AFTER;
    timer = setTimeout(() => fail(new Error(`it hangs: no end after ${most} minutes`)), most * 60_000);
  });
  let [verdict, seen] = ["pass", ""];
  try {
    seen = await Promise.race([fault.run(bounds), hung]);
    if (seen.skipped) [verdict, seen] = ["SKIPPED", seen.skipped];
  } catch (error) {
    console.error(error);
    [verdict, seen] = ["FAIL", error.message];
  }
  clearTimeout(timer);
  console.error(`${fault.fault}: ${verdict} after ${seconds(performance.now() - began)}: ${seen}`);
  return { ...fault, rounds: verdict === "SKIPPED" ? "" : bounds.done, seen, verdict };
}

/** Formats a text for one row of a table. */
const cell = (text) => String(text).replaceAll("|", "\\|").replaceAll(/\s*\n\s*/g, " ").slice(0, 500);

const wanted = FAULTS.filter(({ part, short }) => (!options.part || part === options.part) && (!options.short || short));
if (wanted.length === 0) throw new Error(`no part is called ${options.part}: ${[...new Set(FAULTS.map(({ part }) => part))].join(", ")}`);
const lines = [];
for (const fault of wanted) lines.push(await run(fault));
console.log("\nfault | what was done | rounds | promised | seen | verdict\n--- | --- | --- | --- | --- | ---");
for (const { fault, done, rounds, promised, seen, verdict } of lines) {
  console.log([fault, done, rounds, promised, seen, verdict].map(cell).join(" | "));
}
const failed = lines.filter(({ verdict }) => verdict === "FAIL").length;
console.log(failed ? `\n${failed} of ${lines.length} FAILED` : `\nall of ${lines.length} passed or were skipped`);
// Processes of a fault that hung exit with this one.
process.exit(failed ? 1 : 0);
