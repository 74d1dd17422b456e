// axe-core over a page, in light and dark.

import assert from "node:assert/strict";
import axe from "axe-core";

/** Fails with every violation that axe finds on a page. */
export async function checkAccessibility(page, name) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(axe.source);
    const found = await page.evaluate(async () => {
      const { violations, passes } = await globalThis.axe.run(document, { resultTypes: ["violations", "passes"] });
      const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join("\n  ")}`);
      return { told, passed: passes.length };
    });
    assert.deepEqual(found.told, [], `${name}, ${colorScheme}`);
    assert.ok(found.passed > 10, `axe looked at nothing on ${name}`);
  }
}
