// MCP servers behind the gateway: the official reference server, and ours, built on the Rust SDK.

import { join } from "node:path";
import { BINARIES } from "./gateway.mjs";
import { freePort, start } from "./process.mjs";

/** `@modelcontextprotocol/server-everything`, a server of the session-based revisions. */
export async function startEverything() {
  const port = await freePort();
  const script = join(import.meta.dirname, "../node_modules/@modelcontextprotocol/server-everything/dist/index.js");
  const url = `http://127.0.0.1:${port}/mcp`;
  const running = await start(process.execPath, [script, "streamableHttp"], {
    env: { PORT: String(port) },
    readyUrl: url,
  });
  return { url, stop: running.stop, output: running.output };
}

/** The demo server on rmcp, whose `whoami` verifies the gateway's assertion against its published keys, for one project. */
export async function startRmcp(gateway, { project = gateway.project } = {}) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/mcp`;
  const running = await start(
    join(BINARIES, "gatewright-demo"),
    [
      ...["mcp-server", "--port", String(port), "--jwks-url", `${gateway.url}/.well-known/jwks.json`],
      ...["--issuer", gateway.url, "--project", project.split("/").at(-1)],
    ],
    { readyUrl: url },
  );
  return { url, stop: running.stop, output: running.output };
}
