// A backup is taken while people call tools and refresh their tokens, and restored into both stores; then the instance moves
// to PostgreSQL. Everyone stays signed in each time.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { copyFile, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { signedIn } from "./lib/access-token.mjs";
import { callApi, createSignInGateway } from "./lib/api.mjs";
import { Browser } from "./lib/browser.mjs";
import { tokenRequest } from "./lib/code.mjs";
import { continuously } from "./lib/continuous.mjs";
import { ADA, PASSWORD, setupLink } from "./lib/dashboard.mjs";
import { database, freshDatabase } from "./lib/database.mjs";
import { refreshing } from "./lib/flow.mjs";
import { STORES, startGateway, startReplica } from "./lib/gateway.mjs";
import { toolCall } from "./lib/mcp.mjs";
import { attempt, run } from "./lib/process.mjs";
import { startProvider } from "./lib/provider.mjs";
import { within } from "./lib/time.mjs";
import { startRmcp } from "./lib/upstreams.mjs";

/** Tables that belong to a running process, which no copy contains, and the list of migrations. */
const LEFT_OUT = ["_sqlx_migrations", "write_probe", "leases", "replica_mail"];

/** Tokens that work at this moment, counted in the database. */
const LIVE = `SELECT
  (SELECT count(*) FROM grants WHERE revoked_at IS NULL) AS grants,
  (SELECT count(*) FROM refresh_tokens WHERE used_at IS NULL) AS refresh_tokens,
  (SELECT count(*) FROM api_keys WHERE revoked_at IS NULL) AS api_keys,
  (SELECT count(*) FROM account_sessions) AS account_sessions`;

