// The three modes side by side, with the same person: a member of the project, a user of a source, and an ID that a
// key vouches for. To the servers they are three people, and access in each mode ends in its own way.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { sourceFields } from "./lib/api.mjs";
import { Browser } from "./lib/browser.mjs";
import { memoryProvider, startCallback } from "./lib/client.mjs";
import { STORES, startGateway } from "./lib/gateway.mjs";
import { startProvider } from "./lib/provider.mjs";
import { allowButton, signIn } from "./lib/sign-in.mjs";
import { startRmcp } from "./lib/upstreams.mjs";

const PASSWORD = "violet harbour ninety";

for (const store of STORES) {
  describe(`three modes on ${store}`, () => {
    let gateway, provider, rmcp, callback, project;
    const isClient = (url) => url.href.startsWith(callback.url);
    const browser = () => new Browser({ stopAt: isClient });
    const create = (...of) => gateway.create(...of);

    before(async () => {
      callback = await startCallback();
      gateway = await startGateway({ store });
      provider = await startProvider({ redirectUri: gateway.callback });
      rmcp = await startRmcp(gateway);
      project = gateway.project.split("/").at(-1);
      await create("servers", { slug: "rmcp", name: "rmcp", url: rmcp.url, identity: "assertion" });
      const source = await create("user-sources", sourceFields(provider));
      await create("gateways", { name: "Team", slug: "team", authentication_mode: "project_members" });
      await create("gateways", { name: "Staff", slug: "staff", authentication_mode: "user_source", user_source_id: source.id });
      await create("gateways", { name: "Agents", slug: "agents", authentication_mode: "headers" });
    });

    after(async () => {
      for (const part of [rmcp, provider, gateway, callback]) await part?.stop();
    });

    /** Creates an account of the project by invitation; returns the browser it is signed in with. */
    async function invited(email, role = "viewer") {
      const { link } = await create("invitations", { email, role });
      const person = browser();
      const page = await person.open(link);
      const done = await person.submit(page, { values: { name: email.split("@")[0], password: PASSWORD } });
      assert.equal(done.status, 200, done.text);
      return person;
    }

    /** Begins a client's sign-in at a gateway; returns its state and the URL for the browser. */
    async function begin(slug) {
      const url = new URL(`${gateway.url}/mcp/${slug}`);
      const auth = memoryProvider({ redirectUrl: callback.url });
      const transport = new StreamableHTTPClientTransport(url, { authProvider: auth });
      const client = () => new Client({ name: "end-to-end", version: "1.0.0" });
      await assert.rejects(client().connect(transport));
      const finish = async (code) => {
        await transport.finishAuth(code);
        const connected = client();
        await connected.connect(new StreamableHTTPClientTransport(url, { authProvider: auth }));
        return connected;
      };
      return { auth, authorizationUrl: auth.kept.authorizationUrl, finish };
    }

    const whoami = async (client) => {
      const answer = await client.callTool({ name: "whoami", arguments: {} });
      return answer.structuredContent;
    };

    test("a member signs in with their account, and loses access with their membership", async () => {
      const { finish, authorizationUrl, auth } = await begin("team");
      const person = await invited("ada@example.com");
      const page = await person.open(authorizationUrl);
      assert.equal(page.status, 200, page.text);
      assert.match(page.text, /ada@example\.com/);
      const end = await person.submit(page, { button: allowButton(page) });
      assert.ok(end.redirectedTo, `${end.status} ${end.text}`);
      const client = await finish(end.redirectedTo.searchParams.get("code"));
      const told = await whoami(client);
      assert.match(told.sub, /^acc_/);
      assert.equal(told.mode, "project_members");

      await gateway.api("DELETE", `/projects/${project}/members/${told.sub}`);
      const answer = await fetch(`${gateway.url}/mcp/team`, {
        method: "POST",
        headers: { authorization: `Bearer ${auth.kept.tokens.access_token}`, "content-type": "application/json" },
        body: "{}",
      });
      assert.equal(answer.status, 401);
    });

    test("someone without a session signs in first, and comes back to the consent page", async () => {
      const { authorizationUrl } = await begin("team");
      await invited("bo@example.com");
      const person = browser();
      const signInPage = await person.open(authorizationUrl);
      assert.match(signInPage.url, /\/sign-in\?next=/);
      const values = { email: "bo@example.com", password: PASSWORD };
      const page = await person.submit(signInPage, { values });
      assert.match(page.url, /\/mcp\/team\/oauth2\/authorize\?/, page.text);
      const end = await person.submit(page, { button: allowButton(page) });
      assert.ok(end.redirectedTo.searchParams.get("code"));
    });

    test("the same person is another user in each mode", async () => {
      const member = await begin("team");
      const person = await invited("cy@example.com", "admin");
      const page = await person.open(member.authorizationUrl);
      const end = await person.submit(page, { button: allowButton(page) });
      const asMember = await whoami(await member.finish(end.redirectedTo.searchParams.get("code")));

      const user = await begin("staff");
      const answer = await signIn({ authorizationUrl: user.authorizationUrl, redirectUrl: callback.url, user: "cy" });
      const asUser = await whoami(await user.finish(answer.get("code")));

      const { key } = await create("api-keys", { name: "agents", role: "gateway" });
      const headers = { authorization: `Bearer ${key}`, "gatewright-user-id": asMember.sub };
      const client = new Client({ name: "end-to-end", version: "1.0.0" });
      const url = new URL(`${gateway.url}/mcp/agents`);
      await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
      const asId = await whoami(client);

      assert.match(asUser.sub, /^usr_/);
      assert.equal(asId.sub, `${project}|${asMember.sub}`);
      assert.equal(new Set([asMember.sub, asUser.sub, asId.sub]).size, 3);
      assert.deepEqual([asMember.mode, asUser.mode, asId.mode], ["project_members", "user_source", "headers"]);
    });

    test("changing the mode ends the access of the old one", async () => {
      const { finish, authorizationUrl, auth } = await begin("team");
      const person = await invited("di@example.com");
      const page = await person.open(authorizationUrl);
      const end = await person.submit(page, { button: allowButton(page) });
      await finish(end.redirectedTo.searchParams.get("code"));
      const { items } = await gateway.api("GET", `${gateway.project}/gateways`);
      const team = items.find((each) => each.slug === "team");
      await gateway.api("PATCH", `${gateway.project}/gateways/${team.id}`, { authentication_mode: "headers" });
      await gateway.api("PATCH", `${gateway.project}/gateways/${team.id}`, { authentication_mode: "project_members" });
      const answer = await fetch(`${gateway.url}/mcp/team`, {
        method: "POST",
        headers: { authorization: `Bearer ${auth.kept.tokens.access_token}`, "content-type": "application/json" },
        body: "{}",
      });
      assert.equal(answer.status, 401);
    });
  });
}
