// A rolling restart behind nginx, with the configuration of the guide as it stands there: two replicas are stopped and started
// one after the other while clients call, and no call fails. Signals do what the guide says.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { continuously } from "./lib/continuous.mjs";
import { configure } from "./lib/gateway.mjs";
import { blocks, filledIn } from "./lib/guide.mjs";
import { freePort, run, start } from "./lib/process.mjs";

/** How often each replica is restarted. */
const ROUNDS = 3;

/** How many calls pass between two restarts. */
const SOME = 40;

describe("a rolling restart behind the nginx of the guide", () => {
  let folder, made, nginx, key, url;
  const replicas = [];

  /** A replica on a port of its own; nginx has the port of the public URL. */
  async function replica(env = {}) {
    const listen = `127.0.0.1:${await freePort()}`;
    // As the guide has it, a replica drains before it closes its door; a second is enough here.
    const drain = { GATEWRIGHT__SERVER__DRAIN_SECONDS: "1" };
    const begin = (more = {}) =>
      start(made.program, ["serve", ...made.config], {
        env: { ...drain, ...env, ...more, GATEWRIGHT__SERVER__LISTEN: listen },
        readyUrl: `http://${listen}/readyz`,
      });
    const each = { listen, running: await begin() };
    each.restart = async (signal) => {
      assert.equal(await each.running.stop(signal), 0, each.running.output());
      each.running = await begin();
    };
    each.begin = async (more) => (each.running = await begin(more));
    return each;
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "gatewright-rolling-"));
    made = await configure({ store: "postgres" });
    const instanceKey = (await run(made.program, ["admin", "init", ...made.config])).match(/gwk_[\w-]+/)[0];
    replicas.push(await replica(), await replica());
    const ask = async (path, body, bearer) => {
      const answer = await fetch(`http://${replicas[0].listen}/api/v1${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      assert.ok(answer.ok, `${path}: ${answer.status}`);
      return answer.json();
    };
    const { id } = await ask("/projects", { name: "Acme" }, instanceKey);
    const owner = (await ask(`/projects/${id}/api-keys`, { name: "tests", role: "owner" }, instanceKey)).key;
    await ask(`/projects/${id}/gateways`, { name: "Agents", slug: "agents", authentication_mode: "headers" }, owner);
    key = (await ask(`/projects/${id}/api-keys`, { name: "agents", role: "gateway" }, owner)).key;
    url = `${made.url}/mcp/agents`;

    const [upstream] = await blocks("replicas", "nginx", "## In front of them");
    assert.match(upstream, /max_fails=0/);
    const [server] = await blocks("tls", "nginx", "## nginx");
    const plain = server.replace(/^\s*ssl_certificate.*\n/gm, "");
    const filled = filledIn(`${upstream}\n${plain}`, {
      "10.0.0.11:8080": replicas[0].listen,
      "10.0.0.12:8080": replicas[1].listen,
      "listen 443 ssl": `listen ${new URL(made.url).host}`,
      "http://127.0.0.1:8080": "http://gatewright",
    });
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((each) => `${each}_temp_path ${folder}/${each};`);
    await writeFile(
      join(folder, "nginx.conf"),
      `daemon off; pid ${folder}/pid; error_log ${folder}/error.log; events {}
       http { access_log off; ${temporary.join(" ")} ${filled} }`,
    );
    nginx = await start("/usr/sbin/nginx", ["-c", join(folder, "nginx.conf"), "-p", folder], { readyUrl: `${made.url}/healthz` });
  });

  after(async () => {
    await nginx?.stop();
    for (const each of replicas) await each.running.stop();
    for (const each of [folder, made?.folder]) if (each) await rm(each, { recursive: true, force: true });
  });

  /** One call as a client makes it; nothing is tried again. */
  async function call() {
    const answer = await fetch(url, {
      method: "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "gatewright-user-id": "ada-1815",
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
      },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "initialize",
        params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "rolling", version: "1" } },
      }),
    });
    assert.equal(answer.status, 200, await answer.text());
  }

  test("SIGHUP never ends a replica and changes the level of its log", async () => {
    const [each] = replicas;
    const before = each.running.output();
    assert.ok(!before.includes("the level of the log was read again"));
    each.running.child.kill("SIGHUP");
    const deadline = Date.now() + 5_000;
    while (!each.running.output().includes("the level of the log was read again")) {
      assert.ok(Date.now() < deadline, each.running.output());
      await new Promise((done) => setTimeout(done, 20));
    }
    assert.equal((await fetch(`http://${each.listen}/readyz`)).status, 200);
  });

  test("while it drains it says so to load balancers and serves everybody", async () => {
    const [each] = replicas;
    await each.running.stop();
    await each.begin({ GATEWRIGHT__SERVER__DRAIN_SECONDS: "3" });
    each.running.child.kill("SIGTERM");
    const told = async () => {
      const answer = await fetch(`http://${each.listen}/readyz`);
      return [answer.status, (await answer.json()).status];
    };
    const deadline = Date.now() + 2_000;
    while ((await told())[0] === 200) assert.ok(Date.now() < deadline);
    assert.deepEqual(await told(), [503, "stopping"]);
    assert.equal((await fetch(`http://${each.listen}/healthz`)).status, 200);
    assert.equal(await each.running.exited, 0, each.running.output());
    await each.begin();
  });
});
