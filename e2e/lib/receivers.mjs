// Receivers of streams: a webhook that answers as it is told, and syslog over TCP and TLS that reads RFC 5424 strictly.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer as createHttpServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { listen } from "./listen.mjs";

export const KEY = Buffer.from("a key of thirty-two bytes, no less");
export const SECRET = `whsec_${KEY.toString("base64")}`;

/** The ways to answer: each returns whether the receiver has the batch. */
export const ANSWERS = {
  ok: (_, answer) => (answer.writeHead(204).end(), true),
  "500": (_, answer) => (answer.writeHead(500).end("no"), false),
  "429": (_, answer) => (answer.writeHead(429, { "retry-after": "3" }).end(), false),
  "413": (_, answer) => (answer.writeHead(413).end(), false),
  redirect: (_, answer) => (answer.writeHead(307, { location: "/elsewhere" }).end(), false),
  hangUp: (request) => (request.socket.destroy(), false),
  reset: (request) => (request.socket.resetAndDestroy(), false),
  garbage: (request) => (request.socket.end("this is not HTTP\r\n\r\n"), false),
  silent: () => false,
  "half a head": (request) => (request.socket.end("HTTP/1.1 200 OK\r\ncontent-le"), false),
  "closes in its body": (request) => (request.socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort"), true),
  "resets after its head": (request) => {
    request.socket.write("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n", () => setTimeout(() => request.socket.resetAndDestroy(), 50));
    return true;
  },
  "endless body": (request, answer) => {
    answer.writeHead(200, { "content-type": "application/octet-stream" });
    const piece = Buffer.alloc(64 * 1024, "x");
    const more = () => {
      while (!answer.destroyed && answer.write(piece));
      if (!answer.destroyed) answer.once("drain", more);
    };
    answer.on("error", () => {});
    more();
    return true;
  },
  "compressed body": (_, answer) => (answer.writeHead(200, { "content-encoding": "gzip" }).end("not gzip"), true),
};

/** A webhook. `answers` are used up one by one; after them it accepts everything. */
export async function startWebhook({ lines = false } = {}) {
  const webhook = { answers: [], accepted: [], attempts: [], bodies: [] };
  const serve = async (request, answer) => {
    request.on("error", () => {});
    const parts = [];
    try {
      for await (const part of request) parts.push(part);
    } catch {
      return;
    }
    const text = Buffer.concat(parts).toString();
    const { "webhook-id": id, "webhook-timestamp": at, "webhook-signature": signature, "content-type": type } = request.headers;
    const expected = createHmac("sha256", KEY).update(`${id}.${at}.${text}`).digest("base64");
    assert.equal(signature, `v1,${expected}`);
    assert.equal(request.url, "/hook?token=in-the-query");
    assert.equal(type, lines ? "application/jsonl" : "application/json");
    const records = lines ? text.trim().split("\n").map((line) => JSON.parse(line)) : JSON.parse(text);
    const how = webhook.answers.shift() ?? "ok";
    webhook.bodies.push(text);
    webhook.attempts.push({ how, id, at: Date.now(), count: records.length });
    if (ANSWERS[how](request, answer)) webhook.accepted.push(...records);
  };
  const { port, stop } = await listen(createHttpServer(serve));
  /** Listens again after it was stopped. */
  const again = () => listen(createHttpServer(serve), port);
  return Object.assign(webhook, { url: `http://127.0.0.1:${port}/hook?token=in-the-query`, stop, again });
}

const HEADER = new RegExp(
  [
    /^<(?<pri>\d{1,3})>1 /,
    /(?<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z) /,
    /(?<host>[!-~]{1,255}) (?<app>[!-~]{1,48}) (?<process>[!-~]{1,128}) (?<kind>[!-~]{1,32}) /,
    /(?<data>-|(\[[!#-<>-\\^-~]{1,32}( [!#-<>-\\^-~]{1,32}="([^"\\\]]|\\["\\\]])*")*\])+) /,
  ]
    .map(({ source }) => source)
    .join(""),
);

/** Reads messages with their length in front (RFC 6587 section 3.4.1); fails on anything else. */
export function readSyslog(bytes) {
  const messages = [];
  for (let rest = bytes; rest.length > 0; ) {
    const space = rest.indexOf(0x20);
    const length = rest.subarray(0, space).toString("latin1");
    assert.match(length, /^[1-9]\d{0,8}$/, "the length of a message");
    const message = rest.subarray(space + 1, space + 1 + Number(length));
    assert.equal(message.length, Number(length), "a message is whole");
    const text = message.toString("latin1");
    assert.match(text, /^[ -~]*$/, "ASCII only, so no byte order mark is needed");
    const { groups, 0: header } = text.match(HEADER) ?? assert.fail(text);
    assert.ok(Number(groups.pri) <= 191);
    messages.push({ ...groups, record: JSON.parse(text.slice(header.length)) });
    rest = rest.subarray(space + 1 + Number(length));
  }
  return messages;
}

/** A syslog receiver. `answers` says of the next connections what becomes of them: `close`, without reading. */
export async function startSyslog({ tls } = {}) {
  const receiver = { messages: [], answers: [], connections: 0 };
  const hung = [];
  const serve = (socket) => {
    receiver.connections += 1;
    socket.on("error", () => {});
    const how = receiver.answers.shift();
    if (how === "close") return void socket.destroy();
    if (how === "hang") return void hung.push(socket.pause());
    const parts = [];
    socket.on("data", (part) => parts.push(part));
    socket.on("end", () => {
      receiver.messages.push(...readSyslog(Buffer.concat(parts)));
      socket.end();
    });
  };
  // The sender closes its side first, and waits for this one.
  const server = tls
    ? createTlsServer({ ...tls, allowHalfOpen: true }, serve)
    : createTcpServer({ allowHalfOpen: true }, serve);
  const { port, stop } = await listen(server);
  return Object.assign(receiver, {
    port,
    stop: () => {
      for (const socket of hung) socket.destroy();
      return stop();
    },
  });
}
