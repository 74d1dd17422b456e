// A relay between a program and its database, which can go silent or away.

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** Forwards connections to the host and port of `url`; its own `url` leads through it. */
export async function startRelay(url) {
  const target = new URL(url);
  const open = new Set();
  let silent = false;
  const accept = (client) => {
    const server = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ]) {
      open.add(from);
      from.on("data", (piece) => to.write(piece));
      from.on("error", () => {});
      from.on("close", () => {
        open.delete(from);
        to.destroy();
      });
      if (silent) from.pause();
    }
  };
  const relay = createServer(accept);
  const begin = async (port) => {
    relay.listen(port, "127.0.0.1");
    await once(relay, "listening");
  };
  await begin(0);
  const { port } = relay.address();
  const through = new URL(url);
  through.port = port;
  through.hostname = "127.0.0.1";
  const end = async () => {
    const closed = once(relay, "close");
    relay.close();
    for (const each of open) each.destroy();
    await closed;
  };
  return {
    url: through.href,
    /** Forwards nothing, and refuses nothing. */
    silence: () => {
      silent = true;
      for (const each of open) each.pause();
    },
    speak: () => {
      silent = false;
      for (const each of open) each.resume();
    },
    takeAway: end,
    bringBack: () => begin(port),
    stop: end,
  };
}
