// What floods, huge messages, slow peers and malicious servers do to the process: nothing that others would notice.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { sourceFields, apiHeaders } from "./lib/api.mjs";
import { MEGABYTE, memory } from "./lib/figures.mjs";
import { FORM, REDIRECT, consentForm, register } from "./lib/flow.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { startHostileUpstream } from "./lib/hostile-upstream.mjs";
import { mcpHeaders, mcpMessage, toolCall } from "./lib/mcp.mjs";
import { startProvider } from "./lib/provider.mjs";
import { flood, hangUp, head, send, speak } from "./lib/raw.mjs";

/** The most memory that the process may use above idle, over the whole suite. A result has 200 MB. */
const GROWTH_MAX = 160 * MEGABYTE;
/** Deadlines for heads and bodies are ten seconds, for MCP messages thirty; this much later they are missed. */
const LATE = 6;
/** The most that is read of one body: a message of 4 MB, and what is discarded so that the refusal arrives. */
const TAKEN = 25 * MEGABYTE;
/** What the kernel buffers for a connection at both ends; 32 MB for the reader alone on some machines. */
const HELD = (await Promise.all(["rmem", "wmem"].map((name) => readFile(`/proc/sys/net/ipv4/tcp_${name}`, "utf8"))))
  .map((line) => Number(line.trim().split(/\s+/)[2]))
  .reduce((sum, most) => sum + most, 2 * MEGABYTE);

