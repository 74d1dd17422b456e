// aiosmtpd, a mail server from PyPI, which prints what it receives.

import { join } from "node:path";
import { freePort, start } from "./process.mjs";
import { within } from "./time.mjs";

const PYTHON = process.env.GATEWRIGHT_TEST_PYTHON ?? "/usr/bin/python3";

/** Starts the server; `settings` are those of `mail_server.py`. */
export async function startMailServer(settings = {}) {
  const port = await freePort();
  const words = ["-u", join(import.meta.dirname, "mail_server.py"), String(port), JSON.stringify(settings)];
  const running = await start(PYTHON, words, {});
  await within(10_000, () => /ready/.test(running.output()), () => `the mail server is not ready: ${running.output()}`);
  return {
    port,
    said: () => running.output(),
    mails: () => running.output().split("MAIL\n").slice(1),
    stop: running.stop,
  };
}
