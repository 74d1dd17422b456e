// CSV as RFC 4180 has it, read strictly, and the texts in it as the guide says.

import assert from "node:assert/strict";

/** The rows of a file, each with as many cells as the first. Fails on what RFC 4180 does not allow. */
export function readCsv(text) {
  const rows = [[]];
  for (let at = 0; at < text.length; ) {
    // A cell without quotes, or one in quotes, then what ends it.
    const [cell, plain, quoted, end] = text.slice(at).match(/^(?:([^",\r\n]*)|"((?:[^"]|"")*)")(,|\r\n)/) ?? assert.fail(`at ${at}: ${text.slice(at, at + 80)}`);
    rows.at(-1).push(plain ?? quoted.replaceAll('""', '"'));
    at += cell.length;
    if (end === "\r\n") rows.push([]);
  }
  assert.deepEqual(rows.pop(), [], "the last line has its end");
  assert.deepEqual(rows.filter(({ length }) => length !== rows[0].length), [], "each row has a cell for each column");
  return rows;
}

/** The text of a cell: without the apostrophe in front of what a spreadsheet could take for a formula. */
export const textOf = (cell) =>
  cell.replace(/^'(?=['"]*[=+\-@＝＋－＠\t\r\n\0])/, "").replace(/([;\t\r\n])'(?=['"]*[=+\-@＝＋－＠])/g, "$1");

/** The parts of a cell that a spreadsheet could compute, whichever separator it takes. */
export const formulas = (cell) => cell.split(/[;\t\r\n]/).filter((part) => /^"*[=+\-@＝＋－＠]/.test(part));
