// All scenarios of the official conformance suite for authorization servers, with no expected failures.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { sourceFields } from "./lib/api.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { freePort } from "./lib/process.mjs";
import { startProvider } from "./lib/provider.mjs";
import { signIn } from "./lib/sign-in.mjs";

const SUITE = join(import.meta.dirname, "node_modules/@modelcontextprotocol/conformance/dist/index.js");

describe("the conformance suite for authorization servers", () => {
  let gateway, provider, url;

  before(async () => {
    gateway = await startGateway();
    provider = await startProvider({ redirectUri: gateway.callback });
    const { create } = gateway;
    const source = await create("user-sources", sourceFields(provider));
    ({ url } = await create("gateways", {
      name: "Conformance",
      slug: "conformance",
      authentication_mode: "user_source",
      user_source_id: source.id,
    }));
  });

  after(async () => {
    for (const each of [provider, gateway]) await each?.stop();
  });

  test("every scenario passes", async () => {
    const port = await freePort();
    const redirectUrl = `http://127.0.0.1:${port}/callback`;
    const registered = await fetch(`${url}/oauth2/register`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ redirect_uris: [redirectUrl], token_endpoint_auth_method: "none" }),
    }).then((answer) => answer.json());
    const args = [SUITE, "authorization", "--url", url, "--client-id", registered.client_id, "--port", String(port)];
    const suite = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    const printed = [];
    suite.stderr.setEncoding("utf8").on("data", (text) => printed.push(text));
    for await (const line of createInterface({ input: suite.stdout })) {
      printed.push(line);
      if (!line.startsWith(`${url}/oauth2/authorize?`)) continue;
      const answer = await signIn({ authorizationUrl: line.trim(), redirectUrl });
      await fetch(`${redirectUrl}?${answer}`);
    }
    const status = suite.exitCode ?? (await new Promise((done) => suite.once("exit", done)));
    const text = printed.join("\n");
    assert.equal(status, 0, text);
    assert.match(text, /authorization-code-grant: [1-9]\d* passed, 0 failed/, text);
    assert.match(text, /authorization-server-metadata-endpoint: [1-9]\d* passed, 0 failed/, text);
  });
});
