// People who sign in and clients that refresh and revoke, all at the same time, and what must hold afterwards, whatever happened to
// the process. Everything answered with success was done; everything else was done completely or not at all.

import { addressOf, code, refreshing } from "../e2e/lib/flow.mjs";
import { statusWith } from "../e2e/lib/mcp.mjs";
import { pause } from "../e2e/lib/time.mjs";
import { ask } from "./world.mjs";

/** Refusals that say to retry later: nothing was acknowledged, and they allow no conclusion. */
const LATER = [429, 503];
const REFRESHES = 3;
/** A process that has just restarted may say to retry later for this long. */
const PATIENCE = 10_000;

/** Asks until there is a conclusive response. */
async function patiently(request) {
  const until = performance.now() + PATIENCE;
  for (;;) {
    const answer = await request();
    if ((answer && !LATER.includes(answer.status)) || performance.now() > until) return answer;
    await pause(100);
  }
}

export class People {
  /** Violations found. */
  wrong = [];
  counts = { "sign-ins": 0, refreshes: 0, revocations: 0, unanswered: 0 };
  #entries = [];
  #stopped = true;
  #workers = [];
  #network = 0;
  #underWay = new Set();

  constructor(world, { workers = 12 } = {}) {
    this.world = world;
    this.parallel = workers;
  }

  /** Begins a round of work, with another address for each worker in each round, because networks have limits. */
  begin() {
    this.#stopped = false;
    this.#workers = Array.from({ length: this.parallel }, () => this.#work(addressOf(this.#network++ % 5_000)));
  }

  async end() {
    this.#stopped = true;
    await Promise.all(this.#workers);
  }

  async #work(from) {
    while (!this.#stopped) {
      const form = await code(this.world.url, this.world.client, from).catch(() => undefined);
      // Without a code, nothing was promised yet.
      if (form) await this.#signIn({ form, from, state: "unsure", past: [] });
      else await pause(20);
    }
  }

  async #signIn(entry) {
    this.#entries.push(entry);
    const answer = await this.#token(entry.form, entry.from);
    if (answer?.status === 200) this.#hold(entry, answer, "sign-ins");
    else if (answer) return this.#note(entry, `a code was refused: ${answer.status} ${answer.text}`);
    for (let count = 0; count < REFRESHES && entry.state === "live" && !this.#stopped; count += 1) await this.#refresh(entry);
    if (entry.state === "live" && !entry.doubt && Math.random() < 0.3) await this.#revoke(entry);
  }

  #hold(entry, answer, what) {
    if (entry.refresh) entry.past.push([entry.refresh, answer.refresh_token]);
    Object.assign(entry, { state: "live", refresh: answer.refresh_token, access: answer.access_token });
    this.counts[what] += 1;
  }

  async #refresh(entry) {
    const answer = await this.#token(this.#refreshing(entry.refresh), entry.from);
    if (answer?.status === 200) return this.#hold(entry, answer, "refreshes");
    entry.doubt = "refresh";
    if (answer) this.#note(entry, `a refresh was refused: ${answer.status} ${answer.text}`);
    entry.state = "doubted";
  }

  async #revoke(entry) {
    const answer = await ask(`${this.world.url}/oauth2/revoke`, { client_id: this.world.client, token: entry.refresh }, entry.from);
    entry.state = answer?.status === 200 ? "revoked" : "doubted";
    if (entry.state === "revoked") this.counts.revocations += 1;
    else entry.doubt = "revocation";
    if (answer && ![200, ...LATER].includes(answer.status)) this.#note(entry, `a revocation was refused: ${answer.status}`);
  }

  #refreshing(token) {
    return refreshing(this.world.client, token);
  }

  /** A token request; nothing if it got no response, or the response says to retry later. */
  async #token(form, from) {
    const since = { at: performance.now() };
    this.#underWay.add(since);
    const answer = await ask(`${this.world.url}/oauth2/token`, form, from);
    this.#underWay.delete(since);
    if (answer && !LATER.includes(answer.status)) return answer;
    this.counts.unanswered += 1;
    return undefined;
  }

  #note(entry, what) {
    this.wrong.push(what);
    entry.state = "gone";
  }

  /** Checks everything this round did, a few at a time, and forgets it. */
  async verify() {
    const entries = this.#entries.splice(0);
    const worker = async () => {
      for (let entry = entries.pop(); entry; entry = entries.pop()) await this.#check(entry);
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    if (this.wrong.length > 0) throw new Error(`${this.wrong.length} wrong: ${[...new Set(this.wrong)].slice(0, 3).join("; ")}`);
  }

  async #check(entry) {
    const must = (condition, what) => condition || this.wrong.push(what);
    const present = (form) => patiently(() => ask(`${this.world.url}/oauth2/token`, form, entry.from));
    const refused = (answer) => answer?.status === 400 && answer.error === "invalid_grant";
    if (entry.state === "unsure") {
      const again = await present(entry.form);
      if (again?.status === 200) this.#hold(entry, again, "sign-ins");
      else must(refused(again), `a code without a response: ${again?.status} ${again?.text}`);
    } else if (entry.state === "revoked") {
      must(refused(await present(this.#refreshing(entry.refresh))), "a revoked refresh token works");
      must((await statusWith(this.world.url, entry.access, entry.from)) === 401, "a revoked access token works");
    }
    if (entry.state === "doubted" || entry.state === "live") await this.#checkHeld(entry, must, present, refused);
    if (entry.state === "gone") return;
    if (entry.past.length === 0 || Math.random() < 0.3) {
      must(refused(await present(entry.form)), "a code works twice");
      return;
    }
    for (const [used, successor] of entry.past) {
      const again = await present(this.#refreshing(used));
      must(refused(again) || again?.refresh_token === successor, "a used refresh token has a second successor");
    }
  }

  /** An acknowledged grant: its newest token works, and only once. */
  async #checkHeld(entry, must, present, refused) {
    const form = this.#refreshing(entry.refresh);
    const answer = await present(form);
    if (entry.doubt === "revocation" && refused(answer)) {
      must((await statusWith(this.world.url, entry.access, entry.from)) === 401, "partly revoked");
      return;
    }
    must(answer?.status === 200, `an acknowledged refresh token is lost: ${answer?.status} ${answer?.text}`);
    const again = await present(form);
    must(again?.refresh_token === answer?.refresh_token, `a refresh token returned two successors: ${again?.status}`);
    must((await statusWith(this.world.url, answer?.access_token, entry.from)) === 200, "a new access token does not work");
    entry.past.push([entry.refresh, answer?.refresh_token]);
  }

  /** How long the oldest request has waited for its response, in milliseconds. */
  waits() {
    const since = Math.min(...[...this.#underWay].map(({ at }) => at), performance.now());
    return performance.now() - since;
  }

  /** What was done, in words. */
  toString() {
    return Object.entries(this.counts).map(([what, count]) => `${count} ${what}`).join(", ");
  }
}
