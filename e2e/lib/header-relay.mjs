// Stands between a client that cannot send credentials and a gateway: adds headers to each request, and changes nothing else.

import { connect, createServer } from "node:net";
import { listen } from "./listen.mjs";

const END = Buffer.from("\r\n\r\n");

/**
 * Starts it in front of `target`; the URL it returns has the same path. `headers` are added to each request. A Host or an Origin that
 * names the relay names the target instead; any other stays, as does every other byte in both directions. A request has a
 * Content-Length, or no body.
 */
export async function startHeaderRelay(target, headers) {
  const to = new URL(target);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  let own;
  const rewritten = (head) => {
    const [request, ...fields] = head.split("\r\n");
    const named = fields.map((field) => (/^(host|origin):/i.test(field) ? field.replace(own, to.host) : field));
    return [request, ...lines, ...named].join("\r\n");
  };
  const open = new Set();
  const server = createServer((client) => {
    const upstream = connect(Number(to.port), to.hostname);
    const forward = forwarder(rewritten, (piece) => upstream.write(piece));
    for (const [from, other] of [
      [client, upstream],
      [upstream, client],
    ]) {
      open.add(from);
      from.on("error", () => {});
      from.on("end", () => other.end());
      from.on("close", () => {
        open.delete(from);
        other.destroySoon();
      });
    }
    client.on("data", forward);
    upstream.on("data", (piece) => client.write(piece));
  });
  const { origin, port, stop } = await listen(server);
  own = `127.0.0.1:${port}`;
  return {
    url: `${origin}${to.pathname}`,
    stop: async () => {
      const stopped = stop();
      for (const each of open) each.destroy();
      await stopped;
    },
  };
}

/** Takes the bytes of a connection; passes them to `write`, each head of a request as `rewritten` returns it. */
function forwarder(rewritten, write) {
  let head = Buffer.alloc(0);
  let body = 0;
  return (piece) => {
    let rest = piece;
    while (rest.length > 0) {
      if (body > 0) {
        const part = rest.subarray(0, body);
        write(part);
        body -= part.length;
        rest = rest.subarray(part.length);
        continue;
      }
      head = Buffer.concat([head, rest]);
      const end = head.indexOf(END);
      if (end < 0) return;
      const text = head.subarray(0, end).toString("latin1");
      rest = head.subarray(end + END.length);
      head = Buffer.alloc(0);
      if (/^transfer-encoding:/im.test(text)) throw new Error("a request must have a Content-Length");
      body = Number(/^content-length:\s*(\d+)/im.exec(text)?.[1] ?? 0);
      write(Buffer.concat([Buffer.from(rewritten(text), "latin1"), END]));
    }
  };
}
