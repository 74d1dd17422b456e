// The gateway's peers stop responding: the identity provider while people sign in, a server while tools are called.

import { addressOf, backFromProvider, code, consentForm, refreshing, signInFast, tokens } from "../e2e/lib/flow.mjs";
import { startGateway } from "../e2e/lib/gateway.mjs";
import { statusWith } from "../e2e/lib/mcp.mjs";
import { freePort, start } from "../e2e/lib/process.mjs";
import { hangUp, send } from "../e2e/lib/raw.mjs";
import { callTool } from "../e2e/lib/slow-server.mjs";
import { pause, seconds, within } from "../e2e/lib/time.mjs";
import { People } from "./people.mjs";
import { signInWorld } from "./world.mjs";

/** A sign-in is given up at the provider's deadlines; by then, the person gets a page. */
const PAGE = 35_000;

/** A sign-in whose code is brought back while the provider does not respond; how long the page takes, and its status. */
async function broughtBack(world, from) {
  const { form } = await consentForm(world.url, world.client, from);
  const begun = await send(form.url, { ...form, from });
  const { url, ...request } = await backFromProvider(begun, from);
  return async () => {
    const began = performance.now();
    const answer = await send(url, request);
    return { answer, took: performance.now() - began };
  };
}

async function provider(bounds) {
  const world = await signInWorld();
  const slowest = { page: 0, call: 0, again: 0 };
  const note = (what, value) => (slowest[what] = Math.max(slowest[what], value));
  const people = new People(world, { workers: 3 });
  try {
    await bounds.each(async (round) => {
      const from = addressOf(4_000 + round);
      const held = await signInFast(world, from);
      const returns = await Promise.all(Array.from({ length: 5 }, () => broughtBack(world, from)));
      people.begin();
      await pause(500);
      world.provider.child.kill("SIGSTOP");
      try {
        const pages = Promise.all(returns.map((each) => each()));
        for (let count = 0; count < 20; count += 1) {
          const began = performance.now();
          const status = await statusWith(world.url, held.access_token, from);
          if (status !== 200) throw new Error(`a call of a signed-in person returns ${status}`);
          note("call", performance.now() - began);
          await pause(50);
        }
        Object.assign(held, await tokens(world.url, refreshing(world.client, held.refresh_token), from));
        for (const { answer, took } of await pages) {
          note("page", took);
          if (took > PAGE) throw new Error(`a person waits ${seconds(took)}`);
          if (/[?&]code=/.test(answer.headers.location ?? "")) throw new Error("a code without a response from the provider");
        }
      } finally {
        world.provider.child.kill("SIGCONT");
      }
      note("again", await within(15_000, () => code(world.url, world.client, from).then(() => true, () => false), "no one can sign in again"));
      await people.end();
      await people.verify();
    });
  } finally {
    hangUp();
    await world.stop();
  }
  return (
    `a page after at most ${seconds(slowest.page)}; calls of other people took at most ${seconds(slowest.call)}; sign-ins work ` +
    `${seconds(slowest.again)} after it is back; ${people}`
  );
}

/** A server in its own process does not respond, while another server of the same project does. */
async function server(bounds) {
  const gateway = await startGateway({ logLevel: "warn" });
  const running = [gateway];
  const slowest = { failed: 0, other: 0, again: 0 };
  const note = (what, value) => (slowest[what] = Math.max(slowest[what], value));
  const [TIMEOUT, LATE] = [2_000, 3_000];
  let others = 0;
  try {
    const { create } = gateway;
    const { key } = await create("api-keys", { name: "faults", role: "gateway" });
    const behind = async (slug) => {
      const upstream = await startSlowProcess();
      running.push(upstream);
      const { id } = await create("servers", { slug, url: upstream.url, timeout_ms: TIMEOUT });
      const { url } = await create("gateways", { name: slug, slug, authentication_mode: "headers", servers: [id] });
      const quick = async (user) => {
        const began = performance.now();
        const { status, whole } = await callTool(url, { key, user, name: "quick" });
        const text = (await whole) ?? "";
        return { good: status === 200 && text.includes('"result"'), took: performance.now() - began };
      };
      return { upstream, quick };
    };
    const [sick, well] = [await behind("sick"), await behind("well")];
    await bounds.each(async () => {
      if (!(await sick.quick("ada")).good) throw new Error("a call fails although the server is well");
      sick.upstream.child.kill("SIGSTOP");
      try {
        const lost = Promise.all(Array.from({ length: 20 }, (_, index) => sick.quick(`user ${index}`)));
        for (let count = 0; count < 20; count += 1) {
          const { good, took } = await well.quick("bob");
          if (!good) throw new Error("a call to another server fails");
          others += 1;
          note("other", took);
          await pause(50);
        }
        for (const { good, took } of await lost) {
          if (good) throw new Error("a server that is stopped answered");
          if (took > TIMEOUT + LATE) throw new Error(`a call took ${seconds(took)}`);
          note("failed", took);
        }
      } finally {
        sick.upstream.child.kill("SIGCONT");
      }
      note("again", await within(10_000, async () => (await sick.quick("ada")).good, "its calls still fail"));
    });
  } finally {
    for (const each of running.reverse()) await each.stop();
  }
  return (
    `calls to it failed after at most ${seconds(slowest.failed)} (its time limit is ${seconds(TIMEOUT)}); ${others} calls to another one, none ` +
    `failed, at most ${seconds(slowest.other)}; it works ${seconds(slowest.again)} after it is back`
  );
}

/** The slow server as a process that can be stopped. */
async function startSlowProcess() {
  const port = await freePort();
  const module = new URL("../e2e/lib/slow-server.mjs", import.meta.url);
  const script = `import { startSlowServer } from "${module}"; await startSlowServer(${port});`;
  const url = `http://127.0.0.1:${port}/mcp`;
  const args = ["--input-type=module", "--eval", script];
  const running = await start(process.execPath, args, {});
  await within(10_000, () => fetch(url, { method: "POST", body: "{}" }).then(() => true, () => false), "the server does not answer");
  return { url, child: running.child, stop: () => running.stop("SIGKILL") };
}

export default [
  {
    part: "peers",
    fault: "the identity provider goes silent",
    done: "its process is stopped (SIGSTOP) while people come back from it and others are signed in",
    promised: "people get a page in time and no code; calls and refreshes of signed-in people keep working; sign-ins recover automatically",
    rounds: 3,
    minutes: 1.5,
    short: 1,
    run: provider,
  },
  {
    part: "peers",
    fault: "an MCP server goes silent",
    done: "its process is stopped (SIGSTOP) while twenty users call its tools",
    promised: "their calls fail at the server's time limit; calls to other servers are not slowed; it recovers automatically",
    rounds: 6,
    minutes: 1,
    short: 1,
    run: server,
  },
];
