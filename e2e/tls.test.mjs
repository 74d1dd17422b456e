// The program with a certificate of its own: the main job over HTTPS with an official SDK, a certificate that is replaced under traffic,
// a pair that cannot be used, and clients that never finish a handshake.

import assert from "node:assert/strict";
import { copyFile, writeFile } from "node:fs/promises";
import { connect as connectHttp2 } from "node:http2";
import { request as requestHttps } from "node:https";
import { connect as connectTcp } from "node:net";
import { after, before, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { sourceFields } from "./lib/api.mjs";
import { createCertificate, createCertificates, trust } from "./lib/certificates.mjs";
import { memoryProvider, startCallback } from "./lib/client.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { freePort, run, start } from "./lib/process.mjs";
import { startProvider } from "./lib/provider.mjs";
import { signIn } from "./lib/sign-in.mjs";
import { within } from "./lib/time.mjs";
import { startEverything } from "./lib/upstreams.mjs";

let certificates, gateway, port, httpPort;

before(async () => {
  certificates = await createCertificates();
  await trust(certificates.authority);
  httpPort = await freePort();
  gateway = await startGateway({
    certificates,
    outbound: `allow = ["127.0.0.0/8"]\nextra_ca = ["${certificates.authority}"]`,
    env: { GATEWRIGHT__TLS__HTTP_LISTEN: `127.0.0.1:${httpPort}` },
  });
  port = Number(new URL(gateway.url).port);
});

after(async () => assert.equal(await gateway?.stop(), 0));

/** One request on a connection of its own: its status, and the serial number of the certificate. */
function once(path = "/healthz") {
  return new Promise((done, failed) => {
    const request = requestHttps(`${gateway.url}${path}`, { agent: false }, (answer) => {
      const { serialNumber } = answer.socket.getPeerCertificate();
      answer.resume().on("end", () => done({ status: answer.statusCode, serialNumber }));
    });
    request.on("error", failed).end();
  });
}

/** Replaces the files that the program reads. */
async function replace({ certificate, key }) {
  await copyFile(certificate, certificates.certificate);
  await copyFile(key, certificates.key);
}

const metric = async (name) => {
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  const line = text.split("\n").find((line) => line.startsWith(name));
  return line === undefined ? undefined : Number(line.split(" ")[1]);
};

test("an official SDK signs in and calls a tool over HTTPS", async (t) => {
  const started = [];
  t.after(async () => {
    for (const each of started) await each.stop();
  });
  const begin = async (starting) => {
    started.push(await starting);
    return started.at(-1);
  };
  assert.match(gateway.callback, /^https:/);
  const provider = await begin(startProvider({ redirectUri: gateway.callback }));
  const everything = await begin(startEverything());
  const callback = await begin(startCallback());
  const source = await gateway.create("user-sources", sourceFields(provider));
  const server = await gateway.create("servers", { slug: "everything", name: "Everything", url: everything.url });
  const settings = { authentication_mode: "user_source", user_source_id: source.id, servers: [server.id] };
  const { url } = await gateway.create("gateways", { name: "Tests", slug: "tests", ...settings });
  const auth = memoryProvider({ redirectUrl: callback.url });
  const options = { versionNegotiation: { mode: "auto" } };
  const make = () => new Client({ name: "end-to-end", version: "1.0.0" }, options);
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: auth });
  await assert.rejects(make().connect(transport));
  assert.ok(auth.kept.authorizationUrl, "the SDK was sent to sign in");
  const answer = await signIn({ authorizationUrl: auth.kept.authorizationUrl, redirectUrl: callback.url });
  assert.equal(answer.get("iss"), url);
  await transport.finishAuth(answer);
  const client = make();
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { authProvider: auth }));
  const said = await client.callTool({ name: "echo", arguments: { message: "over TLS" } });
  assert.match(said.content[0].text, /over TLS/);
  await client.close();
});

