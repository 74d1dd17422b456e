// What installs Gatewright with other services: the Helm chart, rendered by Helm's own engine and checked against the schemas of
// Kubernetes, and the compose file with its proxy and secrets.

import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { run } from "./lib/process.mjs";

const PYTHON = process.env.GATEWRIGHT_TEST_PYTHON_PACKAGES ?? "python3";
const OPS = join(import.meta.dirname, "../ops");
const CHECK = join(import.meta.dirname, "packages/chart.py");

/** The oldest and the newest version of Kubernetes that docs/install.md names. */
const KUBERNETES = ["1.27", "1.37"];

describe("the Helm chart", () => {
  let cases;
  const only = (name, kind) => {
    const found = cases[name].filter((each) => each.kind === kind);
    assert.equal(found.length, 1, `${name}: ${kind}`);
    return found[0];
  };

  before(async () => {
    cases = JSON.parse(await run(PYTHON, [CHECK, join(OPS, "helm/gatewright"), ...KUBERNETES]));
  });

  test("makes valid objects, and refuses settings that cannot work", () => {
    const kinds = (name) => cases[name].map(({ kind }) => kind);
    const always = ["Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"];
    assert.deepEqual(kinds("required"), always);
    assert.deepEqual(kinds("everything"), [...always, "Ingress"].sort());
    assert.deepEqual(kinds("one replica"), ["Deployment", "Service", "ServiceAccount"]);
  });

  test("runs pods without root, capabilities, write access and tokens", () => {
    for (const name of Object.keys(cases)) {
      const { spec } = only(name, "Deployment").spec.template;
      const [container] = spec.containers;
      assert.deepEqual(container.securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
      assert.ok(spec.securityContext.runAsNonRoot && spec.securityContext.runAsUser === 65532);
      assert.equal(spec.automountServiceAccountToken, false);
      assert.equal(only(name, "ServiceAccount").automountServiceAccountToken, false);
    }
  });

  test("secrets are files, and stops have the time that they need", () => {
    const { spec } = only("everything", "Deployment").spec.template;
    const [{ env, readinessProbe, livenessProbe }] = spec.containers;
    const value = (name) => env.find((each) => each.name === name)?.value;
    assert.equal(value("GATEWRIGHT__DATABASE__URL_FILE"), "/run/secrets/gatewright/database-url");
    assert.equal(value("GATEWRIGHT__KEYS__MASTER_FILE"), "/run/secrets/gatewright/master-key");
    assert.equal(value("GATEWRIGHT__LOG__LEVEL"), "debug");
    assert.equal(value("GATEWRIGHT__SERVER__TRUSTED_PROXIES"), "10.0.0.0/8,fd00::/8");
    assert.equal(value("GATEWRIGHT__DATABASE__URL"), undefined);
    assert.equal(spec.terminationGracePeriodSeconds, 15 + 60 + 10);
    // A pod that stops is out of the service before the drain is over.
    assert.ok(readinessProbe.periodSeconds * readinessProbe.failureThreshold < 10);
    assert.equal(readinessProbe.httpGet.path, "/readyz");
    assert.equal(livenessProbe.httpGet.path, "/healthz");
    assert.deepEqual(only("everything", "Ingress").spec.tls, [{ hosts: ["mcp.example.com"], secretName: "mcp-example-com" }]);
  });

  test("probes speak TLS where it ends in the pods", () => {
    const schemes = (name) => {
      const [{ startupProbe, readinessProbe, livenessProbe }] = only(name, "Deployment").spec.template.spec.containers;
      return [startupProbe, readinessProbe, livenessProbe].map(({ httpGet }) => httpGet.scheme);
    };
    assert.deepEqual(schemes("everything"), ["HTTP", "HTTP", "HTTP"]);
    assert.deepEqual(schemes("required"), ["HTTP", "HTTP", "HTTP"]);
    assert.deepEqual(schemes("TLS in the pods"), ["HTTPS", "HTTPS", "HTTPS"]);
  });

  test("has the version of the program, also in the compose file and the installation guide", async () => {
    const text = (path) => readFile(join(OPS, "..", path), "utf8");
    const [, version] = (await text("Cargo.toml")).match(/^version = "(.+)"$/m);
    const chart = await text("ops/helm/gatewright/Chart.yaml");
    assert.ok(chart.includes(`version: ${version}\n`) && chart.includes(`appVersion: "${version}"\n`));
    assert.ok((await text("ops/compose/compose.yaml")).includes(`GATEWRIGHT_VERSION:-${version}}`));
    assert.ok((await text("docs/install.md")).includes(`gatewright_${version}_amd64.deb`));
  });
});

describe("the compose file", () => {
  let folder;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "gatewright-compose-"));
    await cp(join(OPS, "compose"), folder, { recursive: true });
  });

  after(() => rm(folder, { recursive: true, force: true }));

  test("creates each secret once, for its owner only, and the database has the password of its URL", async () => {
    const secret = async (name) => (await readFile(join(folder, "secrets", name), "utf8")).trim();
    await run(join(folder, "secrets.sh"), []);
    const [key, password, url] = await Promise.all(["master-key", "postgres-password", "database-url"].map(secret));
    assert.equal(Buffer.from(key, "base64").length, 32);
    assert.equal(new URL(url).password, password);
    assert.equal((await stat(join(folder, "secrets"))).mode & 0o777, 0o700);
    await run(join(folder, "secrets.sh"), []);
    assert.deepEqual(await Promise.all(["master-key", "postgres-password", "database-url"].map(secret)), [key, password, url]);
  });

  test("trusts only the network of the proxy, and mounts the secrets that it names", async () => {
    const script = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";
    const { services, networks, secrets } = JSON.parse(await run(PYTHON, ["-c", script, join(folder, "compose.yaml")]));
    const { gatewright, postgres, caddy } = services;
    assert.equal(gatewright.environment.GATEWRIGHT__SERVER__TRUSTED_PROXIES, networks.front.ipam.config[0].subnet);
    assert.deepEqual(caddy.networks, ["front"]);
    assert.deepEqual(postgres.networks, ["back"]);
    assert.ok(networks.back.internal && gatewright.read_only && gatewright.ports === undefined);
    const named = [...gatewright.secrets, ...postgres.secrets];
    assert.deepEqual(named.toSorted(), Object.keys(secrets).toSorted());
    for (const [name, value] of [...Object.entries(gatewright.environment), ...Object.entries(postgres.environment)]) {
      if (name.endsWith("_FILE")) assert.ok(named.includes(value.replace("/run/secrets/", "")), value);
    }
  });
});
