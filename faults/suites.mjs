// Faults covered by tests of the end-to-end suite: they run unchanged, and their counts are reported.

import { spawn } from "node:child_process";
import { join } from "node:path";

const FOLDER = join(import.meta.dirname, "../e2e");

/** Runs a file of the suite once; returns how many tests passed, and fails with the names of those that did not. */
async function once(file) {
  const args = ["--test", "--test-force-exit", "--test-concurrency=1", "--test-timeout=180000", "--test-reporter=tap", file];
  // Node sets this for the processes of a test runner, which then report differently.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(process.execPath, args, { cwd: FOLDER, env, stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part) => (text += part));
  await new Promise((done) => child.once("close", done));
  const count = (what) => Number(text.match(new RegExp(`^# ${what} (\\d+)`, "m"))?.[1] ?? 0);
  const [passed, failed] = [count("pass"), count("fail") + count("cancelled")];
  if (failed > 0 || passed === 0) {
    const wrong = [...text.matchAll(/^ *not ok \d+ - (.*)$(?:[^]*?^ *error: (.*)$)?/gm)].map(([, name, error]) => `${name}: ${error}`);
    throw new Error(`${file}: ${failed} failed, ${passed} passed: ${wrong.join("; ")}`);
  }
  return passed;
}

const suite = (part, fault, files, done, promised) => ({
  part,
  fault,
  done: `${done} (${files.map((file) => `\`e2e/${file}\``).join(", ")})`,
  promised,
  rounds: 1,
  minutes: 1,
  run: async (bounds) => {
    let passed = 0;
    await bounds.each(async () => {
      for (const file of files) passed += await once(file);
    });
    return `${passed} tests passed`;
  },
});

export default [
  suite(
    "rolling",
    "a rolling restart",
    ["rolling.test.mjs", "rolling-nginx.test.mjs"],
    "two replicas are restarted one after the other, behind the nginx of the guide too",
    "no sign-in, no grant and no call is lost",
  ),
  suite(
    "rolling",
    "a change of the master key",
    ["keys-replicas.test.mjs"],
    "two replicas get another master key, following the guide",
    "people can sign in at every step, on either replica",
  ),
  suite(
    "providers",
    "faults of identity providers",
    ["hostile.test.mjs", "rotation.test.mjs"],
    "a provider that lies, and one whose keys and secrets change",
    "no lie lets anyone in, no change keeps anyone out",
  ),
  suite(
    "servers",
    "faults of MCP servers",
    ["odd-servers.test.mjs", "overload.test.mjs"],
    "servers that answer badly, hang, lose sessions, or send endless results and lists",
    "no tool acts twice; no one waits for a server that hangs; memory stays bounded",
  ),
];
