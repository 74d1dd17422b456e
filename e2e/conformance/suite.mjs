// Runs the server part of the official conformance suite, and reads what it found.

import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { start } from "../lib/process.mjs";

const PACKAGES = join(import.meta.dirname, "../node_modules");

/** Seconds after which a run is stopped; one that finds a working server needs five. */
const LONGEST = 150;

/** The outcomes of a check, worst first: a check that is made several times has the worst of its outcomes. */
const OUTCOMES = ["FAILURE", "WARNING", "SKIPPED", "SUCCESS", "INFO"];

/** What is run: a version of the suite, against one revision of the protocol. */
export const RUNS = [
  { suite: "0.1.16", folder: "conformance-0.1.16", revision: "2025-11-25", args: ["--suite", "all", "--spec-version", "2025-11-25"] },
  ...["2025-11-25", "2026-07-28"].map((revision) => ({
    suite: "0.2.0-alpha.12",
    folder: "@modelcontextprotocol/conformance",
    revision,
    args: ["--requirements", revision],
  })),
];

/** The name of a run. */
export const nameOf = ({ suite, revision }) => `${revision} (suite ${suite})`;

/**
 * Runs the suite against the server at `url`; returns a map from each scenario to a map from each of its checks to `{ outcome, why }`.
 */
export async function runSuite({ folder, args }, url) {
  const results = await mkdtemp(join(tmpdir(), "gatewright-conformance-"));
  try {
    const script = join(PACKAGES, folder, "dist/index.js");
    const running = await start(process.execPath, [script, "server", "--url", url, "-o", results, ...args], {});
    const late = setTimeout(() => running.stop("SIGKILL"), LONGEST * 1_000);
    await running.exited;
    clearTimeout(late);
    const scenarios = new Map();
    for (const name of (await readdir(results)).sort()) {
      const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(name)?.[1];
      const checks = await readFile(join(results, name, "checks.json"), "utf8").catch(() => "[]");
      if (scenario) scenarios.set(scenario, outcomes(JSON.parse(checks)));
    }
    if (scenarios.size === 0) throw new Error(`the conformance suite checked nothing:\n${running.output()}`);
    return scenarios;
  } finally {
    await rm(results, { recursive: true, force: true });
  }
}

function outcomes(checks) {
  const worst = new Map();
  for (const { id, status, errorMessage, details } of checks) {
    const rank = OUTCOMES.indexOf(status);
    const known = worst.get(id);
    if (rank < 0 || (known && OUTCOMES.indexOf(known.outcome) <= rank)) continue;
    worst.set(id, { outcome: status, why: errorMessage ?? details?.message });
  }
  return worst;
}