for (const store of STORES) {
  describe(`copies of an instance on ${store}`, () => {
    let gateway, provider, rmcp, path, folder, browser, held, file;
    const running = [];

    before(async () => {
      gateway = await startGateway({ store });
      folder = await mkdtemp(join(tmpdir(), "gatewright-e2e-backup-"));
      file = join(folder, "gatewright.backup");
      provider = await startProvider({ redirectUri: gateway.callback });
      rmcp = await startRmcp(gateway);
      browser = new Browser();
      const form = await browser.open(setupLink(gateway));
      const page = await browser.submit(form, { values: { ...ADA, password: PASSWORD, project: "Acme production" } });
      assert.equal(page.status, 200, page.text.slice(0, 1000));
      const server = await gateway.create("servers", { slug: "rmcp", name: "Rmcp", url: rmcp.url });
      const made = await createSignInGateway(gateway, provider, { servers: [server.id] });
      path = new URL(made.url).pathname;
      held = await signedIn({ url: made.url });
      await call(gateway.url, held.tokens.access_token);
      const activity = () => gateway.api("GET", `${gateway.project}/activity`);
      await within(10_000, async () => (await activity()).items.length > 0, "no request is in the activity");
    });

    after(async () => {
      for (const each of [...running, rmcp, provider, gateway]) await each?.stop();
      await rm(folder, { recursive: true, force: true });
    });

    const call = async (origin, token) => {
      const answer = await fetch(`${origin}${path}`, toolCall({ bearer: token, name: "add", arguments: { a: 1, b: 2 } }));
      const text = await answer.text();
      assert.equal(answer.status, 200, text);
      assert.match(text, /"result"/);
    };

    const refresh = async (origin, { tokens, client }) => {
      const answer = await tokenRequest(`${origin}${path}`, refreshing(client.client_id, tokens.refresh_token));
      assert.equal(answer?.status, 200, JSON.stringify(answer));
      return answer;
    };

    /** Runs a command; returns its exit code and what it printed. */
    const command = (words, { program, config, env = {} }) => attempt(program, [...words, ...config], { env });

    /** The configuration of another instance with the same URL and, unless it says otherwise, the same key. */
    const elsewhere = async (name, { url, keys = `master = ["${gateway.masterKey}"]` } = {}) => {
      const config = join(folder, `${name}.toml`);
      const data = join(folder, name);
      const text = await readFile(gateway.config[1], "utf8");
      const changed = text
        .replace(/^data_dir = .*$/m, `data_dir = "${data}"`)
        .replace(/^url = .*$/m, "")
        .replace("[keys]", `${url ? `url = "${url}"\n` : ""}[keys]`)
        .replace(/^master = .*$/m, keys);
      await writeFile(config, changed);
      return { program: gateway.program, config: ["--config", config], data, url, ...database({ url, data }) };
    };

    /** The number of rows of each table that a copy contains. */
    const counts = async (instance, isPostgres) => {
      const names = isPostgres
        ? "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'"
        : "SELECT name FROM sqlite_master WHERE type = 'table'";
      const tables = (await instance.rows(names)).map((row) => row.name).filter((name) => !LEFT_OUT.includes(name));
      const each = tables
        .filter((name) => !name.startsWith("activity"))
        .map((name) => `SELECT '${name}' AS name, count(*) AS n FROM ${name}`);
      const rows = await instance.rows(each.join(" UNION ALL "));
      return Object.fromEntries(rows.map(({ name, n }) => [name, Number(n)]).toSorted());
    };

    const live = async (instance) => {
      const [row] = await instance.rows(LIVE);
      return Object.fromEntries(Object.entries(row).map(([name, n]) => [name, Number(n)]));
    };

    /** Everything that was handed out works at a copy, and the copy is sound. */
    const works = async (instance) => {
      const verified = await command(["audit", "verify"], instance);
      assert.equal(verified.code, 0, verified.output);
      const replica = await startReplica(instance);
      running.push(replica);
      await call(replica.origin, held.tokens.access_token);
      const renewed = await refresh(replica.origin, held);
      await call(replica.origin, renewed.access_token);
      const { items } = await callApi(replica.origin, gateway.projectKey, "GET", `${gateway.project}/users`);
      assert.ok(items.length > 0);
      // Cookies are for a host, so this browser is signed in at each of its ports.
      const dashboard = await browser.open(`${replica.origin}/`);
      assert.match(dashboard.text, /Ada Lovelace|Acme production/);
      assert.doesNotMatch(dashboard.text, /type="password"/);
      const { items: requests } = await callApi(replica.origin, gateway.projectKey, "GET", `${gateway.project}/activity`);
      assert.ok(requests.length > 0, "the activity is there");
      const doctor = await command(["doctor"], instance);
      assert.doesNotMatch(doctor.output, /FAIL {2}(?!public URL)/, doctor.output);
      assert.match(doctor.output, /ok {4}database/);
      await replica.stop();
    };

    test("a backup is complete although people call and refresh while it is taken", async () => {
      const people = await Promise.all([0, 1, 2].map(() => signedIn({ url: gateway.url + path })));
      const busy = continuously(async (index) => {
        const person = people[index % people.length];
        await call(gateway.url, person.tokens.access_token);
        if (person.isRefreshing) return;
        person.isRefreshing = true;
        person.tokens = await refresh(gateway.url, person);
        person.isRefreshing = false;
      }, { parallel: 3, limit: 100_000 });
      await busy.more(10);
      const made = await command(["backup", "--to", file], gateway);
      assert.equal(made.code, 0, made.output);
      const failures = await busy.stop();
      assert.deepEqual(failures, []);
      assert.match(made.output, /1 gateways/);
      assert.match(made.output, /The master key is not in it/);
      assert.equal((await stat(file)).mode & 0o777, 0o600);
      const names = await readdir(folder);
      assert.deepEqual(names, ["gatewright.backup"]);

      const again = await command(["backup", "--to", file], gateway);
      assert.equal(again.code, 1);
      assert.match(again.output, /already exists.*--force/);
      const other = join(folder, "other.backup");
      await writeFile(other, "");
      assert.equal((await command(["backup", "--force", "--to", other], gateway)).code, 0);
      assert.equal((await command(["doctor", "--backup", other], gateway)).code, 0);

      const checked = await command(["doctor", "--backup", file], gateway);
      assert.equal(checked.code, 0, checked.output);
      assert.match(checked.output, /complete and unchanged/);
      assert.match(checked.output, /the configured key opens it/);
      const entries = await run("tar", ["-tzf", file]);
      assert.match(entries, /manifest\.json/);
      assert.doesNotMatch(entries, /master\.key/);
    });

    for (const target of STORES) {
      test(`it is restored into ${target}, and everyone is still signed in`, async () => {
        const url = target === "postgres" ? await freshDatabase() : undefined;
        const instance = await elsewhere(`to-${target}`, { url });
        const restored = await command(["restore", file], instance);
        assert.equal(restored.code, 0, restored.output);
        assert.match(restored.output, /1 gateways/);
        assert.deepEqual(await live(instance), await live(gateway));
        await works(instance);
        // A second time there is data already.
        const again = await command(["restore", file], instance);
        assert.equal(again.code, 1);
        assert.match(again.output, /already has data/);
      });
    }

    test("a file that was cut or changed, or whose key is missing, is refused and leaves nothing", async () => {
      const bytes = await readFile(file);
      const broken = join(folder, "broken.backup");
      for (const changed of [bytes.subarray(0, bytes.length / 2), Buffer.from(bytes).fill(7, 5_000, 5_001)]) {
        await writeFile(broken, changed);
        const instance = await elsewhere("refused");
        const refused = await command(["restore", broken], instance);
        assert.equal(refused.code, 1);
        assert.match(refused.output, /not a complete backup/);
        await assert.rejects(stat(instance.data));
        assert.equal((await command(["doctor", "--backup", broken], instance)).code, 1);
      }
      const another = await elsewhere("refused", { keys: `master = ["${randomBytes(32).toString("base64")}"]` });
      const refused = await command(["restore", file], another);
      assert.equal(refused.code, 1);
      assert.match(refused.output, /does not open the backup/);
      await assert.rejects(stat(another.data));
      const without = await command(["restore", file], await elsewhere("refused", { keys: "master = []" }));
      assert.match(without.output, /--key-file/);
    });

    test("with its key, or with the key in a file, it is restored where there is no configuration of keys", async () => {
      const complete = join(folder, "with-key.backup");
      const made = await command(["backup", "--with-key", "--to", complete], gateway);
      assert.equal(made.code, 0, made.output);
      assert.match(made.output, /can open everything/);
      const inside = await elsewhere("inside", { keys: "master = []" });
      const restored = await command(["restore", complete], inside);
      assert.equal(restored.code, 0, restored.output);
      assert.equal((await stat(join(inside.data, "master.key"))).mode & 0o777, 0o600);
      await works(inside);

      const keyFile = join(folder, "key");
      await copyFile(join(inside.data, "master.key"), keyFile);
      const beside = await elsewhere("beside", { keys: "master = []" });
      assert.equal((await command(["restore", file, "--key-file", keyFile], beside)).code, 0);
      assert.match((await command(["doctor"], beside)).output, /matches the master key/);
    });

    test("standard output gets the same, and nothing else", async () => {
      const piped = join(folder, "piped.backup");
      await run("sh", ["-c", 'exec "$0" backup --to - "$@" > "$OUT"', gateway.program, ...gateway.config], { env: { OUT: piped } });
      assert.equal((await command(["doctor", "--backup", piped], gateway)).code, 0);
    });

    if (store === "sqlite") {
      test("it moves to PostgreSQL once no process serves, with every row and every live token", async () => {
        const url = await freshDatabase();
        const env = { GATEWRIGHT_MOVE_TO: url };
        const refused = await command(["move"], { ...gateway, env });
        assert.equal(refused.code, 1);
        assert.match(refused.output, /a process serves from the data folder/);
        await gateway.running().stop();
        const [rows, tokens] = [await counts(gateway, false), await live(gateway)];
        assert.ok(rows.grants >= 4 && tokens.refresh_tokens >= 4);
        const moved = await command(["move"], { ...gateway, env });
        assert.equal(moved.code, 0, moved.output);
        assert.match(moved.output, /Set database\.url/);
        assert.doesNotMatch(moved.output, /postgres:\/\//);
        const instance = await elsewhere("moved", { url });
        assert.deepEqual(await counts(instance, true), rows);
        assert.deepEqual(await live(instance), tokens);
        await works(instance);
        const twice = await command(["move"], { ...gateway, env });
        assert.match(twice.output, /already has data/);
      });
    }
  });
}
