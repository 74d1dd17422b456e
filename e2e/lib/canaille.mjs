// Canaille, an identity server in Python (Flask and Authlib), from PyPI: set up by its own command line in a temporary
// folder. The client is registered dynamically (RFC 7591).

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { freePort, run, start } from "./process.mjs";
import { pause } from "./time.mjs";

const PERSON = { username: "ada", password: "analytical engine", name: "Ada Lovelace", email: "ada@example.com" };

/** The program, installed next to the interpreter of the Python clients. */
const PROGRAM = join(dirname(process.env.GATEWRIGHT_TEST_PYTHON ?? "/usr/bin/python3"), "canaille");

/** Starts the server with one confidential client; `redirectUri` is the gateway's one callback. */
export async function startCanaille({ redirectUri }) {
  const folder = await mkdtemp(join(tmpdir(), "canaille-e2e-"));
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
  const inline = Object.entries({ ...key, kid: "canaille" }).map(([name, value]) => `${name} = "${value}"`);
  await writeFile(
    join(folder, "canaille.toml"),
    `SECRET_KEY = "end-to-end"
SERVER_NAME = "127.0.0.1:${port}"
PREFERRED_URL_SCHEME = "http"
SESSION_COOKIE_SECURE = false
[CANAILLE]
DATABASE = "sql"
[CANAILLE_SQL]
DATABASE_URI = "sqlite:///${folder}/canaille.db"
[CANAILLE_OIDC]
DYNAMIC_CLIENT_REGISTRATION_OPEN = true
ACTIVE_JWKS = [{ ${inline.join(", ")} }]
`,
  );
  const env = { CANAILLE_CONFIG: join(folder, "canaille.toml") };
  const canaille = (...args) => run(PROGRAM, args, { env, cwd: folder });
  await canaille("install");
  const user = ["--user-name", PERSON.username, "--password", PERSON.password, "--family-name", "Lovelace"];
  await canaille("create", "user", ...user, "--formatted-name", PERSON.name, "--emails", PERSON.email);
  const running = await start(PROGRAM, ["run", "--bind", `127.0.0.1:${port}`], { env, cwd: folder, readyUrl: issuer });
  return {
    issuer,
    client: await register({ issuer, redirectUri }),
    person: PERSON,
    subject: () => PERSON.username,
    output: running.output,
    stop: async () => {
      await running.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function register({ issuer, redirectUri }) {
  const answer = await fetch(`${issuer}/oauth/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      client_name: "Gatewright",
      // It would trust addresses of this machine and skip their consent page.
      client_uri: "https://gatewright.example",
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code"],
      response_types: ["code"],
      scope: "openid profile email",
      token_endpoint_auth_method: "client_secret_basic",
    }),
  });
  assert.equal(answer.status, 201, await answer.clone().text());
  return answer.json();
}

/**
 * Signs in on the server's pages: name, password, and its consent, which it asks for once. Two access tokens that it issues to one
 * person in the same second are equal, and it fails on the second one: so each sign-in gets its own second.
 */
export async function signInAtCanaille(browser, page) {
  await pause(1000 - (Date.now() % 1000));
  let at = page;
  for (let step = 0; step < 3 && at.text !== undefined && /^\/(login|auth|oauth)\b/.test(new URL(at.url).pathname); step += 1) {
    at = await browser.submit(at, { values: { login: PERSON.username, password: PERSON.password }, button: "accept" });
  }
  return at;
}
