// Servers that support only the HTTP+SSE transport of 2024-11-05, one on each official SDK, behind the real program: used by an
// older and a newer client as if they supported Streamable HTTP, each person in their own session, and again after a restart.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { startGateway } from "./lib/gateway.mjs";
import { freePort, start } from "./lib/process.mjs";
import { pause } from "./lib/time.mjs";

const EVERYTHING = join(import.meta.dirname, "node_modules/@modelcontextprotocol/server-everything/dist/index.js");
const IN_PYTHON = join(import.meta.dirname, "lib/http_sse_server.py");
const PYTHON = process.env.GATEWRIGHT_TEST_PYTHON ?? "python3";

/** Starts each server on a port, so that it can be restarted there. */
const SERVERS = {
  typescript: (port) => start(process.execPath, [EVERYTHING, "sse"], { env: { PORT: String(port) }, readyUrl: `http://127.0.0.1:${port}/` }),
  python: (port) => start(PYTHON, [IN_PYTHON, String(port)], { readyUrl: `http://127.0.0.1:${port}/` }),
};

describe("servers of HTTP+SSE", () => {
  let gateway, key;
  const running = {};
  const servers = {};
  const urls = {};

  before(async () => {
    gateway = await startGateway();
    const { create } = gateway;
    ({ key } = await create("api-keys", { name: "agents", role: "gateway" }));
    for (const [name, begin] of Object.entries(SERVERS)) {
      const port = await freePort();
      running[name] = { port, server: await begin(port) };
      servers[name] = await create("servers", { slug: name, name, url: `http://127.0.0.1:${port}/sse` });
      urls[name] = (await create("gateways", { name, slug: name, authentication_mode: "headers", servers: [servers[name].id] })).url;
    }
  });

  after(async () => {
    for (const { server } of Object.values(running)) await server.stop("SIGKILL");
    await gateway?.stop();
  });

  async function connect(name, user, [OfEra, Transport] = [Client, StreamableHTTPClientTransport]) {
    const client = new OfEra({ name: "end-to-end", version: "1.0.0" });
    const headers = { authorization: `Bearer ${key}`, "gatewright-user-id": user };
    await client.connect(new Transport(new URL(urls[name]), { requestInit: { headers } }));
    return client;
  }

  const text = (result) => result.content[0].text;
  const echo = async (client, message) => text(await client.callTool({ name: "echo", arguments: { message } }));

  for (const name of Object.keys(SERVERS)) describe(name, () => {
    test("both eras of clients list, call and read", async () => {
      for (const era of [undefined, [ModernClient, ModernTransport]]) {
        const client = await connect(name, "ada", era);
        const { tools } = await client.listTools();
        assert.ok(tools.some((tool) => tool.name === "echo"), JSON.stringify(tools));
        assert.match(await echo(client, "forty-two"), /forty-two/);
        assert.ok((await client.listPrompts()).prompts.length > 0);
        const [{ uri }] = (await client.listResources()).resources;
        assert.ok((await client.readResource({ uri })).contents.length > 0);
        await client.close();
      }
    });

    test("calls at the same time each get their own response, for several people", async () => {
      const clients = await Promise.all(["ada", "bob", "eve"].map((user) => connect(name, user)));
      const calls = clients.flatMap((client, person) =>
        Array.from({ length: 20 }, async (_, number) => {
          const message = `person ${person} call ${number}`;
          assert.ok((await echo(client, message)).endsWith(message));
        }),
      );
      await Promise.all(calls);
      for (const client of clients) await client.close();
    });

    test("it is marked as deprecated", async () => {
      const check = await gateway.api("POST", `${gateway.project}/servers/${servers[name].id}/check`, {});
      assert.equal(check.answers, true);
      assert.equal(check.problem, null);
      assert.match(JSON.stringify(check.warnings), /HTTP\+SSE/);
    });

    test("after a restart of the server the next call works", async () => {
      const client = await connect(name, "ada");
      assert.match(await echo(client, "before"), /before/);
      await running[name].server.stop("SIGKILL");
      running[name].server = await SERVERS[name](running[name].port);
      let last;
      for (let attempt = 0; attempt < 5 && !/after/.test(last); attempt += 1) {
        last = await echo(client, "after").catch(({ message }) => message);
        await pause(200);
      }
      assert.match(last, /after/);
      await client.close();
    });
  });

  test("progress reaches the call it belongs to", async () => {
    const client = await connect("typescript", "ada");
    const steps = [];
    const call = { name: "trigger-long-running-operation", arguments: { duration: 1, steps: 4 } };
    const answer = await client.callTool(call, undefined, { onprogress: ({ progress }) => steps.push(progress) });
    assert.match(text(answer), /completed/);
    assert.deepEqual(steps, [1, 2, 3, 4]);
    await client.close();
  });
});
