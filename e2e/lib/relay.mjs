// The network between a program and its database, which can go silent or break.

import { connect, createServer } from "node:net";
import { listen } from "./listen.mjs";

/** Forwards connections to the host and port of `url`; its own `url` leads through it. */
export async function startRelay(url) {
  const target = new URL(url);
  const open = new Set();
  let state = "whole";
  const accept = (client) => {
    if (state === "broken") return void client.resetAndDestroy();
    const server = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ]) {
      open.add(from);
      from.on("data", (piece) => {
        if (!to.write(piece)) from.pause();
      });
      to.on("drain", () => state === "whole" && from.resume());
      from.on("error", () => {});
      from.on("close", () => {
        open.delete(from);
        to.destroy();
      });
      if (state === "silent") from.pause();
    }
    return undefined;
  };
  const begin = (port) => listen(createServer(accept), port);
  let listening = await begin();
  const { port } = listening;
  const through = new URL(url);
  through.host = `127.0.0.1:${port}`;
  const takeAway = async () => {
    const stopped = listening.stop();
    for (const each of open) each.destroy();
    await stopped;
  };
  return {
    url: through.href,
    /** Forwards nothing any more; connections stay open, and new ones are accepted and receive no data. */
    silence: () => {
      state = "silent";
      for (const each of open) each.pause();
    },
    /** Resets every connection, including new ones. */
    break: () => {
      state = "broken";
      for (const each of open) each.resetAndDestroy();
    },
    /** Forwards again. */
    mend: () => {
      state = "whole";
      for (const each of open) each.resume();
    },
    /** Closes every connection and refuses new ones. */
    takeAway,
    bringBack: async () => void (listening = await begin(port)),
    stop: takeAway,
  };
}
