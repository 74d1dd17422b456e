// Writes docs/conformance.md.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expected, fine, passed } from "./measure.mjs";
import { PLACES } from "./places.mjs";
import { nameOf } from "./suite.mjs";

const DOCUMENT = join(import.meta.dirname, "../../docs/conformance.md");

const HEAD = `# Conformance

\`cargo xtask conformance\` writes this document. It runs the server part of the official conformance suite (npm \`@modelcontextprotocol/conformance\`)
against a reference server, directly and through gateways, and compares each check.

The reference server is \`e2e/lib/reference-server.mjs\`: for 2025-11-25 on version 1 of the official TypeScript SDK, for 2026-07-28 on version 2. The
suite asks

- *directly*: the reference server of the revision;
- *alone*: ${PLACES.alone};
- *beside*: ${PLACES.beside}. Only scenarios that name no tool and no prompt have a meaning here;
- *across*: ${PLACES.across}: an older server behind a newer client, and the
  reverse. Scenarios of what only one revision can do have no meaning here.

\`e2e/conformance/differences.json\` lists the checks that pass directly and not through a gateway. \`e2e/data-plane-conformance.test.mjs\` fails if
another check fails, and also if a listed one passes: the list only becomes shorter, and the command shortens it.

A scenario is counted by its checks. \`3 of 4\` means that one check which passes directly does not pass through the gateway; – means that no check has
a meaning there, or none passes directly. The scenarios \`tasks-…\` are of an extension that the SDK does not implement:
\`e2e/tasks.test.mjs\` runs them against a server of its own, directly and through a gateway.
`;

const table = (head, rows) => [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

/** How many checks of these scenarios pass at a place, and how many should. */
function counted(each, place, scenarios) {
  const wanted = scenarios.map((scenario) => expected(each, place, scenario));
  const right = scenarios.map((scenario, at) => wanted[at].filter((check) => fine(each.places[place], scenario, check)).length);
  return [sum(right), sum(wanted.map(({ length }) => length))];
}

function cell(each, place, scenarios) {
  const [right, wanted] = counted(each, place, scenarios);
  if (wanted === 0) return "–";
  return right === wanted ? `${right}` : `**${right} of ${wanted}**`;
}

/** How many checks of these scenarios pass directly, of how many. */
function directly({ direct }, scenarios) {
  const scored = (scenario) => [...direct.get(scenario)].filter(([, { outcome }]) => outcome !== "INFO");
  const all = scenarios.flatMap((scenario) => scored(scenario).map(([check]) => [scenario, check]));
  const right = all.filter(([scenario, check]) => passed(direct, scenario, check)).length;
  return right === all.length ? `${right}` : `${right} of ${all.length}`;
}

const row = (name, each, scenarios) => [
  name,
  directly(each, scenarios),
  ...Object.keys(PLACES).map((place) => cell(each, place, scenarios)),
];

const COLUMNS = ["directly", ...Object.keys(PLACES)];

/** What the suite says of a check, in one line that is the same in each run. */
const reason = (why = "") =>
  why
    .replaceAll(/\s+/g, " ")
    .replaceAll(/127\.0\.0\.1:\d+/g, "127.0.0.1")
    .replaceAll("|", "\\|")
    .slice(0, 160)
    .trim();

function details(each) {
  const rows = [];
  for (const [place, scenarios] of Object.entries(each.places)) {
    for (const scenario of each.direct.keys()) {
      for (const check of expected(each, place, scenario)) {
        if (fine(scenarios, scenario, check)) continue;
        const found = scenarios.get(scenario)?.get(check);
        const result = found ? [found.outcome.toLowerCase(), reason(found.why)].filter(Boolean).join(": ") : "not reached";
        rows.push([scenario, check, place, result]);
      }
    }
  }
  return rows;
}

/** Writes the document for what was measured. */
export async function writeReport(measured) {
  const parts = [HEAD, "## In all\n"];
  parts.push(table(["revision", ...COLUMNS], measured.map((each) => row(nameOf(each.run), each, [...each.direct.keys()]))));
  for (const each of measured) {
    const scenarios = [...each.direct.keys()];
    parts.push(`\n## ${nameOf(each.run)}\n`);
    parts.push(table(["scenario", ...COLUMNS], scenarios.map((scenario) => row(scenario, each, [scenario]))));
    const rows = details(each);
    if (rows.length > 0) parts.push(`\n### Differences in ${nameOf(each.run)}\n`, table(["scenario", "check", "where", "result"], rows));
  }
  await writeFile(DOCUMENT, `${parts.join("\n")}\n`);
}
