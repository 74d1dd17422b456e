// The first start, as a person has it: `init` writes a configuration that serves, and an address changed alone is followed.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { BINARIES } from "./lib/gateway.mjs";
import { listen } from "./lib/listen.mjs";
import { attempt, freePort, start } from "./lib/process.mjs";
import { startProvider } from "./lib/provider.mjs";

const GATEWRIGHT = join(BINARIES, "gatewright");
const LINK = /http:\S+\/account\/setup\/\S+/;

describe("the first start", () => {
  let folder, provider;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "gatewright-first-"));
    provider = await startProvider({ redirectUri: "http://127.0.0.1/unused" });
  });

  after(async () => {
    await provider?.stop();
    await rm(folder, { recursive: true });
  });

  const gatewright = (...args) => attempt(GATEWRIGHT, args, { cwd: folder });
  const serve = (url, ...args) => start(GATEWRIGHT, ["serve", ...args], { cwd: folder, readyUrl: `${url}/readyz` });

  test("init checks the provider, and serve uses what it wrote", async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const made = await gatewright("init", "--public-url", url, "--database", "data", "--issuer", provider.issuer);
    assert.equal(made.code, 0, made.output);
    assert.match(made.output, /ok {4}The provider publishes a key that can verify ID tokens\./);
    assert.ok(made.output.includes(`${url}/oauth2/intermediate_callback`), made.output);
    assert.equal((await stat(join(folder, "gatewright.toml"))).mode & 0o777, 0o600);

    const serving = await serve(url);
    const [link] = serving.output().match(LINK);
    assert.equal((await fetch(link)).status, 200);
    assert.ok(link.startsWith(url));
    assert.ok(!serving.output().includes("may not work"), serving.output());
    assert.equal(await serving.stop(), 0);

    const again = await gatewright("init");
    assert.equal(again.code, 1);
    assert.match(again.output, /gatewright\.toml exists\. Name another file with --config, or replace this one with --force/);
    await rm(join(folder, "gatewright.toml"));
  });

  test("an issuer that cannot be used leaves no file", async () => {
    const other = await listen(createServer((_, response) => response.writeHead(404).end()));
    const refused = await gatewright("init", "--issuer", other.origin);
    await other.stop();
    assert.equal(refused.code, 1);
    assert.match(refused.output, /FAIL .*404/);
    assert.match(refused.output, /Correct --issuer, or leave it out/);
    await assert.rejects(readFile(join(folder, "gatewright.toml")), { code: "ENOENT" });
  });

  test("without configuration, the public URL follows the address", async () => {
    const listen = `127.0.0.1:${await freePort()}`;
    const serving = await serve(`http://${listen}`, "--listen", listen, "--data-dir", "elsewhere");
    const [link] = serving.output().match(LINK);
    assert.ok(link.startsWith(`http://${listen}/`), link);
    assert.equal((await fetch(link)).status, 200);
    await serving.stop();
    assert.ok((await stat(join(folder, "elsewhere/gatewright.db"))).isFile());
  });

  test("a public URL that leads elsewhere is told with the link", async () => {
    const [port, other] = [await freePort(), await freePort()];
    const listen = `127.0.0.1:${port}`;
    const serving = await serve(`http://${listen}`, "--listen", listen, "--public-url", `http://127.0.0.1:${other}`, "--data-dir", "third");
    assert.match(serving.output(), /The link may not work: server\.public_url is /);
    assert.match(serving.errors(), /WARN.*Gatewright listens on 127\.0\.0\.1/);
    await serving.stop();
    await writeFile(join(folder, "g.toml"), `[server]\nlisten = "0.0.0.0:${port}"\n`);
    const checked = await gatewright("config", "check", "--config", "g.toml");
    assert.equal(checked.code, 0);
    assert.match(checked.output, /warning: server\.public_url is not set, so http:\/\/127\.0\.0\.1:\d+ is assumed/);
  });

  test("what the system refuses is said with its cause", async () => {
    const taken = await listen(createServer());
    const refused = await gatewright("serve", "--listen", `127.0.0.1:${taken.port}`, "--data-dir", "fourth");
    await taken.stop();
    assert.equal(refused.code, 1);
    assert.match(refused.output, /another program uses the port\. Stop it, or choose another port with --listen/);
    const wrong = await gatewright("serve", "--listen", "8080");
    assert.equal(wrong.code, 1);
    assert.match(wrong.output, /--listen: server\.listen cannot be used.*Write it like "127\.0\.0\.1:8080"/);
  });
});
