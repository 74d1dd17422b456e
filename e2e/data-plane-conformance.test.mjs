// The official conformance suite for servers, directly and through gateways: what passes directly passes through a gateway, except for
// what conformance/differences.json lists. `cargo xtask conformance` shortens that list and writes docs/conformance.md.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { compare, differences, known, measureTwice } from "./conformance/measure.mjs";
import { nameOf } from "./conformance/suite.mjs";

/** Scenarios of extensions, which the SDK of the reference server does not implement. */
const EXTENSION = /^tasks-/;

describe("the conformance suite for servers", () => {
  let measured;

  before(async () => {
    measured = await measureTwice();
  });

  test("the reference server itself fails no check", () => {
    for (const { run, direct } of measured) {
      const failed = [...direct]
        .filter(([scenario]) => !EXTENSION.test(scenario))
        .flatMap(([, checks]) => [...checks])
        .filter(([, { outcome }]) => outcome === "FAILURE")
        .map(([check, { why }]) => `${check}: ${why}`);
      assert.deepEqual(failed, [], nameOf(run));
    }
  });

  test("what passes directly passes through a gateway, except for what is listed", async () => {
    const { added, mended } = compare(differences(measured), await known());
    assert.deepEqual(added, [], "these no longer pass through a gateway");
    assert.deepEqual(mended, [], "these pass now: run `cargo xtask conformance`, which removes them from the list");
  });
});
