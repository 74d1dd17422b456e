// Clients whose access token expires while they are connected: each continues with its refresh token without asking anyone to sign
// in again, and each asks for a sign-in once its grant has been ended. The clients are real ones with their own OAuth.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import * as modern from "@modelcontextprotocol/client";
import { Client as LegacyClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as LegacyTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { sourceFields } from "./lib/api.mjs";
import { memoryProvider } from "./lib/client.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { startProvider } from "./lib/provider.mjs";
import { signIn } from "./lib/sign-in.mjs";
import { pause } from "./lib/time.mjs";
import { startEverything } from "./lib/upstreams.mjs";

/** The shortest lifetime of an access token, in seconds: all clients sign in within it, and the test waits for it once. */
const LIFE = 60;

const REDIRECT = "http://127.0.0.1:1/callback";

describe("access tokens that expire", () => {
  let gateway, provider, everything, url, folder;
  const clients = {};

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "gatewright-expiry-"));
    gateway = await startGateway({ outbound: 'allow = ["127.0.0.0/8"]' });
    provider = await startProvider({ redirectUri: gateway.callback });
    everything = await startEverything();
    const { create } = gateway;
    const source = await create("user-sources", sourceFields(provider));
    const server = await create("servers", { slug: "everything", name: "Everything", url: everything.url });
    const made = await create("gateways", {
      name: "Short",
      slug: "short",
      authentication_mode: "user_source",
      user_source_id: source.id,
      servers: [server.id],
      settings: { access_token_seconds: LIFE },
    });
    url = made.url;
    clients.v1 = await typescript(LegacyClient, LegacyTransport);
    clients.v2 = await typescript(modern.Client, modern.StreamableHTTPClientTransport, {
      versionNegotiation: { mode: "auto" },
    });
    clients.python = await python();
    clients.remote = await remote();
    // The last token issued is the last to expire.
    for (const client of Object.values(clients)) await expired(client.accessToken());
  });

  after(async () => {
    for (const client of Object.values(clients)) await client.close();
    for (const each of [provider, everything, gateway]) await each?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Resolves once the gateway no longer accepts a token. */
  async function expired(token) {
    const deadline = Date.now() + (LIFE + 30) * 1000;
    while (Date.now() < deadline) {
      const answer = await fetch(url, { headers: { authorization: `Bearer ${token}`, accept: "text/event-stream" } });
      await answer.body?.cancel();
      if (answer.status === 401) return;
      await pause(500);
    }
    assert.fail("the access token did not expire");
  }

  /** A connected client of a TypeScript SDK that has made one call. */
  async function typescript(Client, Transport, options) {
    const auth = memoryProvider({ redirectUrl: REDIRECT });
    // What clients do with refused credentials: forget them.
    auth.invalidateCredentials = (what) => {
      if (what === "tokens" || what === "all") auth.kept.tokens = undefined;
      if (what === "client" || what === "all") auth.kept.client = undefined;
    };
    const make = () => new Client({ name: "expiry", version: "1.0.0" }, options);
    const transport = new Transport(new URL(url), { authProvider: auth });
    await assert.rejects(make().connect(transport), /unauthorized/i);
    const answer = await signIn({ authorizationUrl: auth.kept.authorizationUrl, redirectUrl: REDIRECT });
    await (Transport === LegacyTransport ? transport.finishAuth(answer.get("code")) : transport.finishAuth(answer));
    auth.kept.authorizationUrl = undefined;
    const first = { ...auth.kept.tokens };
    const client = make();
    await client.connect(new Transport(new URL(url), { authProvider: auth }));
    const call = () => client.callTool({ name: "echo", arguments: { message: "hi" } });
    await call();
    return { auth, first, call, accessToken: () => first.access_token, close: () => client.close() };
  }

  /** The Python SDK, which has made one call and waits for a message to call again. */
  async function python() {
    const script = join(import.meta.dirname, "clients/python_client.py");
    const child = spawn(
      process.env.GATEWRIGHT_TEST_PYTHON ?? "python3",
      [script, url, "echo", JSON.stringify({ message: "hi" })],
      { env: { ...process.env, CALL_AGAIN: "1" }, stdio: ["pipe", "pipe", "pipe"] },
    );
    const errors = [];
    child.stderr.setEncoding("utf8").on("data", (text) => errors.push(text));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async (wanted) => {
      for (;;) {
        const { value: line, done } = await lines.next();
        assert.ok(!done, `the Python client ended before ${wanted}:\n${errors.join("")}`);
        const [word, rest] = [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)];
        if (word === wanted) return rest;
        if (word !== "AUTHORIZE") continue;
        const redirectUrl = new URL(rest).searchParams.get("redirect_uri");
        await fetch(`${redirectUrl}?${await signIn({ authorizationUrl: rest, redirectUrl })}`);
      }
    };
    const token = await next("CALLED");
    return {
      accessToken: () => token,
      again: async () => {
        child.stdin.write("\n");
        return JSON.parse(await next("RESULT"));
      },
      close: async () => child.kill(),
    };
  }

  /** `mcp-remote`, driven over stdio; its browser is a script that signs in and notes that it was opened. */
  async function remote() {
    const opened = join(folder, "opened");
    const browser = join(folder, "xdg-open");
    const browse = join(import.meta.dirname, "clients/browse.mjs");
    await writeFile(browser, `#!/bin/sh\necho opened >> "${opened}"\nexec "${process.execPath}" "${browse}" "$@"\n`);
    await chmod(browser, 0o755);
    const proxy = join(import.meta.dirname, "node_modules/mcp-remote/dist/proxy.js");
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [proxy, url, "--transport", "http-only"],
      env: {
        ...process.env,
        MCP_REMOTE_CONFIG_DIR: folder,
        BROWSER: browser,
        PATH: `${folder}:${process.env.PATH}`,
        // Without a display, the desktop's own choice is never used.
        DISPLAY: "",
        WAYLAND_DISPLAY: "",
      },
      stderr: "pipe",
    });
    const said = [];
    transport.stderr.on("data", (text) => said.push(text));
    const client = new LegacyClient({ name: "behind mcp-remote", version: "1.0.0" });
    await client.connect(transport, { timeout: 30_000 }).catch((error) => assert.fail(`${error}\n${said.join("")}`));
    const call = () => client.callTool({ name: "echo", arguments: { message: "hi" } });
    await call();
    const stored = async () => {
      const files = await readdir(folder, { recursive: true });
      const file = files.find((name) => name.endsWith("_tokens.json"));
      return JSON.parse(await readFile(join(folder, file), "utf8"));
    };
    const first = (await stored()).access_token;
    return {
      call,
      accessToken: () => first,
      presentToken: async () => (await stored()).access_token,
      timesOpened: async () => (await readFile(opened, "utf8")).trim().split("\n").length,
      close: () => client.close(),
    };
  }

  for (const [name, key] of [
    ["TypeScript SDK v1", "v1"],
    ["TypeScript SDK v2", "v2"],
  ]) {
    test(`${name} refreshes and continues without its user`, async () => {
      const { auth, first, call } = clients[key];
      assert.match((await call()).content[0].text, /hi/);
      // A client that listens has refreshed by itself when its stream ended with the token.
      assert.notEqual(auth.kept.tokens.access_token, first.access_token);
      assert.notEqual(auth.kept.tokens.refresh_token, first.refresh_token, "refresh tokens are rotated");
      assert.equal(auth.kept.authorizationUrl, undefined, "no one was asked to sign in");
    });
  }

  test("Python SDK refreshes and continues without its user", async () => {
    const seen = await clients.python.again();
    assert.match(seen.text.join(), /hi/);
    assert.equal(seen.refreshed, true);
    assert.equal(seen.sign_ins, 1);
  });

  test("mcp-remote refreshes and continues without its user", async () => {
    const { call, accessToken, presentToken, timesOpened } = clients.remote;
    assert.match((await call()).content[0].text, /hi/);
    assert.notEqual(await presentToken(), accessToken());
    assert.equal(await timesOpened(), 1);
  });

  test("TypeScript clients ask to sign in again once their grants have ended", async () => {
    const { items } = await gateway.api("GET", `${gateway.project}/users`);
    for (const user of items) await gateway.api("DELETE", `${gateway.project}/users/${user.id}/grants`);
    for (const { auth, call } of [clients.v1, clients.v2]) {
      await assert.rejects(call(), /unauthorized/i);
      assert.ok(auth.kept.authorizationUrl, "the user is sent to sign in");
    }
  });
});
