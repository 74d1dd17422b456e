// Servers of the tests, on loopback.

import { once } from "node:events";

/** Starts a server on `port`, or on a free one. */
export async function listen(server, port = 0) {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const { port: own } = server.address();
  return {
    port: own,
    origin: `http://127.0.0.1:${own}`,
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections?.();
      await closed;
    },
  };
}

/** The body of a request, as text. */
export async function bodyOf(request) {
  let text = "";
  for await (const part of request.setEncoding("utf8")) text += part;
  return text;
}
