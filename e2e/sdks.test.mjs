// Every primitive of MCP between the official SDKs of both eras, through a gateway: each SDK as a client of each SDK as a server. What holds
// state passes two replicas as well, where requests and what belongs to them arrive at different ones. It ends with a table of what
// was covered.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startGateway } from "./lib/gateway.mjs";
import { startSpread } from "./lib/spread.mjs";
import { within } from "./lib/time.mjs";
import { ABSENT, CLIENTS, SERVERS, SESSIONS, STATELESS } from "./sdks/peers.mjs";
import { EXPECTED, WITH_STATE } from "./sdks/repertoire.mjs";

const PRIMITIVES = Object.keys(EXPECTED);
/** How many clients look at the same time; each looks at one server after the other. */
const AT_ONCE = 3;

/** What was seen: `{ where, client, server, primitive, outcome }`, for the table. */
const covered = [];

/** Starts all servers, and a gateway in front of each; `urls` are those of the gateways. */
async function startServers(gateway, parts) {
  const urls = {};
  const starting = Object.entries(SERVERS).map(async ([name, { start }]) => {
    const server = await start();
    parts.push(server);
    const slug = name.toLowerCase().replaceAll(" ", "-");
    const { id } = await gateway.create("servers", { slug, url: server.url });
    urls[name] = (await gateway.create("gateways", { name, slug, authentication_mode: "headers", servers: [id] })).url;
  });
  await Promise.all(starting);
  return urls;
}

/** What every client sees of these servers, a few at a time; each client acts for its own user. */
async function observeAll(urls, key, primitives) {
  const seen = {};
  const left = Object.entries(CLIENTS);
  const work = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const [name, { observe }] = next;
      const headers = { authorization: `Bearer ${key}`, "gatewright-user-id": name };
      seen[name] = await observe({ urls, headers, primitives });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return seen;
}

/** Checks what a client saw of a server, and notes it for the table. */
function check(where, client, server, seen) {
  const wrong = [];
  for (const [primitive, saw] of Object.entries(seen)) {
    const absent = ABSENT.find((each) => each.primitive === primitive && each.isAbout({ client, server }));
    const isRight = absent ? absent.shown.test(saw) : saw === EXPECTED[primitive];
    covered.push({ where, client, server, primitive, outcome: !isRight ? "WRONG" : absent ? absent.why : "passes" });
    if (!isRight) wrong.push(`${primitive}: ${saw}`);
  }
  assert.deepEqual(wrong, []);
}

/** One test for each client and server; `seen()` is what was seen, by client and server. */
function checkAll(where, seen) {
  for (const client of Object.keys(CLIENTS)) {
    for (const server of Object.keys(SERVERS)) {
      test(`${client} and a server on ${server}`, () => check(where, client, server, seen()[client][server]));
    }
  }
}

/** The table: how many pairs of SDKs passed, by primitive and pair of eras. */
function table() {
  const eras = [SESSIONS, STATELESS];
  const pairs = eras.flatMap((client) => eras.map((server) => ({ client, server })));
  const wheres = [...new Set(covered.map(({ where }) => where))];
  const lines = [["primitive", ...wheres.flatMap((where) => pairs.map(({ client, server }) => `${where}: ${client} → ${server}`))]];
  lines.push(lines[0].map(() => "---"));
  const reasons = new Set();
  for (const primitive of PRIMITIVES) {
    const cells = wheres.flatMap((where) =>
      pairs.map((pair) => {
        const here = covered.filter(
          (each) =>
            each.where === where &&
            each.primitive === primitive &&
            CLIENTS[each.client].era === pair.client &&
            SERVERS[each.server].era === pair.server,
        );
        const passed = here.filter(({ outcome }) => outcome === "passes").length;
        const absent = here.map(({ outcome }) => outcome).filter((outcome) => outcome !== "passes" && outcome !== "WRONG");
        for (const why of absent) reasons.add(`${primitive}: ${why}`);
        if (here.length === 0) return "";
        return absent.length === here.length ? "none" : `${passed} of ${here.length}`;
      }),
    );
    lines.push([primitive, ...cells]);
  }
  const text = lines.map((cells) => cells.join(" | ")).join("\n");
  return `Pairs of SDKs that passed, each ${Object.keys(CLIENTS).join(", ")}:\n${text}\n${[...reasons].join("\n")}`;
}

describe("the official SDKs", () => {
  describe("with one process", () => {
    const parts = [];
    let seen, gateway;

    before(async () => {
      gateway = await startGateway();
      const { key } = await gateway.create("api-keys", { name: "sdks", role: "gateway" });
      seen = await observeAll(await startServers(gateway, parts), key, PRIMITIVES);
    });

    after(async () => {
      await gateway?.stop();
      for (const part of parts) await part.stop();
    });

    checkAll("one process", () => seen);
  });

  describe("with two replicas", () => {
    const parts = [];
    let seen, gateway, replica, spread;

    /**
     * Answers, and what makes a server announce something, arrive at the second replica; all else at the first. A session's notification that
     * cancels a call has to reach the replica of the call.
     */
    const choose = ({ method, params }) => {
      const isAnswer = method === undefined || params?.inputResponses !== undefined;
      return isAnswer || ["change_tools", "touch", "was_cancelled"].includes(params?.name) ? 1 : 0;
    };

    before(async () => {
      gateway = await startGateway({ store: "postgres" });
      replica = await gateway.replica();
      const { key } = await gateway.create("api-keys", { name: "sdks", role: "gateway" });
      const urls = await startServers(gateway, parts);
      spread = await startSpread([gateway.url, replica.origin], (message, { method }) => (method === "POST" ? choose(message) : 0));
      const headers = { authorization: `Bearer ${key}`, "gatewright-user-id": "ada" };
      for (const [name, url] of Object.entries(urls)) {
        const { pathname } = new URL(url);
        const isKnown = async () => (await fetch(`${replica.origin}${pathname}`, { method: "POST", headers })).status !== 404;
        await within(5_000, isKnown, "the replica does not know the gateway");
        urls[name] = `${spread.origin}${pathname}`;
      }
      seen = await observeAll(urls, key, WITH_STATE);
    });

    after(async () => {
      for (const each of [spread, replica, gateway, ...parts]) await each?.stop();
    });

    test("both replicas were asked", () => {
      for (const count of spread.counts) assert.ok(count > 100, `${spread.counts}`);
    });

    checkAll("two replicas", () => seen);
  });

  after(() => console.log(table()));
});
