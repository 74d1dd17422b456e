// What the clients on the TypeScript SDKs have in common.

import { pause } from "../../lib/time.mjs";

/** How long a client waits for a notification, and how often it makes the server repeat it, in milliseconds. */
const [PATIENCE, AGAIN] = [15_000, 250];
/** How long it waits for log messages after the answer. */
const AFTER = 2_000;

/** The text of a tool's result. */
export const said = ({ content }) => content.map(({ text }) => text).join();

/** Calls a tool, and returns its text. */
export const called = async (client, name, given = {}) => said(await client.callTool({ name, arguments: given }));

/**
 * Repeats `act` until `seen` returns something, and returns that. A stream that a client opens, and the one that the gateway opens to its
 * server, exist a moment later than the first message that they could carry.
 */
export async function repeated(act, seen, patience = PATIENCE) {
  const until = performance.now() + patience;
  while (performance.now() < until) {
    await act();
    await pause(AGAIN);
    const found = await seen();
    if (found) return found;
  }
  throw new Error(`nothing came within ${patience / 1000} s`);
}

/** The texts that a server has logged, once there are three: it may send them on another stream than the answer. */
export const logged = (told) =>
  repeated(
    async () => {},
    () => {
      const texts = told.filter(({ method }) => method === "notifications/message").map(({ params }) => params.data);
      return texts.length >= 3 && texts.join();
    },
    AFTER,
  );
