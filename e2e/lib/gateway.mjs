// The real binary: configured, started, and administered through its REST API as an operator would.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { freePort, run, start } from "./process.mjs";

export const BINARIES = process.env.GATEWRIGHT_BINARIES ?? join(import.meta.dirname, "../../target/debug");

/** The stores on which every flow is tested. */
export const STORES = ["sqlite", "postgres"];

/** Creates a separate database in the test cluster and returns its URL. */
export async function freshDatabase() {
  const cluster = process.env.GATEWRIGHT_TEST_POSTGRES;
  if (!cluster) throw new Error("GATEWRIGHT_TEST_POSTGRES is not set: run `cargo xtask test`");
  const name = `e2e_${randomBytes(6).toString("hex")}`;
  await run("psql", [cluster, "-q", "-c", `create database ${name}`]);
  return cluster.replace(/\/[^/]*$/, `/${name}`);
}

/**
 * Writes the configuration of an instance into its own folder. `outbound` is TOML for that section; `databaseUrl`
 * and `dataDir` replace the defaults that are otherwise created.
 */
export async function configure({ store = "sqlite", outbound = "", logLevel = "info", databaseUrl, dataDir } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "gatewright-e2e-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const data = dataDir ?? join(folder, "data");
  const postgres = databaseUrl ?? (store === "postgres" ? await freshDatabase() : undefined);
  const key = randomBytes(32).toString("base64");
  await writeFile(
    join(folder, "gatewright.toml"),
    `[server]
listen = "127.0.0.1:${port}"
public_url = "${url}"
[database]
data_dir = "${data}"
${postgres ? `url = "${postgres}"` : ""}
[keys]
master = ["${key}"]
[outbound]
${outbound}
[log]
level = "${logLevel}"
`,
  );
  const program = join(BINARIES, "gatewright");
  const config = ["--config", join(folder, "gatewright.toml")];
  /** Queries the database directly, without the process. */
  const rows = async (sql) => {
    if (postgres) return JSON.parse((await run("psql", [postgres, "-Atc", `select coalesce(json_agg(r), '[]') from (${sql}) r`])).trim());
    const database = new DatabaseSync(join(data, "gatewright.db"), { readOnly: true });
    try {
      return database.prepare(sql).all();
    } finally {
      database.close();
    }
  };
  return { folder, url, data, databaseUrl: postgres, masterKey: key, program, config, rows };
}

/**
 * Starts a gateway instance as {@link configure} sets it up. Its log goes to the file `outputFile`, if set; the
 * words of `wrapper` are put in front of its command.
 */
export async function startGateway({ env = {}, outputFile, wrapper = [], ...options } = {}) {
  const { folder, url, data, databaseUrl, masterKey, program, config, rows } = await configure(options);
  const printed = await run(program, ["admin", "init", ...config], { env });
  const instanceKey = printed.match(/gwk_[\w-]+/)?.[0];
  if (!instanceKey) throw new Error(`admin init printed no key:\n${printed}`);
  const [command, ...words] = [...wrapper, program, "serve", ...config];
  const serve = () => start(command, words, { env, readyUrl: `${url}/readyz`, outputFile });
  let running = await serve();
  const gateway = {
    url,
    folder,
    data,
    databaseUrl,
    masterKey,
    program,
    config,
    rows,
    instanceKey,
    log: () => running.output(),
    errors: () => running.errors(),
    /** Waits until the log has such a line: another process writes it, at its own time. */
    said: async (pattern) => {
      const deadline = Date.now() + 2_000;
      while (!pattern.test(running.output())) {
        if (Date.now() > deadline) throw new Error(`the log has no ${pattern}:\n${running.output()}`);
        await new Promise((done) => setTimeout(done, 20));
      }
    },
    pid: () => running.child.pid,
    running: () => running,
    callback: `${url}/oauth2/intermediate_callback`,
    /** Calls the API; throws the response on any error. */
    api: async (method, path, body, key = gateway.projectKey ?? instanceKey) => {
      const answer = await fetch(`${url}/api/v1${path}`, {
        method,
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
      return text ? JSON.parse(text) : undefined;
    },
    /** Starts a second process on the same database, which listens on another port under the same public URL. */
    replica: async ({ env: more = {} } = {}) => {
      const listen = `127.0.0.1:${await freePort()}`;
      const begin = () =>
        start(program, ["serve", ...config], {
          env: { ...env, ...more, GATEWRIGHT__SERVER__LISTEN: listen },
          readyUrl: `http://${listen}/readyz`,
        });
      let other = await begin();
      return {
        origin: `http://${listen}`,
        log: () => other.output(),
        restart: async (signal) => {
          await other.stop(signal);
          other = await begin();
        },
        stop: () => other.stop(),
      };
    },
    restart: async (signal) => {
      await running.stop(signal);
      running = await serve();
    },
    stop: async () => {
      const code = await running.stop();
      await rm(folder, { recursive: true, force: true });
      return code;
    },
  };
  const project = await gateway.api("POST", "/projects", { name: "Example" });
  gateway.project = `/projects/${project.id}`;
  const owner = await gateway.api("POST", `${gateway.project}/api-keys`, { name: "tests", role: "owner" });
  gateway.projectKey = owner.key;
  return gateway;
}
