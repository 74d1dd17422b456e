// The API against its own OpenAPI document: a fuzzer sends requests that match it and requests that do not, and every
// response must match the document.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startGateway } from "./lib/gateway.mjs";

const PYTHON = process.env.GATEWRIGHT_TEST_PYTHON ?? "python3";
const HOOKS = join(import.meta.dirname, "clients/schemathesis_hooks.py");
/** Operations inside a project. */
const INSIDE = "^/api/v1/projects/\\{project\\}/";
/** All checks except two: that whatever matches the schema is accepted (a name may be taken), and one that needs two users. */
const LEFT_OUT = "positive_data_acceptance,object_level_authorization";

describe("the API matches its document", () => {
  let gateway, made;

  before(async () => {
    gateway = await startGateway();
    const make = async (kind, body) => (await gateway.create(kind, body)).id;
    const user_source = await make("user-sources", {
      name: "Company",
      issuer: "http://127.0.0.1:9",
      client_id: "client",
      client_secret: "secret",
      skip_validation: true,
    });
    const server = await make("servers", { slug: "tools", url: "http://127.0.0.1:9/mcp" });
    const agents = await make("gateways", { name: "Agents", authentication_mode: "headers" });
    const secret = await make("secrets", { name: "TOKEN", value: "value", origins: ["http://127.0.0.1:9"] });
    const event = (await gateway.api("GET", `${gateway.project}/audit-events`)).items[0].id;
    made = { user_source, server, gateway: agents, secret, audit_event: event };
  });

  after(async () => {
    await gateway?.stop();
  });

  /** The IDs of the keys that exist before the fuzzer creates others: it must not revoke the one it works with. */
  const keyIds = async (key) => {
    const path = key === gateway.instanceKey ? "/api-keys" : `${gateway.project}/api-keys`;
    return (await gateway.api("GET", path, undefined, key)).items.map(({ id }) => id);
  };

  /** Runs the fuzzer with a key, in a project, on the operations that the arguments leave in. */
  const fuzz = async (key, project, ...operations) => {
    const ids = Object.entries(made);
    const config = join(gateway.folder, "schemathesis.toml");
    await writeFile(
      config,
      `hooks = "${HOOKS}"
[parameters]
"path.project" = "${project}"
${ids.map(([name]) => `"path.${name}" = { dictionary = "${name}", probability = 0.5 }`).join("\n")}
[dictionaries]
${ids.map(([name, id]) => `${name} = { values = ["${id}"] }`).join("\n")}
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 409, 412, 413, 415, 422]
`,
    );
    const args = ["-m", "schemathesis.cli", "--config-file", config, "run", `${gateway.url}/api/openapi.json`];
    args.push("--header", `Authorization: Bearer ${key}`, "--checks", "all", "--exclude-checks", LEFT_OUT);
    args.push("--max-examples", "20", "--seed", "1", "--generation-deterministic");
    args.push("--suppress-health-check", "all", "--max-redirects", "0", "--no-color", ...operations);
    const kept = [...Object.values(made), ...(await keyIds(key))];
    const env = { ...process.env, KEPT: kept.join(" ") };
    const child = spawn(PYTHON, args, { cwd: gateway.folder, env, stdio: ["ignore", "pipe", "pipe"] });
    const printed = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => printed.push(text));
    }
    const status = await new Promise((done) => child.once("exit", done));
    assert.equal(status, 0, printed.join(""));
  };

  test("with an owner's key, inside a project", async () => {
    const project = gateway.project.split("/").at(-1);
    await fuzz(gateway.projectKey, project, "--include-path-regex", INSIDE);
    // If the fuzzer had revoked its own key, everything after that would have been refused without a test.
    await gateway.api("GET", gateway.project);
  });

  test("with an instance key, on projects and keys", async () => {
    const { id } = await gateway.api("POST", "/projects", { name: "Beside" }, gateway.instanceKey);
    await fuzz(gateway.instanceKey, id, "--exclude-path-regex", INSIDE);
    await gateway.api("GET", "/projects", undefined, gateway.instanceKey);
  });
});
