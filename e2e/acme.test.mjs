// Certificates that are ordered automatically, from a real ACME server (Pebble, strict): over HTTP and over TLS, with several replicas of which
// one orders and another answers, with an account that is bound to a customer, renewed under traffic, and after failures.

import assert from "node:assert/strict";
import { test } from "node:test";
import { request as requestHttps } from "node:https";
import { createCertificates, trust } from "./lib/certificates.mjs";
import { STORES, configure } from "./lib/gateway.mjs";
import { BINDING, directoryOf, pebblePorts, startPebble } from "./lib/pebble.mjs";
import { freePort, run, start } from "./lib/process.mjs";
import { within } from "./lib/time.mjs";

const DOMAIN = "gateway.test";
const certificates = await createCertificates();
await trust(certificates.authority);

/** One request to a process, which must present a certificate that `ca` signed for the domain: its status and that serial number. */
function ask(port, ca, path = "/healthz") {
  return new Promise((done, failed) => {
    const options = { host: "127.0.0.1", port, path, servername: DOMAIN, ca, agent: false, headers: { host: DOMAIN } };
    const request = requestHttps(options, (answer) => {
      const { serialNumber } = answer.socket.getPeerCertificate();
      answer.resume().on("end", () => done({ status: answer.statusCode, serialNumber }));
    });
    request.on("error", failed).end();
  });
}

const answers = (port, ca) => ask(port, ca).then(({ status }) => status === 200, () => false);

/** An instance that orders its certificate; what starts is stopped at the end of the test. */
async function prepare(t, { store = "sqlite", env = {}, http = false } = {}) {
  const running = [];
  t.after(async () => {
    for (const each of running.reverse()) await each.stop();
  });
  const ports = await pebblePorts();
  const made = await configure({ store, outbound: `extra_ca = ["${certificates.authority}"]` });
  const shared = {
    GATEWRIGHT__SERVER__PUBLIC_URL: `https://${DOMAIN}`,
    GATEWRIGHT__ACME__ACCEPT_TERMS: "true",
    GATEWRIGHT__ACME__EMAIL: "operations@example.com",
    GATEWRIGHT__ACME__DIRECTORY: directoryOf(ports),
    ...env,
  };
  const [httpPort, tlsPort] = [http ? await freePort() : 9, await freePort()];
  if (http) shared.GATEWRIGHT__TLS__HTTP_LISTEN = `127.0.0.1:${httpPort}`;
  const begin = async (port) => {
    const own = { ...shared, GATEWRIGHT__SERVER__LISTEN: `127.0.0.1:${port}` };
    const process = await start(made.program, ["serve", ...made.config], { env: own });
    running.push(process);
    return { ...process, env: own };
  };
  const pebble = async (options = {}) => {
    const started = await startPebble({ certificates, ports, httpPort, tlsPort, ...options });
    running.push(started);
    return started;
  };
  /** Makes the next order due now. */
  const due = () => made.execute("UPDATE acme_certificates SET attempt_at = 0");
  // Until the first process has made its tables, there is none.
  const state = () =>
    made.rows("SELECT generation, failures, last_error FROM acme_certificates").then(
      ([row]) => row && { ...row },
      () => undefined,
    );
  return { ...made, tlsPort, httpPort, begin, pebble, due, state };
}

const issued = (text) => [...text.matchAll(/a TLS certificate was issued/g)].length;

