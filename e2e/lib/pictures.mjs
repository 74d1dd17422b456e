// Pictures for the guide: small ones, in WebP, which Chromium converts from its own screenshots.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SCREENSHOTS } from "./chromium.mjs";

/** The pictures that the guide shows. */
export const IN_THE_TREE = join(import.meta.dirname, "../../docs/guide/images");
/** Set by `cargo xtask test --keep-pictures`: this run's pictures replace those in the tree. */
const KEEPS = Boolean(process.env.GATEWRIGHT_KEEP_PICTURES);
const SIZE = { width: 1160, height: 760 };
const HEAVIEST = 60_000;

/** Takes pictures of pages; `taken` contains their names. */
export class Camera {
  taken = [];

  constructor(chromium) {
    this.chromium = chromium;
  }

  /** A picture of the top of a page, as someone sees it who has just opened it. */
  async take(page, name) {
    await page.setViewportSize(SIZE);
    await page.emulateMedia({ colorScheme: "light" });
    await page.evaluate("document.activeElement?.blur(); scrollTo(0, 0)");
    const png = await page.screenshot();
    const webp = await this.#webp(png);
    if (webp.length > HEAVIEST) throw new Error(`the picture ${name} has ${webp.length} bytes`);
    for (const folder of [join(SCREENSHOTS, "guide"), ...(KEEPS ? [IN_THE_TREE] : [])]) {
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, `${name}.webp`), webp);
    }
    this.taken.push(`${name}.webp`);
  }

  async #webp(png) {
    const page = await this.chromium.newPage();
    try {
      const url = await page.evaluate(async (text) => {
        const image = new Image();
        image.src = `data:image/png;base64,${text}`;
        await image.decode();
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [image.width, image.height];
        canvas.getContext("2d").drawImage(image, 0, 0);
        return canvas.toDataURL("image/webp", 0.7);
      }, png.toString("base64"));
      return Buffer.from(url.split(",")[1], "base64");
    } finally {
      await page.close();
    }
  }
}
