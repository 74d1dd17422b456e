// `cargo xtask conformance`: measures, writes docs/conformance.md, and removes what is fixed from the list of differences.

import { compare, differences, known, measure, writeKnown } from "./measure.mjs";
import { writeReport } from "./report.mjs";

const measured = await measure({ told: (name) => console.error(name) });
await writeReport(measured);
const found = differences(measured);
const listed = await known();
const { added, mended } = compare(found, listed);
if (mended.length > 0) {
  console.log(`mended, and removed from the list:\n  ${mended.join("\n  ")}`);
  await writeKnown(listed.filter((each) => !mended.includes(each)));
}
console.log(`${found.length} checks pass directly and not through a gateway; see docs/conformance.md`);
if (added.length > 0) {
  console.log(`these are not in the list of differences:\n  ${added.join("\n  ")}`);
  process.exitCode = 1;
}
