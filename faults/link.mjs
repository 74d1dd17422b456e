// The network between a process and its database, which can go silent or break.

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** Forwards bytes to a port of this machine, from its own port. */
export async function startLink(to) {
  let state = "whole";
  const sockets = new Set();
  const server = createServer((near) => {
    if (state === "broken") return near.resetAndDestroy();
    const far = connect(to, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(one);
      one.on("data", (piece) => {
        if (!other.write(piece)) one.pause();
      });
      other.on("drain", () => state === "whole" && one.resume());
      one.on("error", () => {});
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      if (state === "silent") one.pause();
    }
    return undefined;
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: server.address().port,
    /** Forwards nothing any more; connections stay open, and new ones are accepted and get no data. */
    silence: () => {
      state = "silent";
      for (const socket of sockets) socket.pause();
    },
    /** Resets every connection, including new ones. */
    break: () => {
      state = "broken";
      for (const socket of sockets) socket.resetAndDestroy();
    },
    mend: () => {
      state = "whole";
      for (const socket of sockets) socket.resume();
    },
    stop: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
