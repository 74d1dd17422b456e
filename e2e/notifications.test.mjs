// What needs attention reaches a webhook and, through a real mail server, the people who look after the instance: once when it begins and
// once when it ends, on both stores, with two replicas.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { test } from "node:test";
import { STORES, startGateway } from "./lib/gateway.mjs";
import { listen } from "./lib/listen.mjs";
import { startMailServer } from "./lib/mail.mjs";
import { startStatelessServer } from "./lib/stateless-server.mjs";
import { within } from "./lib/time.mjs";

const KEY = Buffer.from("a key of thirty-two bytes, no less");

/** A receiver that refuses the first message; what arrived, with valid signatures only. */
async function startReceiver() {
  const messages = [];
  let refusals = 1;
  const server = createServer(async (request, answer) => {
    let text = "";
    for await (const part of request) text += part;
    const { "webhook-id": id, "webhook-timestamp": at, "webhook-signature": signature } = request.headers;
    const expected = createHmac("sha256", KEY).update(`${id}.${at}.${text}`).digest("base64");
    assert.equal(signature, `v1,${expected}`);
    messages.push({ id, refused: refusals > 0, ...JSON.parse(text).data });
    answer.writeHead(refusals-- > 0 ? 503 : 204).end();
  });
  const { port, stop } = await listen(server);
  return { url: `http://127.0.0.1:${port}/hook`, messages, stop };
}

for (const store of STORES) {
  test(`beginning and end are each reported once (${store})`, async (t) => {
    const running = [];
    t.after(async () => {
      for (const each of running.reverse()) await each.stop();
    });
    const begin = async (starting) => {
      const started = await starting;
      running.push(started);
      return started;
    };
    const [receiver, mail] = [await begin(startReceiver()), await begin(startMailServer())];
    let fails = false;
    const list = () => ({ ttlMs: 1_000, cacheScope: "public", tools: [] });
    const upstream = await begin(startStatelessServer({ list, admit: () => (fails ? 503 : undefined) }));
    const env = {
      GATEWRIGHT__NOTIFICATIONS__WEBHOOK_URL: receiver.url,
      GATEWRIGHT__NOTIFICATIONS__WEBHOOK_SECRET: `whsec_${KEY.toString("base64")}`,
      GATEWRIGHT__NOTIFICATIONS__EMAIL: "ada@example.com",
      GATEWRIGHT__NOTIFICATIONS__WAIT_SECONDS: "1",
      GATEWRIGHT__NOTIFICATIONS__SETTLE_SECONDS: "2",
      GATEWRIGHT__SMTP__HOST: "127.0.0.1",
      GATEWRIGHT__SMTP__PORT: String(mail.port),
      GATEWRIGHT__SMTP__SECURITY: "none",
      GATEWRIGHT__SMTP__FROM: "Gatewright <gatewright@example.com>",
    };
    const gateway = await begin(startGateway({ store, env, logLevel: "warn" }));
    if (store === "postgres") await begin(gateway.replica());
    const { id } = await gateway.create("servers", { slug: "weather", name: "Weather", url: upstream.url });
    fails = true;
    await gateway.api("POST", `${gateway.project}/servers/${id}/check`);
    const accepted = () => receiver.messages.filter((message) => !message.refused);
    await within(40_000, () => accepted().length > 0 && mail.mails().length > 0, () => gateway.log());
    const [refused, told] = receiver.messages;
    assert.ok(refused.refused && refused.id === told.id, "the message that was refused comes again");
    assert.equal(told.begun.length, 1);
    assert.equal(told.begun[0].subject.name, "Weather");
    fails = false;
    await within(40_000, () => accepted().length > 1 && mail.mails().length > 1, () => gateway.log());
    assert.equal(accepted()[1].recovered[0].id, told.begun[0].id);
    const [first, second] = mail.mails();
    assert.match(first, /Subject: Weather: /);
    assert.match(first, /Needs attention/);
    assert.match(second, /Over/);
    const { items } = await gateway.api("GET", `${gateway.project}/incidents`);
    assert.deepEqual(items.map(({ status, kind }) => [status, kind]), [["recovered", "server_unavailable"]]);
    assert.equal(accepted().length, 2);
    assert.equal(mail.mails().length, 2);
  });
}
