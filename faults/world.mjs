// An instance whose provider answers immediately, as most faults need it.

import { postForm } from "../e2e/lib/flow.mjs";
import { startSignInWorld } from "../e2e/lib/instant.mjs";
import { send } from "../e2e/lib/raw.mjs";

/** Starts it with the options of `startSignInWorld`. The administrator of the load creates more than people need. */
export const signInWorld = ({ env = {}, ...options } = {}) =>
  startSignInWorld({ logLevel: "warn", env: { GATEWRIGHT__QUOTAS__API_KEYS: "1000000", ...env }, ...options });

/** One request of a client to an endpoint of its gateway; nothing if no complete response arrived. */
export async function ask(url, form, from) {
  try {
    const answer = await postForm(url, form, from);
    return { status: answer.status, text: answer.text, ...(answer.text.startsWith("{") && JSON.parse(answer.text)) };
  } catch {
    return undefined;
  }
}

/** The status of a process's `/readyz`; nothing if it does not respond. */
export const readiness = (origin) => send(`${origin}/readyz`).then(({ status }) => status, () => undefined);
