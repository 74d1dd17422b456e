// What the guide tells operators to enter: backup and restore on both stores, nginx with TLS in front,
// and the file of the first steps. The commands and files are taken from its pages unchanged.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { callApi, apiHeaders } from "./lib/api.mjs";
import { createCertificates } from "./lib/certificates.mjs";
import { freshDatabase } from "./lib/database.mjs";
import { adminInit, configure } from "./lib/gateway.mjs";
import { blocks, filledIn } from "./lib/guide.mjs";
import { startNginx } from "./lib/nginx.mjs";
import { freePort, run, start } from "./lib/process.mjs";
import { within } from "./lib/time.mjs";
import { startEverything } from "./lib/upstreams.mjs";

/** An instance that is started and stopped by hand, with the master key in its default place. */
async function instance(options = {}) {
  const made = await configure(options);
  const file = join(made.folder, "gatewright.toml");
  if (!made.databaseUrl) {
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replace(/\[keys\]\nmaster = .*\n/, ""));
  }
  const env = { PATH: `${dirname(made.program)}:${process.env.PATH}` };
  const serve = (more = {}) => start(made.program, ["serve", ...made.config], { env: { ...env, ...more }, readyUrl: `${made.url}/readyz` });
  const shell = (script, more = {}) => run("sh", ["-ec", script], { cwd: made.folder, env: { ...env, ...more } });
  const key = await adminInit(made);
  const api = (method, path, body) => callApi(made.url, key, method, path, body);
  const names = async () => (await api("GET", "/projects")).items.map((project) => project.name);
  return { ...made, serve, shell, api, names };
}

describe("backup and restore as the guide says", () => {
  let folder;
  before(async () => (folder = await mkdtemp(join(tmpdir(), "gatewright-backup-"))));
  after(() => rm(folder, { recursive: true, force: true }));

  test("one file, made while it is serving, restored into an empty folder, and moved to PostgreSQL", async () => {
    const made = await instance();
    const [backups, safe] = [join(folder, "files"), join(folder, "keys")];
    await mkdir(backups);
    await mkdir(safe);
    const [copyKey] = await blocks("backup", "sh", "## The master key");
    const [backup, check] = await blocks("backup", "sh", "## Make a backup");
    const [restore] = await blocks("backup", "sh", "## Restore a backup");
    const [move] = await blocks("backup", "sh", "## Move from SQLite to PostgreSQL");
    const file = { "/var/backups/gatewright-2026-12-01.backup": join(backups, "gatewright-$(date +%F).backup") };

    let running = await made.serve();
    await made.api("POST", "/projects", { name: "Before" });
    await made.shell(filledIn(copyKey, { "/var/lib/gatewright": made.data, "/safe/place": safe }));
    await made.shell(filledIn(backup, { "/var/backups": backups }));
    assert.match(await made.shell(filledIn(check, file)), /complete and unchanged/);
    await made.api("POST", "/projects", { name: "After" });
    await running.stop();
    await rm(made.data, { recursive: true });

    await made.shell(filledIn(restore, { ...file, "/safe/place": safe }));
    running = await made.serve();
    assert.deepEqual(await made.names(), ["Before"]);
    await running.stop();

    const url = await freshDatabase();
    const said = await made.shell(filledIn(move, { "postgres://gatewright:password@db.internal/gatewright": url }));
    const [, keys] = said.match(/keys\.master = \["(file:[^"]+)"\]/);
    const env = { GATEWRIGHT__DATABASE__URL: url, GATEWRIGHT__KEYS__MASTER: keys };
    running = await made.serve(env);
    assert.deepEqual(await made.names(), ["Before"]);
    await running.stop();
    await rm(made.folder, { recursive: true, force: true });
  });

  test("SQLite, copied while it is serving and being written to", async () => {
    const made = await instance();
    const [backups, safe] = [join(folder, "backups"), join(folder, "safe")];
    await mkdir(backups);
    await mkdir(safe);
    const data = { "/var/lib/gatewright": made.data };
    const [copyKey] = await blocks("backup", "sh", "## The master key");
    const [copy, check, restore] = await blocks("backup", "sh", "## SQLite");

    let running = await made.serve();
    await made.api("POST", "/projects", { name: "Before" });
    await made.shell(filledIn(copyKey, { ...data, "/safe/place": safe }));
    await made.shell(filledIn(copy, { ...data, "/var/backups": backups }));
    assert.equal((await made.shell(filledIn(check, { "/var/backups": backups }))).trim(), "ok");
    await made.api("POST", "/projects", { name: "After" });
    await running.stop();
    // The disk fails: the database is garbage, the key is gone.
    await writeFile(join(made.data, "gatewright.db"), "garbage");
    await rm(join(made.data, "master.key"));
    await assert.rejects(made.serve());

    await made.shell(filledIn(restore, { ...data, "/var/backups": backups, "/safe/place": safe }));
    running = await made.serve();
    assert.deepEqual(await made.names(), ["Before"]);
    assert.match(await made.shell("gatewright doctor"), /master key/i);
    await running.stop();
    await rm(made.folder, { recursive: true, force: true });
  });

  test("PostgreSQL, into an empty database", async () => {
    const made = await instance({ store: "postgres" });
    const [dump, restore] = await blocks("backup", "sh", "## PostgreSQL");
    const places = { "/var/backups": folder };
    let running = await made.serve();
    await made.api("POST", "/projects", { name: "Before" });
    await made.shell(filledIn(dump, places), { GATEWRIGHT__DATABASE__URL: made.databaseUrl });
    await made.api("POST", "/projects", { name: "After" });
    await running.stop();

    const env = { GATEWRIGHT__DATABASE__URL: await freshDatabase() };
    await made.shell(filledIn(restore, places), env);
    running = await made.serve(env);
    assert.deepEqual(await made.names(), ["Before"]);
    await running.stop();
    await rm(made.folder, { recursive: true, force: true });
  });
});

