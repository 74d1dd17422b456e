// Debian's Chromium, driven by playwright-core.

import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

/** Where screenshots are written: outside the tree. */
export const SCREENSHOTS = process.env.GATEWRIGHT_SCREENSHOTS ?? join(tmpdir(), "gatewright-screenshots");

/** The three looks in which every page is checked. */
export const LOOKS = {
  light: { viewport: { width: 1200, height: 860 }, colorScheme: "light" },
  dark: { viewport: { width: 1200, height: 860 }, colorScheme: "dark" },
  phone: { viewport: { width: 360, height: 740 }, colorScheme: "light" },
};

/** Starts the browser with all phoning home turned off. */
export function startChromium() {
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** Takes a screenshot of a page in every look, and checks that it never scrolls sideways. */
export async function photograph(page, name) {
  await mkdir(SCREENSHOTS, { recursive: true });
  for (const [look, { viewport, colorScheme }] of Object.entries(LOOKS)) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join(SCREENSHOTS, `${name}-${look}.png`), fullPage: true });
    const overflow = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth");
    if (overflow > 0) throw new Error(`${name} scrolls sideways by ${overflow} px in the ${look} look`);
  }
  await page.setViewportSize(LOOKS.light.viewport);
}
