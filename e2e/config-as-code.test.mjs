// Configuration as code through the real program: what the API made is exported and applied to an empty instance, whose API then
// answers the same; plans, pruning, and files with mistakes.

import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { callApi } from "./lib/api.mjs";
import { STORES, adminInit, configure, startGateway, startReplica } from "./lib/gateway.mjs";
import { start } from "./lib/process.mjs";

const CANARY = "canary-of-a-client-secret";
/** What is different for each instance. */
const OWN = ["id", "project_id", "created_at", "updated_at", "verified_at", "client_secret_changed_at", "secret_changed_at", "last_used_at"];
const LISTS = ["secrets", "user-sources", "servers", "gateways", "api-keys", "invitations"];

for (const store of STORES) {
  describe(`configuration as code on ${store}`, () => {
    let gateway, empty, replica, folder, file;

    before(async () => {
      gateway = await startGateway({ store });
      empty = await configure({ store });
      folder = await mkdtemp(join(tmpdir(), "gatewright-e2e-code-"));
      file = join(folder, "acme.yaml");
      await gateway.create("secrets", { name: "TOKEN", value: CANARY, origins: ["https://one.example"] });
      const server = await gateway.create("servers", {
        slug: "one",
        url: "https://one.example/mcp",
        headers: [{ name: "Authorization", value: "Bearer ${secret:TOKEN}" }],
      });
      await gateway.create("servers", { slug: "two", name: "no", url: "https://two.example/mcp", retries: 3 });
      const source = await gateway.create("user-sources", {
        name: "Okta: production",
        issuer: "https://login.example.com",
        client_id: "0123",
        client_secret: CANARY,
        skip_validation: true,
      });
      const made = await gateway.create("gateways", {
        name: "Agents",
        slug: "agents",
        instructions: "First line.\n\n- a list # not a comment\n",
        authentication_mode: "user_source",
        user_source_id: source.id,
        servers: [server.id],
        allowed_tools: [{ server: server.id, tool: "search" }],
        settings: { access_token_seconds: 900 },
      });
      await gateway.create(`gateways/${made.id}/preregistered-clients`, {
        name: "App",
        redirect_uris: ["https://app.example/cb"],
        token_endpoint_auth_method: "client_secret_basic",
      });
      await gateway.create("api-keys", { name: "Reader", role: "viewer" });
      await gateway.create("invitations", { email: "grace@example.com", role: "viewer" });
    });

    after(async () => {
      for (const each of [replica, gateway]) await each?.stop();
      for (const each of [folder, empty.folder]) await rm(each, { recursive: true, force: true });
    });

    /** Runs a command on an instance; its exit code, and what it printed. */
    const command = async (words, { program, config } = gateway, env = {}) => {
      const started = await start(program, [...words, ...config], { env });
      const code = await started.exited;
      return { code, output: started.output(), errors: started.errors() };
    };

    const apply = (words, instance, env) => command(["apply", ...words], instance, env);

    /** What the API answers about a project, with names in the place of IDs. */
    const answers = async (url, path, key) => {
      const list = async (name) => (await callApi(url, key, "GET", `${path}/${name}?limit=200`)).items;
      const all = Object.fromEntries(await Promise.all(LISTS.map(async (name) => [name, await list(name)])));
      all.clients = [];
      for (const { id } of all.gateways) all.clients.push(...(await list(`gateways/${id}/preregistered-clients`)));
      all["api-keys"] = all["api-keys"].filter(({ name }) => name === "Reader");
      all.invitations.forEach((invitation) => delete invitation.expires_at);
      const names = new Map(Object.values(all).flat().map((item) => [item.id, item.slug ?? item.name]));
      const plain = (value) => {
        if (Array.isArray(value)) return value.map(plain);
        if (value === null || typeof value !== "object") return names.get(value) ?? value;
        const members = Object.entries(value).filter(([name]) => !OWN.includes(name));
        return Object.fromEntries(members.map(([name, inner]) => [name, plain(inner)]));
      };
      // Each instance has a public URL of its own.
      return JSON.parse(JSON.stringify(plain(all)).replaceAll(url, "https://public.example"));
    };

    test("an export has no secrets, and applied to its own instance it changes nothing", async () => {
      const exported = await command(["export", "-o", file]);
      assert.equal(exported.code, 0, exported.output);
      const text = await readFile(file, "utf8");
      assert.match(text, /^# yaml-language-server: /);
      assert.match(text, /value: \{ existing: true \}/);
      assert.ok(!text.includes(CANARY) && !text.includes("gwk_"), text);
      const printed = await command(["export"]);
      assert.ok(printed.output.includes(text.split("\n").slice(2).join("\n")), printed.output);
      for (const words of [[], ["--plan"], ["--prune"]]) {
        const applied = await apply(["-f", file, ...words]);
        assert.equal(applied.code, 0, applied.output);
        assert.match(applied.output, /^No changes\.$/m);
      }
    });

    test("applied to an empty instance it gives the same answers, once", async () => {
      const other = join(folder, "other");
      const exported = await command(["export", "-o", `${other}/`, "--secrets-from-env"]);
      assert.equal(exported.code, 0, exported.output);
      const files = await readdir(other);
      assert.ok(files.includes("gatewright.schema.json"), files.join());
      const schema = JSON.parse(await readFile(join(other, "gatewright.schema.json"), "utf8"));
      const printed = await command(["apply", "--schema"], { ...gateway, config: [] });
      assert.deepEqual(JSON.parse(printed.output), schema);
      const text = await readFile(join(other, files.find((name) => name.endsWith(".yaml"))), "utf8");
      const variables = [...text.matchAll(/env: "?(\w+)/g)].map(([, name]) => name);
      assert.equal(variables.length, 2, text);

      await adminInit(empty);
      const unset = await apply(["-f", other, "--skip-validation"], empty);
      assert.equal(unset.code, 1);
      assert.match(unset.output, new RegExp(`yaml:\\d+: secrets\\[0\\]\\.value: .*\`${variables[0]}\` is not set`));
      const env = Object.fromEntries(variables.map((name) => [name, CANARY]));
      const words = ["-f", other, "--skip-validation"];
      const without = await apply(words, empty, env);
      assert.equal(without.code, 1);
      assert.match(without.output, /the API key Reader.*--credentials FILE/);
      assert.deepEqual(await empty.rows("SELECT id FROM projects"), []);

      const credentials = join(folder, "credentials");
      const applied = await apply([...words, "--credentials", credentials], empty, env);
      assert.equal(applied.code, 0, applied.output);
      assert.match(applied.output, /^Applied: \d+ created, 0 changed, 0 deleted\.$/m);
      assert.ok(!applied.output.includes(CANARY) && !applied.output.includes("gwk_"), applied.output);
      assert.equal((await stat(credentials)).mode & 0o777, 0o600);
      const lines = (await readFile(credentials, "utf8")).trim().split("\n").map((line) => JSON.parse(line));
      assert.deepEqual(new Set(lines.map(({ kind }) => kind)), new Set(["api_key", "client_secret", "invitation"]));
      const again = await apply(words, empty, env);
      assert.equal(again.code, 0, again.output);
      assert.match(again.output, /^No changes\.$/m);

      replica = await startReplica(empty);
      const reader = lines.find(({ name, kind }) => kind === "api_key" && name === "Reader").text;
      const { items: [project] } = await callApi(replica.origin, reader, "GET", "/projects");
      const after = await answers(replica.origin, `/projects/${project.id}`, reader);
      const before = await answers(gateway.url, gateway.project, gateway.projectKey);
      assert.deepEqual(JSON.parse(JSON.stringify(after).replaceAll(empty.url, "https://public.example")), before);
    });

    test("a plan shows what would change and changes nothing; what is applied reaches the process that runs", async () => {
      const text = await readFile(file, "utf8");
      const changed = join(folder, "changed.yaml");
      await writeFile(changed, text.replace("https://login.example.com", "https://login.example.org").replace("retries: 3", "retries: 2"));
      const refused = await apply(["-f", changed, "--plan", "--skip-validation"]);
      assert.equal(refused.code, 1);
      assert.match(refused.output, /changed\.yaml:\d+: user_sources\[0\]\.client_secret: The stored client secret was entered for/);
      await writeFile(changed, text.replace("0123", "0124").replace("retries: 3", "retries: 2"));
      const plan = await apply(["-f", changed, "--plan", "--skip-validation"]);
      assert.equal(plan.code, 2, plan.output);
      assert.match(plan.output, /^ {2}~ User Source Okta: production$/m);
      assert.match(plan.output, /^ {6}client_id: 0123 -> 0124$/m);
      assert.match(plan.output, /^ {6}> ends 0 sessions of 0 users$/m);
      assert.match(plan.output, /^ {6}retries: 3 -> 2$/m);
      assert.match(plan.output, /^Plan: 0 to create, 2 to change, 0 to delete\.$/m);
      const source = async () => (await gateway.api("GET", `${gateway.project}/user-sources`)).items[0];
      assert.equal((await source()).client_id, "0123");
      const applied = await apply(["-f", changed, "--skip-validation"]);
      assert.equal(applied.code, 0, applied.output);
      assert.match(applied.output, /^Applied: 0 created, 2 changed, 0 deleted\.$/m);
      assert.equal((await source()).client_id, "0124");
      const { items } = await gateway.api("GET", `${gateway.project}/audit-events?limit=2`);
      assert.deepEqual(items.map(({ action }) => action).toSorted(), ["server.updated", "user_source.updated"]);
      for (const { actor } of items) assert.match(JSON.stringify(actor), /cli/);
    });

    test("only --prune deletes, only from lists that the file has, and not without being asked", async () => {
      const pruned = join(folder, "pruned.yaml");
      const name = (await gateway.api("GET", gateway.project)).name;
      await writeFile(pruned, `version: 1\nproject: ${JSON.stringify(name)}\nservers:\n  - {slug: one, url: "https://one.example/mcp"}\n`);
      const kept = await apply(["-f", pruned, "--plan"]);
      assert.match(kept.output, /0 to delete/);
      const plan = await apply(["-f", pruned, "--plan", "--prune"]);
      assert.equal(plan.code, 2, plan.output);
      assert.match(plan.output, /^ {2}- server two$/m);
      const unasked = await apply(["-f", pruned, "--prune"]);
      assert.equal(unasked.code, 1);
      assert.match(unasked.output, /--yes/);
      const slugs = async () => (await gateway.api("GET", `${gateway.project}/servers`)).items.map(({ slug }) => slug);
      assert.deepEqual(await slugs(), ["one", "two"]);
      const done = await apply(["-f", pruned, "--prune", "--yes"]);
      assert.equal(done.code, 0, done.output);
      assert.deepEqual(await slugs(), ["one"]);
      assert.equal((await gateway.api("GET", `${gateway.project}/gateways`)).items.length, 1);
    });

    test("each kind of mistake is told with its file and line, and nothing is applied", async () => {
      const laughs = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
      for (let level = 1; level < 12; level++) laughs.push(`a${level}: &a${level} [${`*a${level - 1}, `.repeat(10)}]`);
      const head = "version: 1\nproject: Bad\n";
      const cases = {
        "not YAML": ["a: [1", /bad\.yaml:\d+: This is not YAML/],
        "an unknown field": [`${head}servers:\n  - {slug: a, url: "https://a.example", retris: 1}\n`, /bad\.yaml:4: servers\[0\]\.retris: There is no field `retris`\. Did you mean `retries`\?/],
        "a field twice": [`${head}project: Other\n`, /bad\.yaml:3: The field `project` appears more than once/],
        "aliases that grow": [laughs.join("\n"), /bad\.yaml:\d+: The file has more than 200000 values/],
        "a name that leads nowhere": [`${head}gateways:\n  - {slug: b, name: B, authentication_mode: headers, servers: [x]}\n`, /bad\.yaml:4: gateways\[0\]\.servers\[0\]: There is no server of this name/],
        "a secret that is not stored": [`${head}secrets:\n  - {name: A, value: {existing: true}, origins: ["https://a.example"]}\n`, /bad\.yaml:4: secrets\[0\]\.value: There is no stored value/],
        "a secret in the file": [`${head}secrets:\n  - {name: A, value: ${CANARY}, origins: ["https://a.example"]}\n`, /bad\.yaml:4: secrets\[0\]\.value: Enter one of `env: NAME`/],
        "a variable of the program": [`${head}secrets:\n  - {name: A, value: {env: GATEWRIGHT__KEYS__MASTER}, origins: ["https://a.example"]}\n`, /configure the program/],
        "a field with a wrong value": [`${head}servers:\n  - slug: a\n    url: ftp://a.example\n`, /bad\.yaml:5: servers\[0\]\.url: The URL must begin with/],
        "another version": ["version: 9\nproject: Bad\n", /bad\.yaml:1: version: This version of Gatewright reads version 1/],
      };
      const bad = join(folder, "bad.yaml");
      for (const [what, [text, expected]] of Object.entries(cases)) {
        await writeFile(bad, text);
        const told = await apply(["-f", bad, "--skip-validation"]);
        assert.equal(told.code, 1, what);
        assert.match(told.output, expected, what);
        assert.ok(!told.output.includes(CANARY), what);
      }
      await rm(bad);
      const none = await apply(["-f", bad]);
      assert.equal(none.code, 1);
      assert.match(none.output, /cannot be read/);
      const rows = await gateway.rows("SELECT name FROM projects WHERE name = 'Bad'");
      assert.equal(rows.length, 0);
    });
  });
}
