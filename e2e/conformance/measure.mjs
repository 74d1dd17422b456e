// Measures what passes directly and through gateways, and compares it with the list of known differences.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PLACES, hasMeaning, startPlaces } from "./places.mjs";
import { RUNS, nameOf, runSuite } from "./suite.mjs";

const LIST = join(import.meta.dirname, "differences.json");

/** Makes these runs at every place, one after the other: `[{ run, direct, places }]`, each as {@link runSuite} returns it. */
export async function measure({ runs = RUNS, told = () => {} } = {}) {
  const places = await startPlaces();
  try {
    const measured = [];
    for (const run of runs) {
      told(nameOf(run));
      const direct = await runSuite(run, places.directly(run.revision));
      const through = {};
      for (const place of Object.keys(PLACES)) through[place] = await runSuite(run, places.through(place, run.revision));
      measured.push({ run, direct, places: through });
    }
    return measured;
  } finally {
    await places.stop();
  }
}

/** Whether a check passed. */
export const passed = (scenarios, scenario, check) => scenarios.get(scenario)?.get(check)?.outcome === "SUCCESS";

/** Whether a check passed, or the suite found that its question does not arise: streams need not work where JSON is answered. */
export function fine(scenarios, scenario, check) {
  const { outcome, why = "" } = scenarios.get(scenario)?.get(check) ?? {};
  return outcome === "SUCCESS" || (outcome === "INFO" && !why.startsWith("Could not test"));
}

/** The checks of a scenario that pass directly and have a meaning at a place. */
export const expected = ({ direct }, place, scenario) =>
  [...direct.get(scenario).keys()].filter((check) => passed(direct, scenario, check) && hasMeaning(place, scenario, check));

/** What passes directly and not through a gateway: a sorted list of `run | place | scenario | check`. */
export function differences(measured) {
  const found = [];
  for (const each of measured) {
    for (const [place, scenarios] of Object.entries(each.places)) {
      for (const scenario of each.direct.keys()) {
        const failed = expected(each, place, scenario).filter((check) => !fine(scenarios, scenario, check));
        found.push(...failed.map((check) => [nameOf(each.run), place, scenario, check].join(" | ")));
      }
    }
  }
  return found.sort();
}

/** The known differences, in the form of {@link differences}. */
export const known = async () => JSON.parse(await readFile(LIST, "utf8"));

/** Writes the known differences. */
export const writeKnown = (list) => writeFile(LIST, `${JSON.stringify(list, null, 2)}\n`);

/** Which differences are new, and which known ones are fixed. */
export function compare(found, listed) {
  const [now, before] = [new Set(found), new Set(listed)];
  return { added: found.filter((each) => !before.has(each)), mended: listed.filter((each) => !now.has(each)) };
}

/** Measures everything, and repeats the runs that differ from the list: the suite waits for some answers for only half a second. */
export async function measureTwice() {
  const listed = await known();
  const isAsListed = (each) => {
    const { added, mended } = compare(differences([each]), listed.filter((line) => line.startsWith(`${nameOf(each.run)} | `)));
    return added.length + mended.length === 0;
  };
  const first = await measure();
  const odd = first.filter((each) => !isAsListed(each)).map(({ run }) => run);
  const again = odd.length > 0 ? await measure({ runs: odd }) : [];
  return first.map((each) => again.find(({ run }) => run === each.run) ?? each);
}
