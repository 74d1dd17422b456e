// The core flow on both stores: a client has a gateway's URL, its user signs in at the company's provider and calls a tool
// that learns who they are. Clients are the official SDKs with their own OAuth.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import * as modern from "@modelcontextprotocol/client";
import { Client as LegacyClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as LegacyTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { sourceFields } from "./lib/api.mjs";
import { memoryProvider, startCallback } from "./lib/client.mjs";
import { STORES, startGateway } from "./lib/gateway.mjs";
import { startMetadataDocument } from "./lib/metadata-document.mjs";
import { startProvider } from "./lib/provider.mjs";
import { signIn } from "./lib/sign-in.mjs";
import { startEverything, startRmcp } from "./lib/upstreams.mjs";

/** Connects with an SDK, and signs in when it asks for that; returns the connected client. */
async function connect({ url, Client, Transport, options, callback, metadataUrl, user }) {
  const auth = memoryProvider({ redirectUrl: callback.url, clientMetadataUrl: metadataUrl });
  const make = () => new Client({ name: "end-to-end", version: "1.0.0" }, options);
  const transport = new Transport(new URL(url), { authProvider: auth });
  await assert.rejects(make().connect(transport), { name: "UnauthorizedError" }).catch((error) => {
    if (!auth.kept.authorizationUrl) throw error;
  });
  const answer = await signIn({
    authorizationUrl: auth.kept.authorizationUrl,
    redirectUrl: callback.url,
    user,
  });
  assert.equal(answer.get("state"), auth.kept.state, "state comes back exactly");
  assert.equal(answer.get("iss"), url, "the issuer is the gateway");
  await (Transport === LegacyTransport ? transport.finishAuth(answer.get("code")) : transport.finishAuth(answer));
  const client = make();
  await client.connect(new Transport(new URL(url), { authProvider: auth }));
  return { client, auth };
}

/** Runs the Python client; signs in when it says where; returns the line of JSON it ends with. */
async function python(url, tool, toolArguments, { user, metadataUrl } = {}) {
  const script = join(import.meta.dirname, "clients/python_client.py");
  const args = [script, url, tool, JSON.stringify(toolArguments), ...(metadataUrl ? [metadataUrl] : [])];
  const child = spawn(process.env.GATEWRIGHT_TEST_PYTHON ?? "python3", args, { stdio: ["ignore", "pipe", "pipe"] });
  const errors = [];
  child.stderr.setEncoding("utf8").on("data", (text) => errors.push(text));
  let result;
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, rest] = [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)];
    if (word === "RESULT") result = JSON.parse(rest);
    if (word !== "AUTHORIZE") continue;
    const redirectUrl = new URL(rest).searchParams.get("redirect_uri");
    const answer = await signIn({ authorizationUrl: rest, redirectUrl, user });
    await fetch(`${redirectUrl}?${answer}`);
  }
  assert.ok(result, `the Python client failed:\n${errors.join("")}`);
  return result;
}

for (const store of STORES) {
  describe(`the main job on ${store}`, () => {
    let gateway, provider, everything, rmcp, document, callback;
    const urls = {};

    before(async () => {
      callback = await startCallback();
      document = await startMetadataDocument({ redirectUris: ["http://127.0.0.1/callback"] });
      gateway = await startGateway({
        store,
        outbound: `allow = ["127.0.0.0/8"]\nextra_ca = ["${document.authority}"]`,
      });
      provider = await startProvider({ redirectUri: gateway.callback });
      [everything, rmcp] = [await startEverything(), await startRmcp(gateway)];
      const { create } = gateway;
      const source = await create("user-sources", sourceFields(provider));
      assert.equal(source.redirect_url, gateway.callback);
      assert.ok(!JSON.stringify(source).includes(provider.client.client_secret));
      const one = await create("servers", { slug: "everything", name: "Everything", url: everything.url });
      const two = await create("servers", { slug: "rmcp", name: "Rmcp", url: rmcp.url, identity: "assertion" });
      const gateways = { everything: [one.id], rmcp: [two.id], both: [one.id, two.id] };
      for (const [slug, servers] of Object.entries(gateways)) {
        const made = await create("gateways", {
          name: slug,
          slug: `${slug}-${store}`,
          authentication_mode: "user_source",
          user_source_id: source.id,
          servers,
        });
        urls[slug] = made.url;
      }
    });

    after(async () => {
      for (const each of [callback, document, provider, everything, rmcp]) await each?.stop();
      assert.equal(await gateway?.stop(), 0, "a stopped gateway ends with status 0");
    });

    test("TypeScript SDK v1 calls a tool of server-everything", async () => {
      const { client } = await connect({
        url: urls.everything,
        Client: LegacyClient,
        Transport: LegacyTransport,
        callback,
      });
      const { tools } = await client.listTools();
      assert.ok(tools.some((tool) => tool.name === "echo"), "one server: names stay unchanged");
      const said = await client.callTool({ name: "echo", arguments: { message: "héllo" } });
      assert.match(said.content[0].text, /héllo/);
      await client.close();
    });

    test("TypeScript SDK v1 gets progress while a tool runs", async () => {
      const { client } = await connect({
        url: urls.both,
        Client: LegacyClient,
        Transport: LegacyTransport,
        callback,
      });
      const seen = [];
      await client.callTool(
        { name: "everything_trigger-long-running-operation", arguments: { duration: 1, steps: 3 } },
        undefined,
        { onprogress: (progress) => seen.push(progress.progress) },
      );
      assert.ok(seen.length >= 2, `progress arrived ${seen.length} times`);
      await client.close();
    });

    test("TypeScript SDK v2 uses 2026-07-28 and the server learns who is calling", async () => {
      const { client, auth } = await connect({
        url: urls.both,
        Client: modern.Client,
        Transport: modern.StreamableHTTPClientTransport,
        options: { versionNegotiation: { mode: "auto" } },
        callback,
        user: "grace",
      });
      const { tools } = await client.listTools();
      const names = tools.map((tool) => tool.name);
      assert.ok(names.includes("everything_echo") && names.includes("rmcp_whoami"), names.join());
      const who = await client.callTool({ name: "rmcp_whoami", arguments: {} });
      assert.match(JSON.stringify(who), /"grace"/);
      const said = await client.callTool({ name: "everything_echo", arguments: { message: "across eras" } });
      assert.match(said.content[0].text, /across eras/);
      assert.ok(auth.kept.tokens.refresh_token, "there is a refresh token");
      await client.close();
    });

    test("TypeScript SDK v2 signs in with a metadata document", async () => {
      const { client, auth } = await connect({
        url: urls.rmcp,
        Client: modern.Client,
        Transport: modern.StreamableHTTPClientTransport,
        options: { versionNegotiation: { mode: "auto" } },
        callback,
        metadataUrl: document.url,
      });
      assert.equal(auth.kept.client.client_id, document.url);
      const who = await client.callTool({ name: "whoami", arguments: {} });
      assert.match(JSON.stringify(who), /"ada"/);
      await client.close();
    });

    test("Python SDK registers, signs in and calls", async () => {
      const seen = await python(urls.rmcp, "whoami", {}, { user: "ada" });
      assert.ok(seen.tools.includes("whoami"));
      assert.match(JSON.stringify(seen), /ada/);
      assert.ok(seen.refreshable);
    });

    test("Python SDK signs in with a metadata document", async () => {
      const seen = await python(urls.both, "everything_echo", { message: "hi" }, { metadataUrl: document.url });
      assert.equal(seen.client, document.url);
      assert.match(seen.text.join(), /hi/);
    });
  });
}