test("HTTP/2 and HTTP/1.1, TLS 1.2 and 1.3, and nothing older", async () => {
  for (const version of ["TLSv1.2", "TLSv1.3"]) {
    for (const [offered, chosen] of [[["h2", "http/1.1"], "h2"], [["http/1.1"], "http/1.1"], [[], false]]) {
      const options = { host: "127.0.0.1", port, ALPNProtocols: offered, minVersion: version, maxVersion: version };
      const protocol = await new Promise((done, failed) => {
        const socket = connectTls(options, () => done([socket.getProtocol(), socket.alpnProtocol]) || socket.destroy());
        socket.on("error", failed);
      });
      assert.deepEqual(protocol, [version, chosen]);
    }
  }
  await assert.rejects(
    new Promise((done, failed) => {
      const options = { host: "127.0.0.1", port, minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" };
      connectTls(options, done).on("error", failed);
    }),
  );
  const session = connectHttp2(gateway.url);
  const status = await new Promise((done, failed) => {
    session.on("error", failed);
    session.request({ ":path": "/readyz" }).on("response", (headers) => done(headers[":status"])).end();
  });
  assert.equal(status, 200);
  session.close();
});

test("plain HTTP is redirected, or told where to go", async () => {
  const redirected = await fetch(`http://127.0.0.1:${httpPort}/mcp/tests?a=b`, { redirect: "manual", method: "POST" });
  assert.equal(redirected.status, 308);
  assert.equal(redirected.headers.get("location"), `${gateway.url}/mcp/tests?a=b`);
  const refused = await fetch(`http://127.0.0.1:${port}/`);
  assert.equal(refused.status, 400);
  assert.match(await refused.text(), new RegExp(gateway.url));
});

test("the program's own commands know the certificate", async () => {
  assert.match(await run(gateway.program, ["health", ...gateway.config]), /"certificate":"ok"/);
  const checked = await run(gateway.program, ["config", "check", ...gateway.config]);
  assert.match(checked, /certificate_file = /);
  const examined = await start(gateway.program, ["doctor", ...gateway.config]);
  await examined.exited;
  assert.match(examined.output(), /ok {4}certificate: in files, valid until 20/);
  assert.match(examined.output(), /ok {4}public URL: https:/);
  assert.doesNotMatch(examined.output(), /proxy/);
});

test("a certificate is replaced under traffic, and no request fails", async () => {
  const [before, next] = [await once(), await createCertificate(certificates.authority)];
  assert.equal(before.status, 200);
  let stop = false;
  const statuses = [];
  const traffic = Array.from({ length: 4 }, async (_, index) => {
    // Half of them on connections that stay open.
    while (!stop) statuses.push(index % 2 ? (await once()).status : (await fetch(`${gateway.url}/healthz`)).status);
  });
  await replace(next);
  await within(20_000, async () => (await once()).serialNumber !== before.serialNumber, "the old certificate is still presented");
  stop = true;
  await Promise.all(traffic);
  assert.ok(statuses.length > 50 && statuses.every((status) => status === 200), `${statuses.length} requests`);
});

test("a pair that cannot be used keeps the old one, and everyone is told", async () => {
  const before = await once();
  await writeFile(certificates.key, "not a key");
  gateway.running().child.kill("SIGHUP");
  await gateway.said(/the new TLS certificate cannot be used.*tls\.key_file.*contains no private key/);
  assert.equal((await once()).serialNumber, before.serialNumber);
  assert.equal((await (await fetch(`${gateway.url}/readyz`)).json()).certificate, "failing");
  assert.equal(await metric("gatewright_tls_certificate_failing"), 1);
  const kinds = async () => {
    const rows = await gateway.rows("SELECT kind, recovered_at FROM incidents WHERE subject_id = 'tls' ORDER BY id");
    return rows.map(({ kind, recovered_at }) => [kind, recovered_at !== null]);
  };
  // The certificates of these tests live for two days, and are in their last quarter only after that.
  await within(20_000, async () => (await kinds()).length > 0, "there is no incident");
  assert.deepEqual(await kinds(), [["certificate_not_renewed", false]]);
  const failed = await run(gateway.program, ["config", "check", ...gateway.config]).catch((error) => error.message);
  assert.match(failed, /tls\.key_file: .* contains no private key/);
  const next = await createCertificate(certificates.authority);
  await replace(next);
  await within(20_000, async () => (await once()).serialNumber !== before.serialNumber, "the new certificate is not presented");
  assert.equal(await metric("gatewright_tls_certificate_failing"), 0);
  assert.ok((await metric("gatewright_tls_certificate_expiry_timestamp_seconds")) > Date.now() / 1000);
  await within(20_000, async () => (await kinds())[0][1], "the incident is not over");
});

test("clients that never finish a handshake hold nothing", async () => {
  const open = [];
  const connect = (said) => {
    const socket = connectTcp({ host: "127.0.0.1", port });
    socket.on("error", () => {});
    if (said) socket.write(said);
    open.push(socket);
  };
  for (let count = 0; count < 300; count += 1) {
    connect();
    connect(Buffer.from([22, 3, 1]));
  }
  await within(5_000, async () => (await metric('gatewright_tls_handshakes_total{outcome="displaced"}')) > 0, "none was displaced");
  for (let count = 0; count < 20; count += 1) {
    const began = performance.now();
    assert.equal((await once()).status, 200);
    assert.ok(performance.now() - began < 2_000, "a handshake waited for others");
    connect(Buffer.from([22, 3, 1]));
  }
  await within(20_000, async () => (await metric("gatewright_connections")) < 20, "they are still open");
  for (const socket of open) socket.destroy();
  assert.ok((await metric('gatewright_tls_handshakes_total{outcome="timeout"}')) > 0);
});

test("a missing or wrong certificate is reported at start, with the remedy", async () => {
  const env = { GATEWRIGHT__TLS__KEY_FILE: "/nowhere/key.pem", GATEWRIGHT__SERVER__LISTEN: "127.0.0.1:0" };
  const failed = await start(gateway.program, ["serve", ...gateway.config], { env });
  assert.equal(await failed.exited, 1);
  assert.match(failed.output(), /tls\.key_file: \/nowhere\/key\.pem cannot be read \(entity not found\)\. Name a file/);
});
