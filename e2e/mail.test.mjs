// Notifications through a real mail server with TLS: encrypted before anything is said that matters, only to a server with the right
// certificate, and with a password only over TLS.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createCertificates } from "./lib/certificates.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { startMailServer } from "./lib/mail.mjs";
import { startStatelessServer } from "./lib/stateless-server.mjs";
import { within } from "./lib/time.mjs";

const PASSWORD = "violet harbour ninety";

describe("e-mail over TLS", () => {
  let right, elsewhere, wrong, failing;

  before(async () => {
    right = await createCertificates();
    elsewhere = await createCertificates("DNS:mail.example.com");
    wrong = await createCertificates();
    failing = await startStatelessServer({ list: () => ({ ttlMs: 1_000, cacheScope: "public", tools: [] }), admit: () => 503 });
  });

  after(() => failing?.stop());

  /** A gateway that has something to tell through this mail server, and trusts this authority. */
  async function telling(t, { security, mail, authority, password = PASSWORD }) {
    const server = await startMailServer(mail);
    t.after(() => server.stop());
    const env = {
      GATEWRIGHT__NOTIFICATIONS__EMAIL: "ada@example.com",
      GATEWRIGHT__NOTIFICATIONS__WAIT_SECONDS: "1",
      GATEWRIGHT__OUTBOUND__EXTRA_CA: authority,
      GATEWRIGHT__SMTP__HOST: "127.0.0.1",
      GATEWRIGHT__SMTP__PORT: String(server.port),
      GATEWRIGHT__SMTP__SECURITY: security,
      GATEWRIGHT__SMTP__FROM: "Gatewright <gatewright@example.com>",
      ...(password && { GATEWRIGHT__SMTP__USERNAME: "gatewright", GATEWRIGHT__SMTP__PASSWORD: password }),
    };
    const gateway = await startGateway({ env, logLevel: "warn" });
    t.after(() => gateway.stop());
    const { id } = await gateway.create("servers", { slug: "weather", name: "Weather", url: failing.url });
    await gateway.api("POST", `${gateway.project}/servers/${id}/check`);
    return { gateway, server };
  }

  for (const [security, tls, mechanisms] of [
    ["starttls", "starttls", ["PLAIN"]],
    ["starttls", "starttls", ["LOGIN"]],
    ["tls", "implicit", ["PLAIN"]],
    ["tls", "implicit", ["LOGIN"]],
  ]) {
    test(`a message arrives with ${security} and AUTH ${mechanisms}`, async (t) => {
      const mail = { tls, mechanisms, password: PASSWORD, certificate: right.certificate, key: right.key };
      const { gateway, server } = await telling(t, { security, mail, authority: right.authority });
      await within(40_000, () => server.mails().length > 0, () => `${gateway.log()}\n${server.said()}`);
      assert.match(server.mails()[0], /Subject: Weather: /);
      assert.match(server.said(), new RegExp(`AUTH ${mechanisms} encrypted=True`));
      assert.match(server.said(), /DATA encrypted=True authenticated=True/);
      assert.doesNotMatch(server.said(), /AUTH \w+ encrypted=False/);
      assert.ok(!gateway.log().includes(PASSWORD));
    });
  }

  for (const [security, tls] of [
    ["starttls", "starttls"],
    ["tls", "implicit"],
  ]) {
    for (const what of ["of an authority that is not trusted", "for another name"]) {
      test(`nothing is said with ${security} to a server with a certificate ${what}`, async (t) => {
        const shown = what === "for another name" ? elsewhere : right;
        const authority = what === "for another name" ? elsewhere.authority : wrong.authority;
        const mail = { tls, password: PASSWORD, certificate: shown.certificate, key: shown.key };
        const { gateway, server } = await telling(t, { security, mail, authority });
        await within(40_000, () => /TLS with the mail server failed/.test(gateway.log()), () => `${gateway.log()}\n${server.said()}`);
        assert.doesNotMatch(server.said(), /AUTH \w+ encrypted|DATA encrypted|EHLO encrypted=True/);
        assert.deepEqual(server.mails(), []);
      });
    }
  }

  test("nothing is sent to a server that offers no STARTTLS, and a wrong password is named", async (t) => {
    const plain = { security: "starttls", mail: { tls: "none", password: PASSWORD }, authority: right.authority };
    const one = await telling(t, plain);
    await within(40_000, () => /offers no STARTTLS/.test(one.gateway.log()), () => one.gateway.log());
    assert.doesNotMatch(one.server.said(), /AUTH \w+ encrypted|DATA encrypted/);
    const mail = { tls: "starttls", password: PASSWORD, certificate: right.certificate, key: right.key };
    const other = await telling(t, { security: "starttls", mail, authority: right.authority, password: "another" });
    await within(40_000, () => /refused smtp.username and smtp.password/.test(other.gateway.log()), () => other.gateway.log());
    assert.deepEqual(other.server.mails(), []);
    assert.ok(!other.gateway.log().includes("another"));
  });
});
