// The peers of the gateway stop answering: the identity provider while people sign in, a server while tools are called.

import { addressOf, code, consentForm, tokens } from "../bench/flow.mjs";
import { hangUp, send } from "../e2e/lib/raw.mjs";
import { pause, seconds, within } from "./bounds.mjs";
import { People } from "./people.mjs";
import { call, signInWorld } from "./world.mjs";

/** A sign-in is given up at the provider's deadlines; a person gets a page by then. */
const PAGE = 35_000;

/** A sign-in whose code is brought back while the provider does not answer; how long the page takes, and its status. */
async function broughtBack(world, from) {
  const { form } = await consentForm(world.url, world.client, from);
  const begun = await send(form.url, { ...form, from });
  const there = await send(begun.headers.location, { from });
  const cookie = begun.headers["set-cookie"].map((line) => line.split(";")[0]).join("; ");
  return async () => {
    const began = performance.now();
    const answer = await send(there.headers.location, { headers: { cookie }, from });
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
      const held = await tokens(world.url, await code(world.url, world.client, from), from);
      const returns = await Promise.all(Array.from({ length: 5 }, () => broughtBack(world, from)));
      people.begin();
      await pause(500);
      world.provider.child.kill("SIGSTOP");
      try {
        const pages = Promise.all(returns.map((each) => each()));
        for (let count = 0; count < 20; count += 1) {
          const began = performance.now();
          const status = await call(world.url, held.access_token, from);
          if (status !== 200) throw new Error(`somebody who is signed in is answered ${status}`);
          note("call", performance.now() - began);
          await pause(50);
        }
        const form = { grant_type: "refresh_token", client_id: world.client, refresh_token: held.refresh_token };
        Object.assign(held, await tokens(world.url, form, from));
        for (const { answer, took } of await pages) {
          note("page", took);
          if (took > PAGE) throw new Error(`a person waits ${seconds(took)}`);
          if (/[?&]code=/.test(answer.headers.location ?? "")) throw new Error("a code without an answer of the provider");
        }
      } finally {
        world.provider.child.kill("SIGCONT");
      }
      note("again", await within(15_000, () => code(world.url, world.client, from).then(() => true, () => false), "nobody can sign in again"));
      await people.end();
      await people.verify();
    });
  } finally {
    hangUp();
    await world.stop();
  }
  return (
    `a page after at most ${seconds(slowest.page)}; calls of others took at most ${seconds(slowest.call)}; sign-ins work ` +
    `${seconds(slowest.again)} after it is back; ${people}`
  );
}

export default [
  {
    part: "peers",
    fault: "the identity provider goes silent",
    done: "its process is stopped (SIGSTOP) while people come back from it and others are signed in",
    promised: "people get a page in time and no code; calls and refreshes of those who are signed in go on; sign-ins work again by themselves",
    rounds: 3,
    minutes: 1.5,
    short: 1,
    run: provider,
  },
];
