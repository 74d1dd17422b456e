// The real binary: configured, started, and administered through its REST API as an operator would.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { callApi, createProject } from "./api.mjs";
import { database, freshDatabase } from "./database.mjs";
import { freePort, run, start } from "./process.mjs";
import { within } from "./time.mjs";

export const BINARIES = process.env.GATEWRIGHT_BINARIES ?? join(import.meta.dirname, "../../target/debug");

/** The stores on which every flow is tested. */
export const STORES = ["sqlite", "postgres"];

/**
 * Writes the configuration of an instance into its own folder. `outbound` is TOML for that section; `databaseUrl`
 * and `dataDir` replace the defaults that are otherwise created; `program` is another version. With `certificates`, which this
 * process must trust, it answers HTTPS.
 */
export async function configure(options = {}) {
  const { store = "sqlite", outbound = "", logLevel = "info", databaseUrl, dataDir, certificates } = options;
  const { program = join(BINARIES, "gatewright") } = options;
  const folder = await mkdtemp(join(tmpdir(), "gatewright-e2e-"));
  const port = await freePort();
  const scheme = certificates ? "https" : "http";
  const url = `${scheme}://127.0.0.1:${port}`;
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
${certificates ? `[tls]\ncertificate_file = "${certificates.certificate}"\nkey_file = "${certificates.key}"` : ""}
[outbound]
${outbound}
[log]
level = "${logLevel}"
`,
  );
  const config = ["--config", join(folder, "gatewright.toml")];
  return { folder, scheme, url, data, databaseUrl: postgres, masterKey: key, program, config, ...database({ url: postgres, data }) };
}

/** Runs `admin init` on an instance; returns the key that it prints. */
export async function adminInit({ program, config }, { env = {} } = {}) {
  const printed = await run(program, ["admin", "init", ...config], { env });
  const key = printed.match(/gwk_[\w-]+/)?.[0];
  if (!key) throw new Error(`admin init printed no key:\n${printed}`);
  return key;
}

/** Starts a process of an instance that listens on its own port under the instance's public URL. */
export async function startReplica({ scheme = "http", program, config }, { env = {} } = {}) {
  const listen = `127.0.0.1:${await freePort()}`;
  const origin = `${scheme}://${listen}`;
  const begin = (more = {}) =>
    start(program, ["serve", ...config], {
      env: { ...env, ...more, GATEWRIGHT__SERVER__LISTEN: listen },
      readyUrl: `${origin}/readyz`,
    });
  let running = await begin();
  return {
    listen,
    origin,
    running: () => running,
    log: () => running.output(),
    /** Starts it again after it was stopped; `more` are environment variables of this start only. */
    begin: async (more) => void (running = await begin(more)),
    restart: async (signal, more) => {
      await running.stop(signal);
      running = await begin(more);
    },
    stop: (signal) => running.stop(signal),
  };
}

/**
 * Starts a gateway instance as {@link configure} sets it up, with one project. With `logsToFile`, its log goes to a file, as in
 * production, and costs this process nothing; the words of `wrapper` are put in front of its command.
 */
export async function startGateway({ env = {}, logsToFile = false, wrapper = [], ...options } = {}) {
  const made = await configure(options);
  const { folder, url, program, config } = made;
  const instanceKey = await adminInit(made, { env });
  const [command, ...words] = [...wrapper, program, "serve", ...config];
  const outputFile = logsToFile ? join(folder, "gateway.log") : undefined;
  const serve = () => start(command, words, { env, readyUrl: `${url}/readyz`, outputFile });
  let running = await serve();
  const project = await createProject(url, instanceKey);
  return {
    ...made,
    instanceKey,
    project: project.path,
    projectKey: project.key,
    /** Creates something in the project: `create("servers", fields)`. */
    create: project.create,
    log: () => running.output(),
    errors: () => running.errors(),
    /** Waits until the log has such a line: another process writes it, at its own time. */
    said: (pattern) => within(2_000, () => pattern.test(running.output()), () => `the log has no ${pattern}:\n${running.output()}`),
    pid: () => running.child.pid,
    running: () => running,
    callback: `${url}/oauth2/intermediate_callback`,
    /** Calls the API; throws the response on any error. */
    api: (method, path, body, key = project.key) => callApi(url, key, method, path, body),
    /** Starts a second process on the same database, which listens on another port under the same public URL. */
    replica: ({ env: more = {} } = {}) => startReplica(made, { env: { ...env, ...more } }),
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
}
