// Raw requests: from any loopback address, with any bytes, as slow or as long as needed.

import { Agent, request } from "node:http";
import { connect } from "node:net";

const agents = new Map();

/** The connections of one source address: all of 127.0.0.0/8 is this machine, so each test can be many networks. */
function agentOf(address) {
  if (!agents.has(address)) agents.set(address, new Agent({ keepAlive: true, maxSockets: 8 }));
  return agents.get(address);
}

/** One request from `from`; returns status, headers and text. */
export function send(url, { method = "GET", headers = {}, body, from = "127.0.0.1" } = {}) {
  return new Promise((done, fail) => {
    const sent = request(url, { method, headers, agent: agentOf(from), localAddress: from });
    sent.on("error", fail);
    sent.on("response", (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (part) => (text += part));
      answer.on("end", () => done({ status: answer.statusCode, headers: answer.headers, text }));
      answer.on("error", fail);
    });
    sent.end(body);
  });
}

/** The same request many times, a few at a time; `make(index)` returns URL and options. Counts the statuses. */
export async function flood(count, make, atOnce = 32) {
  const statuses = {};
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const { url, ...options } = make(next++);
      const { status } = await send(url, options);
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return statuses;
}

/** Closes what {@link send} keeps open. */
export function hangUp() {
  for (const agent of agents.values()) agent.destroy();
  agents.clear();
}

/**
 * Opens a connection, sends `first`, and then `more()` as long as it returns something and the other side accepts it.
 * Returns what came back until the other side closed, how many bytes were sent, and after how many seconds it ended.
 */
export function speak(origin, first, more = () => undefined) {
  const { hostname, port } = new URL(origin);
  const began = performance.now();
  return new Promise((done) => {
    const socket = connect(Number(port), hostname);
    let text = "";
    let said = 0;
    let over = false;
    const say = async () => {
      for (let part = first; part !== undefined && !over; part = await more(said)) {
        said += part.length;
        if (!socket.write(part)) await new Promise((ready) => socket.once("drain", ready).once("close", ready));
      }
    };
    socket.setEncoding("utf8").on("data", (part) => (text += part));
    socket.on("connect", say);
    socket.on("error", () => {});
    socket.on("end", () => socket.destroy());
    socket.on("close", () => {
      over = true;
      done({ text, said, seconds: (performance.now() - began) / 1000 });
    });
  });
}

/** The head of a POST, as bytes on the wire. */
export function head(url, headers) {
  const { pathname, host } = new URL(url);
  const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}`);
  return `POST ${pathname} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
}