test("a certificate is ordered over HTTP, kept over a restart, and renewed under traffic", async (t) => {
  const instance = await prepare(t, { http: true });
  const { tlsPort, httpPort, begin, pebble } = instance;
  // A certificate lives for a minute, and is renewed with twenty seconds left.
  const authority = await pebble({ validitySeconds: 60 });
  const ca = await authority.root();
  let served = await begin(tlsPort);
  await within(30_000, () => answers(tlsPort, ca), () => `${served.output()}\n${authority.log()}`);
  assert.match(authority.log(), /validate w\/ HTTP: http:\/\/gateway\.test:\d+\/\.well-known\/acme-challenge\//);
  const first = await ask(tlsPort, ca);
  const elsewhere = await fetch(`http://127.0.0.1:${httpPort}/.well-known/acme-challenge/unknown`, { redirect: "manual" });
  assert.equal(elsewhere.status, 308);
  assert.match(await run(instance.program, ["health", ...instance.config], { env: served.env }), /"certificate":"ok"/);

  assert.equal(await served.stop(), 0);
  served = await begin(tlsPort);
  await within(20_000, () => answers(tlsPort, ca), () => served.output());
  assert.equal((await ask(tlsPort, ca)).serialNumber, first.serialNumber, "a restart orders nothing");

  let stop = false;
  const statuses = [];
  const traffic = (async () => {
    while (!stop) statuses.push((await ask(tlsPort, ca)).status);
  })();
  const renewed = async () => (await ask(tlsPort, ca)).serialNumber !== first.serialNumber;
  await within(60_000, renewed, () => served.output());
  stop = true;
  await traffic;
  assert.ok(statuses.length > 20 && statuses.every((status) => status === 200));
  const [{ count }] = await instance.rows("SELECT count(*) AS count FROM acme_accounts");
  assert.equal(Number(count), 1);
  const [{ count: open }] = await instance.rows("SELECT count(*) AS count FROM acme_challenges");
  assert.equal(Number(open), 0, "no challenge stays open");
  const examined = await start(instance.program, ["doctor", ...instance.config], { env: served.env });
  await examined.exited;
  assert.match(examined.output(), /ok {4}certificate: ordered from https:.*valid until/);
});

test("one replica orders, the other answers over TLS, and both present it", async (t) => {
  const instance = await prepare(t, { store: "postgres" });
  const { tlsPort, begin, pebble, due, state } = instance;
  const otherPort = await freePort();
  // Without an authority, an order fails, and says so.
  const [answering, ordering] = [await begin(tlsPort), await begin(otherPort)];
  await within(30_000, async () => (await state())?.failures > 0, () => answering.output() + ordering.output());
  assert.match((await state()).last_error, /127\.0\.0\.1/);
  const logs = () => answering.output() + ordering.output();
  assert.match(logs(), /no TLS certificate could be ordered; it is tried again/);
  const authority = await pebble();
  const ca = await authority.root();
  // Only the other one can order, until it has begun.
  answering.child.kill("SIGSTOP");
  const before = [...ordering.output().matchAll(/a TLS certificate is ordered/g)].length;
  await due();
  const hasBegun = () => [...ordering.output().matchAll(/a TLS certificate is ordered/g)].length > before;
  await within(20_000, hasBegun, logs).finally(() => answering.child.kill("SIGCONT"));
  await within(40_000, () => answers(tlsPort, ca), () => `${logs()}\n${authority.log()}`);
  await within(10_000, () => answers(otherPort, ca), logs);
  assert.match(authority.log(), /set VALID by completed challenge/);
  assert.doesNotMatch(authority.log(), /validate w\/ HTTP/);
  assert.equal(issued(ordering.output()), 1);
  assert.equal(issued(answering.output()), 0);
  const serials = [await ask(tlsPort, ca), await ask(otherPort, ca)].map(({ serialNumber }) => serialNumber);
  assert.equal(serials[0], serials[1]);
  assert.deepEqual(await state(), { generation: 1, failures: 0, last_error: null });
});

for (const store of STORES) {
  test(`an account is bound to a customer, and no key is stored or shown in clear text (${store})`, async (t) => {
    const env = { GATEWRIGHT__ACME__EAB_KEY_ID: BINDING.id, GATEWRIGHT__ACME__EAB_HMAC_KEY: BINDING.key };
    const instance = await prepare(t, { store, env, http: true });
    const authority = await instance.pebble({ binding: true });
    const ca = await authority.root();
    const served = await instance.begin(instance.tlsPort);
    await within(30_000, () => answers(instance.tlsPort, ca), () => `${served.output()}\n${authority.log()}`);
    const stored = JSON.stringify(await instance.rows("SELECT * FROM acme_accounts")) + JSON.stringify(await instance.rows("SELECT * FROM acme_certificates"));
    assert.doesNotMatch(stored, /PRIVATE KEY|key_pkcs8/, "keys are sealed");
    const printed = await run(instance.program, ["config", "check", ...instance.config], { env: served.env });
    assert.ok(!printed.includes(BINDING.key), "the key is not shown");
  });
}

test("a domain that leads elsewhere is a failure that is told, and is not repeated at once", async (t) => {
  // Nothing listens where the authority asks.
  const instance = await prepare(t);
  const authority = await instance.pebble({ tlsPort: await freePort() });
  const served = await instance.begin(instance.tlsPort);
  await within(30_000, async () => (await instance.state())?.failures === 1, () => `${served.output()}\n${authority.log()}`);
  const { last_error: error } = await instance.state();
  assert.match(error, new RegExp(`the challenge for ${DOMAIN} failed: Failed to connect to 127\\.0\\.0\\.1`));
  const kinds = async () => (await instance.rows("SELECT kind FROM incidents")).map(({ kind }) => kind);
  await within(20_000, async () => (await kinds()).includes("certificate_not_renewed"), () => served.output());
  const [{ wait }] = await instance.rows(`SELECT attempt_at - ${Date.now()} AS wait FROM acme_certificates`);
  assert.ok(Number(wait) > 15_000, `the next attempt is in ${wait} ms`);
  const asked = await run(instance.program, ["health", ...instance.config], { env: served.env }).catch((failure) => failure.message);
  assert.match(asked, /no TLS connection can be made/);
  const examined = await start(instance.program, ["doctor", ...instance.config], { env: served.env });
  await examined.exited;
  assert.match(examined.output(), /FAIL {2}certificate: .*the challenge for gateway\.test failed/);
});
