// The user guide as the tests use it: they run exactly what it tells people to enter.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

const FOLDER = join(import.meta.dirname, "../../docs/guide");

/** The blocks of a language below a heading of a page, in order; `heading` as it is in the text. */
export async function blocks(page, language, heading = "") {
  const text = await readFile(join(FOLDER, `${page}.md`), "utf8");
  const from = text.indexOf(heading);
  if (from < 0) throw new Error(`${page}.md has no heading ${heading}`);
  const below = text.slice(from + heading.length);
  const next = heading ? below.search(/^## /m) : -1;
  const part = next < 0 ? below : below.slice(0, next);
  const found = [...part.matchAll(new RegExp("^```" + language + "\\n([\\s\\S]*?)^```$", "gm"))].map((match) => match[1]);
  if (found.length === 0) throw new Error(`${page}.md has no ${language} below ${heading}`);
  return found;
}

/** Replaces each of the places in a text by one of the test; all of them must be there. */
export function filledIn(text, places) {
  return Object.entries(places).reduce((filled, [place, ours]) => {
    if (!filled.includes(place)) throw new Error(`the guide no longer says ${place}:\n${text}`);
    return filled.replaceAll(place, ours);
  }, text);
}