test("the files of the guide are valid configuration", async () => {
  const folder = await mkdtemp(join(tmpdir(), "gatewright-config-"));
  const { program, folder: other } = await configure();
  const { certificate, key } = await createCertificates("DNS:mcp.example.com");
  const files = {
    "/etc/gatewright/tls/certificate.pem": certificate,
    "/etc/gatewright/tls/key.pem": key,
    "file:/etc/gatewright/master.key": `file:${join(folder, "master.key")}`,
  };
  const makeKey = (await blocks("replicas", "sh", "## Set it up"))[1];
  await run("sh", ["-ec", filledIn(makeKey, { "/etc/gatewright/master.key": join(folder, "master.key") })]);
  for (const page of ["first-steps", "tls", "replicas", "members", "operating"]) {
    for (const [index, block] of (await blocks(page, "toml")).entries()) {
      const file = join(folder, `${page}-${index}.toml`);
      await writeFile(file, Object.entries(files).reduce((text, [from, to]) => text.replace(from, to), block));
      const secrets = {
        members: { GATEWRIGHT__ADMINISTRATORS__OIDC_CLIENT_SECRET: "a secret of some length" },
        operating: { GATEWRIGHT__NOTIFICATIONS__WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, "made-up").toString("base64")}` },
      };
      await run(program, ["config", "check", "--config", file], { env: secrets[page] ?? {} });
    }
  }
  await rm(folder, { recursive: true, force: true });
  await rm(other, { recursive: true, force: true });
});

describe("nginx with TLS in front, as the guide says", () => {
  let folder, made, nginx, running, everything, gateway, key, owner, url;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "gatewright-nginx-"));
    const port = await freePort();
    url = `https://127.0.0.1:${port}`;
    const [pem, secret] = [join(folder, "mcp.pem"), join(folder, "mcp.key")];
    const [authority, itsKey] = [join(folder, "ca.pem"), join(folder, "ca.key")];
    const certificate = (name) => ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", `/CN=${name}`];
    await run("openssl", [...certificate("A test"), "-keyout", itsKey, "-out", authority]);
    const extensions = ["subjectAltName=IP:127.0.0.1", "basicConstraints=critical,CA:FALSE"].flatMap((each) => ["-addext", each]);
    const signed = ["-CA", authority, "-CAkey", itsKey, ...extensions, "-keyout", secret, "-out", pem];
    await run("openssl", [...certificate("127.0.0.1"), ...signed]);
    made = await configure();
    const file = join(made.folder, "gatewright.toml");
    const text = (await readFile(file, "utf8")).replace(/public_url = .*/, `public_url = "${url}"\ntrusted_proxies = ["127.0.0.1/32"]`);
    await writeFile(file, text.replace("[outbound]", `[outbound]\nallow = ["127.0.0.0/8"]\nextra_ca = ["${authority}"]`));
    const [server] = await blocks("tls", "nginx", "## nginx");
    const filled = filledIn(server, {
      "listen 443 ssl": `listen 127.0.0.1:${port} ssl`,
      "/etc/ssl/mcp.example.com.pem": pem,
      "/etc/ssl/mcp.example.com.key": secret,
      "http://127.0.0.1:8080": made.url,
    });
    const instanceKey = await adminInit(made);
    running = await start(made.program, ["serve", ...made.config], { readyUrl: `${made.url}/readyz` });
    nginx = await startNginx(filled);
    everything = await startEverything();
    await answering();
    const project = await ask("POST", "/projects", { name: "Acme" }, { key: instanceKey });
    const path = `/projects/${project.id}`;
    owner = (await ask("POST", `${path}/api-keys`, { name: "tests", role: "owner" }, { key: instanceKey })).key;
    await ask("POST", `${path}/servers`, { slug: "everything", name: "Everything", url: everything.url });
    gateway = await ask("POST", `${path}/gateways`, { name: "Agents", slug: "agents", authentication_mode: "headers" });
    key = (await ask("POST", `${path}/api-keys`, { name: "agents", role: "gateway" })).key;
    gateway.events = `${path}/audit-events`;
  });

  after(async () => {
    await nginx?.stop();
    await running?.stop();
    await everything?.stop();
    for (const each of [folder, made?.folder]) if (each) await rm(each, { recursive: true, force: true });
  });

  /** One API request through the proxy, from any address. */
  function ask(method, path, body, { key: bearer = owner, from = "127.0.0.1" } = {}) {
    return new Promise((done, fail) => {
      const headers = apiHeaders(bearer);
      // This run created the certificate itself.
      const options = { method, headers, localAddress: from, rejectUnauthorized: false };
      const sent = request(`${url}/api/v1${path}`, options, (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (part) => (text += part));
        answer.on("end", () => (answer.statusCode < 300 ? done(JSON.parse(text)) : fail(new Error(`${path}: ${answer.statusCode} ${text}`))));
      });
      sent.on("error", fail);
      sent.end(body && JSON.stringify(body));
    });
  }

  /** Waits until the proxy forwards requests: unknown keys are refused by the API, not by nginx. */
  async function answering() {
    let said;
    const refused = async () => {
      said = await ask("GET", "/projects", undefined, { key: "none" }).catch((error) => error.message);
      return /: 401 /.test(said);
    };
    await within(10_000, refused, () => said);
  }

  test("the gateway's URL is the public one, and the doctor reaches it through the proxy", async () => {
    assert.equal(gateway.url, `${url}/mcp/agents`);
    const said = await run(made.program, ["doctor", ...made.config]);
    assert.match(said, new RegExp(`${url}`));
  });

  test("the audit log has the address of the person, not the proxy's", async () => {
    await ask("PATCH", gateway.events.replace("audit-events", `gateways/${gateway.id}`), { description: "For agents." }, { from: "127.0.0.9" });
    const { items } = await ask("GET", `${gateway.events}?action=gateway.updated`);
    assert.equal(items[0].actor.address, "127.0.0.9");
  });

  test("what a server says while it works arrives while it works", async () => {
    // This run created the certificate itself.
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
    try {
      const headers = { authorization: `Bearer ${key}`, "gatewright-user-id": "ada-1815" };
      const client = new Client({ name: "guide", version: "1" });
      await client.connect(new StreamableHTTPClientTransport(new URL(gateway.url), { requestInit: { headers } }));
      const arrived = [];
      const call = { name: "trigger-long-running-operation", arguments: { duration: 2, steps: 4 } };
      await client.callTool(call, undefined, { onprogress: () => arrived.push(performance.now()) });
      const over = performance.now();
      assert.ok(arrived.length >= 3, `${arrived.length} times`);
      assert.ok(over - arrived[0] > 900, `all came in the last ${over - arrived[0]} ms: something buffered them`);
      await client.close();
    } finally {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    }
  });
});
