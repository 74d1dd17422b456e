// The official SDKs of the matrix, each as a server and as a client: TypeScript 1 and 2, Python 1 and 2, and rmcp in both eras.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { BINARIES } from "../lib/gateway.mjs";
import { freePort, start } from "../lib/process.mjs";
import * as typeScript1 from "./clients/typescript-1.mjs";
import * as typeScript2 from "./clients/typescript-2.mjs";
import { startTypeScript1 } from "./servers/typescript-1.mjs";
import { startTypeScript2 } from "./servers/typescript-2.mjs";

/** The eras, by the revision that represents each. */
export const [SESSIONS, STATELESS] = ["2025-11-25", "2026-07-28"];

const RMCP = join(BINARIES, "e2e-rmcp");
const PYTHON_1 = process.env.GATEWRIGHT_TEST_PYTHON_SDK_1 ?? "python3";
const PYTHON_2 = process.env.GATEWRIGHT_TEST_PYTHON ?? "python3";
// Both versions warn about what a later revision of MCP removes, which is what is tested here.
const QUIET = ["-W", "ignore"];

const inFolder = (name) => join(import.meta.dirname, name);

/** A server that is another program, whose command gets its port. */
const program = (command, args) => async () => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/mcp`;
  const { stop, output } = await start(command, args(String(port)), { readyUrl: url });
  return { url, output, stop: () => stop("SIGKILL") };
};

/** The servers, by name. */
export const SERVERS = {
  "TypeScript 1": { era: SESSIONS, start: startTypeScript1 },
  "Python 1": { era: SESSIONS, start: program(PYTHON_1, (port) => [...QUIET, inFolder("servers/python_1.py"), port]) },
  "rmcp with sessions": { era: SESSIONS, start: program(RMCP, (port) => ["serve", port, SESSIONS]) },
  "TypeScript 2": { era: STATELESS, start: startTypeScript2 },
  "Python 2": { era: STATELESS, start: program(PYTHON_2, (port) => [...QUIET, inFolder("servers/python_2.py"), port]) },
  "rmcp stateless": { era: STATELESS, start: program(RMCP, (port) => ["serve", port, STATELESS]) },
};

/** A client that is another program: it gets a job as JSON, and prints what it sees of each server. */
const observer = (command, args) => async (job) => {
  const child = spawn(command, [...args, JSON.stringify(job)], { stdio: ["ignore", "pipe", "pipe"] });
  const [said, errors] = await Promise.all([readText(child.stdout), readText(child.stderr)]);
  if (!said) throw new Error(`${command} printed nothing:\n${errors}`);
  return JSON.parse(said);
};

/** A client in this process. */
const inProcess = ({ connect, SEES }) => async ({ urls, headers, primitives }) => {
  const seen = {};
  for (const [server, url] of Object.entries(urls)) {
    seen[server] = {};
    const connected = await connect(url, headers);
    for (const primitive of primitives) {
      seen[server][primitive] = await Promise.resolve(SEES[primitive](connected)).catch(({ message }) => `failed: ${message}`);
    }
    await connected.close();
  }
  return seen;
};

/** The clients, by name. `observe({ urls, headers, primitives })` returns what the client sees, by server and primitive. */
export const CLIENTS = {
  "TypeScript 1": { era: SESSIONS, observe: inProcess(typeScript1) },
  "Python 1": { era: SESSIONS, observe: observer(PYTHON_1, [...QUIET, inFolder("clients/python_1.py")]) },
  "rmcp with sessions": { era: SESSIONS, observe: observer(RMCP, ["observe", SESSIONS]) },
  "TypeScript 2": { era: STATELESS, observe: inProcess(typeScript2) },
  "Python 2": { era: STATELESS, observe: observer(PYTHON_2, [...QUIET, inFolder("clients/python_2.py")]) },
  "rmcp stateless": { era: STATELESS, observe: observer(RMCP, ["observe", STATELESS]) },
};

/** What an SDK does not have. `shown` is what the client sees instead, so that the test fails once that is no longer true. */
export const ABSENT = [
  {
    primitive: "ping",
    why: "the revision 2026-07-28 has no ping",
    isAbout: ({ client }) => CLIENTS[client].era === STATELESS,
    shown: /^absent: /,
  },
  {
    primitive: "logging",
    why: "passes unless the answer overtakes it: rmcp logs on the stream that it is listened to with, and a stateless client hears only its call",
    isAbout: ({ client, server }) => server === "rmcp with sessions" && CLIENTS[client].era === STATELESS,
    shown: /^(one,two,three$|failed: .*nothing came within 2 s)/,
  },
];
