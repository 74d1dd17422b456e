// A test's child processes: started on loopback, watched, and stopped by their own process ID.

import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { listen } from "./listen.mjs";
import { pause } from "./time.mjs";

const alive = new Set();
const leftovers = new Set();

// Everything that this process started stops when it exits, whatever ends it.
process.once("exit", () => {
  for (const child of alive) child.kill("SIGKILL");
  for (const remove of leftovers) {
    try {
      remove();
    } catch (error) {
      console.error(error);
    }
  }
});

/**
 * Removes, without waiting for anything, what is not a child of this process, if it exits before that was done in order: then call
 * what this returns.
 */
export function atExit(remove) {
  leftovers.add(remove);
  return () => leftovers.delete(remove);
}

/** A port that was free a moment ago. */
export async function freePort() {
  const { port, stop } = await listen(createServer());
  await stop();
  return port;
}

/**
 * Starts a program and waits until `ready(url)` answers; its output is kept for failures, in the file `outputFile` when
 * reading it as it comes would cost too much.
 */
export async function start(program, args, { env = {}, cwd, readyUrl, seconds = 30, outputFile } = {}) {
  const to = outputFile ? openSync(outputFile, "a") : "pipe";
  // Nothing here checks /readyz before a process is stopped, so no process waits for that.
  const fast = { GATEWRIGHT__SERVER__DRAIN_SECONDS: "0" };
  const child = spawn(program, args, { cwd, env: { ...fast, ...process.env, ...env }, stdio: ["ignore", to, to] });
  if (outputFile) closeSync(to);
  const [output, errors] = [[], []];
  for (const [stream, kept] of outputFile ? [] : [[child.stdout, [output]], [child.stderr, [output, errors]]]) {
    stream.setEncoding("utf8");
    stream.on("data", (text) => kept.forEach((texts) => texts.push(text)));
  }
  const exited = new Promise((done) => {
    child.once("exit", (code, signal) => done(code ?? signal));
    // It could not be started.
    child.once("error", (error) => {
      output.push(error.message);
      done(error.code);
    });
  });
  let ended = null;
  alive.add(child);
  exited.then((how) => {
    ended = how;
    alive.delete(child);
  });
  const running = {
    child,
    exited,
    output: () => (outputFile ? readFileSync(outputFile, "utf8") : output.join("")),
    /** Only what came on standard error: the log, without the messages for the person at the terminal. */
    errors: () => errors.join(""),
    stop: async (signal = "SIGTERM") => {
      if (ended === null) child.kill(signal);
      return exited;
    },
  };
  const deadline = Date.now() + seconds * 1000;
  while (readyUrl) {
    if (ended !== null) throw new Error(`${program} ended with ${ended}:\n${running.output()}`);
    const up = await fetch(readyUrl, { redirect: "manual" }).then(
      (answer) => answer.status < 500,
      () => false,
    );
    if (up) break;
    if (Date.now() > deadline) {
      await running.stop("SIGKILL");
      throw new Error(`${program} did not answer at ${readyUrl}:\n${running.output()}`);
    }
    await pause(50);
  }
  return running;
}

/** Runs a program to its end; returns how it ended, and its output. */
export async function attempt(program, args, options = {}) {
  const running = await start(program, args, options);
  return { code: await running.exited, output: running.output() };
}

/** Runs a program to its end; returns its output, or throws with it. */
export async function run(program, args, options = {}) {
  const { code, output } = await attempt(program, args, options);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}:\n${output}`);
  return output;
}