describe("overload", () => {
  let gateway, provider, upstream, endless, crowded, mcp, oauth, signInUrl, key, slow, atRest;

  /** Checks that the process is the same, responds immediately, and never used more than its share. */
  const lives = async () => {
    const began = performance.now();
    const small = await call("small");
    assert.match(small.text, /forty-two/);
    assert.ok(performance.now() - began < 2_000, "others wait");
    const grown = (await memory(gateway.pid())).peak - atRest;
    assert.ok(grown < GROWTH_MAX, `it grew by ${Math.round(grown / MEGABYTE)} MB`);
  };

  const headers = (method, name, token = key) => mcpHeaders({ bearer: token, user: "ada", method, name });
  const calling = (name) => toolCall({ bearer: key, user: "ada", name });
  const listing = () => ({ method: "POST", headers: headers("tools/list"), body: mcpMessage("tools/list") });
  const call = (name) => send(mcp.url, calling(name));

  const JSON_BODY = { "content-type": "application/json" };
  const CLIENT = { client_name: "Flood", redirect_uris: [REDIRECT], token_endpoint_auth_method: "none" };

  before(async () => {
    gateway = await startGateway({ logLevel: "warn" });
    provider = await startProvider({ redirectUri: gateway.callback });
    [upstream, endless] = [await startHostileUpstream(), await startHostileUpstream({ endless: true })];
    crowded = await startHostileUpstream({ tools: 100_000 });
    const { create } = gateway;
    const source = await create("user-sources", sourceFields(provider));
    const server = (slug, at) => create("servers", { slug, name: slug, url: at.url });
    const made = (slug, rest) => create("gateways", { name: slug, slug, ...rest });
    const one = await server("hostile", upstream);
    const other = await server("endless", endless);
    mcp = await made("by-key", { authentication_mode: "headers", servers: [one.id] });
    const third = await server("crowded", crowded);
    mcp.crowded = (await made("by-key-crowded", { authentication_mode: "headers", servers: [third.id] })).url;
    mcp.both = (await made("by-key-both", { authentication_mode: "headers", servers: [one.id, other.id] })).url;
    signInUrl = (await made("sign-in", { authentication_mode: "user_source", user_source_id: source.id })).url;
    const metadata = `${gateway.url}/.well-known/oauth-authorization-server${new URL(signInUrl).pathname}`;
    oauth = JSON.parse((await send(metadata)).text);
    ({ key } = await create("api-keys", { name: "hostile", role: "gateway" }));
    atRest = (await memory(gateway.pid())).resident;
    // These take as long as their deadlines; they are checked at the end.
    const drip = (byte) => () => new Promise((next) => setTimeout(next, 400, byte));
    const trickle = (url, sent, byte = "a") => speak(gateway.url, head(url, { ...sent, "content-length": 1_000 }), drip(byte));
    const fromOurPage = { ...FORM, origin: gateway.url, "sec-fetch-site": "same-origin" };
    const administrator = apiHeaders(gateway.projectKey);
    slow = {
      "a head that never ends": [10, speak(gateway.url, "GET / HTTP/1.1\r\nx-slow: ", drip("a"))],
      "a body that trickles, of a client": [10, trickle(oauth.token_endpoint, FORM)],
      "a body that trickles, of a registration": [10, trickle(oauth.registration_endpoint, JSON_BODY, " ")],
      "a body that trickles, of a consent form": [10, trickle(oauth.authorization_endpoint, fromOurPage)],
      "a body that trickles, of the sign-in page": [10, trickle(`${gateway.url}/sign-in`, fromOurPage)],
      "a body that trickles, of an administrator": [10, trickle(`${gateway.url}/api/v1${gateway.project}/servers`, administrator, " ")],
      "a body that trickles, of a message": [30, trickle(mcp.url, headers("tools/call", "small"), " ")],
    };
  });

  after(async () => {
    hangUp();
    for (const each of [upstream, endless, crowded, provider, gateway]) await each?.stop();
  });

  test("nesting of a hundred thousand levels is refused at every endpoint", async () => {
    await lives();
    const deep = `${'{"a":['.repeat(50_000)}1${"]}".repeat(50_000)}`;
    const params = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"small","arguments":${deep}}}`;
    const asAdministrator = apiHeaders(gateway.projectKey);
    const attempts = [
      [oauth.registration_endpoint, JSON_BODY, deep.slice(0, 60_000), 400],
      [`${gateway.url}/api/v1${gateway.project}/servers`, asAdministrator, `{"name":${deep}}`, 400],
      [mcp.url, headers("tools/call", "small"), params, 400],
    ];
    for (const [url, sent, body, status] of attempts) {
      const answer = await send(url, { method: "POST", headers: sent, body });
      assert.equal(answer.status, status, `${url}: ${answer.text}`);
    }
    assert.equal((await gateway.api("GET", `${gateway.project}/servers`)).items.length, 3, "nothing was stored");
    await lives();
  });

  test("bodies of 100 MB are refused, announced or not, before they are read", async () => {
    const doors = [
      [oauth.token_endpoint, FORM],
      [oauth.registration_endpoint, JSON_BODY],
      [`${gateway.url}/api/v1${gateway.project}/servers`, apiHeaders(gateway.projectKey)],
      [mcp.url, headers("tools/call", "small")],
    ];
    const chunk = `${MEGABYTE.toString(16)}\r\n${"a".repeat(MEGABYTE)}\r\n`;
    for (const [url, sent] of doors) {
      const announced = await speak(gateway.url, head(url, { ...sent, "content-length": 100 * MEGABYTE, connection: "close" }));
      assert.match(announced.text, /^HTTP\/1\.1 413 /, url);
      const endlessly = (said) => (said < 200 * MEGABYTE ? chunk : undefined);
      const poured = await speak(gateway.url, head(url, { ...sent, "transfer-encoding": "chunked", connection: "close" }), endlessly);
      // A client that keeps sending may miss the response: the connection ends while it does.
      assert.match(poured.text, /^(HTTP\/1\.1 413 |$)/, url);
      assert.ok(poured.said < TAKEN + HELD, `${url}: ${poured.said} bytes were taken`);
    }
    await lives();
  });

  test("a token of 10 MB is refused wherever it is", async () => {
    const long = "a".repeat(10 * MEGABYTE);
    const inHeader = await speak(gateway.url, head(mcp.url, { authorization: `Bearer ${long}`, "content-length": 0 }));
    assert.match(inHeader.text, /^(HTTP\/1\.1 431 |$)/);
    const fitting = await send(mcp.url, { method: "POST", headers: headers("tools/call", "small", long.slice(0, 50_000)) });
    assert.equal(fitting.status, 401);
    const body = `grant_type=refresh_token&client_id=a&refresh_token=${long}`;
    const inBody = await speak(gateway.url, head(oauth.token_endpoint, { ...FORM, "content-length": body.length }) + body);
    assert.match(inBody.text, /^(HTTP\/1\.1 413 |$)/);
    await lives();
  });

  /** Counts everything that is stored, and the pages of its file. */
  const stored = async () => {
    const tables = await gateway.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name");
    const counts = {};
    for (const { name } of tables) counts[name] = (await gateway.rows(`SELECT count(*) AS n FROM "${name}"`))[0].n;
    return { counts, pages: (await gateway.rows("PRAGMA page_count"))[0].page_count };
  };

  test("thousands of registrations leave the database as it was", async () => {
    const before = await stored();
    const register = (index) => ({
      url: oauth.registration_endpoint,
      method: "POST",
      headers: JSON_BODY,
      body: JSON.stringify({ ...CLIENT, client_name: `Flood ${index}` }),
      from: `127.0.${index % 10}.2`,
    });
    assert.deepEqual(await flood(3_000, register), { 201: 3_000 });
    assert.deepEqual(await stored(), before);
    await lives();
  });

  test("thousands of abandoned sign-ins leave the database as it was, and an office of a thousand signs in", async () => {
    const client = await register(signInUrl);
    // A page begins ten sign-ins.
    const pages = [];
    for (let count = 0; count < 341; count += 1) pages.push((await consentForm(signInUrl, client)).form);
    let begun = 0;
    const approve = () => pages[Math.floor(begun++ / 10)];
    const begin = (from) => {
      const { url, ...form } = approve();
      return send(url, { ...form, from });
    };
    /** What is stored once the trace of these sign-ins is written, and how many attempts it keeps. */
    const settled = async () => {
      await gateway.api("GET", `${gateway.project}/sign-in-attempts?limit=1`);
      const { counts, pages } = await stored();
      const { sign_in_attempts: attempts, ...others } = counts;
      return { attempts, others, pages };
    };
    const early = await begin("127.2.0.2");
    const before = await settled();
    const NETWORKS = 4;
    const wave = await flood(2_400, (index) => ({ ...approve(), from: `127.1.${index % NETWORKS}.${2 + (index % 200)}` }));
    assert.deepEqual(wave, { 303: 2_400 });
    const now = await settled();
    assert.deepEqual(now.others, before.others);
    // The trace keeps a few hundred per gateway, written and deleted in batches.
    assert.ok(now.attempts <= 500, `${now.attempts} attempts are kept`);

    /** The browser comes back and says that its person changed their mind: the sign-in ends, and the app learns it. */
    const comeBack = async (begun, from) => {
      const cookie = begun.headers["set-cookie"][0].split(";")[0];
      const state = new URL(begun.headers.location).searchParams.get("state");
      const back = await send(`${gateway.callback}?${new URLSearchParams({ state, error: "access_denied", iss: provider.issuer })}`, { headers: { cookie }, from });
      assert.equal(back.status, 303, back.text);
      return back.headers.location.startsWith(`${REDIRECT}?`);
    };
    const office = "127.3.0.2";
    const began = performance.now();
    const away = [];
    for (let batch = 0; batch < 50; batch += 1) away.push(...(await Promise.all(Array.from({ length: 20 }, () => begin(office)))));
    assert.ok(away.every((begun) => begun.status === 303), "a thousand begin behind one address");
    for (let at = 0; at < away.length; at += 20) {
      const finished = await Promise.all(away.slice(at, at + 20).map((begun) => comeBack(begun, office)));
      assert.ok(finished.every(Boolean), "and all of them finish");
    }
    assert.ok(performance.now() - began < 60_000, "within a minute");
    // All of them are still valid.
    assert.ok(await comeBack(early, "127.2.0.2"));
    await lives();
  });

  test("a result of 200 MB passes through and is not kept", async () => {
    const answer = await fetch(mcp.url, calling("huge"));
    assert.equal(answer.status, 200);
    let bytes = 0;
    for await (const part of answer.body) {
      if (bytes < 50 * MEGABYTE && bytes + part.length >= 50 * MEGABYTE) await lives();
      bytes += part.length;
    }
    assert.ok(bytes > 200 * MEGABYTE, `${bytes} bytes came`);
    await lives();
  });

  test("a client that asks for 200 MB and does not read them holds nothing", async () => {
    const stop = new AbortController();
    const unread = await Promise.all(
      Array.from({ length: 8 }, () =>
        fetch(mcp.url, {
          ...calling("huge"),
          signal: stop.signal,
        }),
      ),
    );
    assert.ok(unread.every((answer) => answer.status === 200));
    await lives();
    stop.abort();
    await lives();
  });

  test("an event of 200 MB is given up", async () => {
    const answer = await send(mcp.url, calling("huge_event"));
    assert.match(answer.text, /"error"/);
    assert.ok(answer.text.length < MEGABYTE);
    await lives();
  });

  test("an endless list is read up to its limit while others are served", async () => {
    // It was also contacted when it was saved.
    const before = endless.seen.pages;
    const list = send(mcp.both, listing());
    await lives();
    const answer = await list;
    const { tools } = JSON.parse(answer.text).result;
    assert.ok(tools.some((tool) => tool.name === "hostile_small"), "the other server's tools are listed");
    assert.ok(before <= 200, `${before} pages were read when it was saved`);
    const pages = endless.seen.pages - before;
    assert.ok(pages > 1 && pages <= 200, `${pages} pages were read`);
    await lives();
  });

  test("a bounded number of a hundred thousand tools is accepted while others are served", async () => {
    const before = crowded.seen.pages;
    const list = send(mcp.crowded, listing());
    await lives();
    const { tools } = JSON.parse((await list).text).result;
    assert.ok(tools.length > 1_000 && tools.length <= 5_000, `${tools.length} tools`);
    assert.equal(crowded.seen.pages - before, 1);
    await lives();
  });

  test("slow heads and bodies were given up at their deadlines", async () => {
    for (const [what, [deadline, ended]] of Object.entries(slow)) {
      const { seconds, text } = await ended;
      assert.ok(seconds < deadline + LATE, `${what}: ${seconds} s`);
      // Pages for people return a 400 for it, with their own text.
      assert.match(text, /^(HTTP\/1\.1 40[08] |$)/, what);
    }
    await lives();
  });
});
