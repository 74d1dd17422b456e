// Glewlwyd, a single sign-on server in C, from Debian: its own database in a temporary folder, its OpenID Connect
// plugin, client and users set up through its API as an administrator would. Its pages are rendered by script, so people sign in
// there with Chromium.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, start } from "./process.mjs";

const WEB = "/usr/share/glewlwyd/webapp";
const WEB_CONFIGURATION = "/etc/glewlwyd/config-2.7.json/config.json";
const SCHEMA = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3";
const MODULES = { user_module_path: "user", client_module_path: "client", user_auth_scheme_module_path: "scheme", plugin_module_path: "plugin" };
const TYPES = { ".html": "text/html", ".css": "text/css", ".js": "application/javascript", ".json": "application/json" };

/** The account that Debian's schema begins with. */
const ADMINISTRATOR = { username: "admin", password: "password" };

const PERSON = { username: "ada", password: "analytical engine", name: "Ada Lovelace", email: "ada@example.com" };

/** The pages as Debian ships them, with the configuration where they look for it (the link in the package leads to a folder). */
async function webFolder(folder) {
  const web = join(folder, "web");
  for (const name of await readdir(WEB)) {
    if (name !== "config.json") await cp(join(WEB, name), join(web, name), { recursive: true, dereference: true });
  }
  await cp(WEB_CONFIGURATION, join(web, "config.json"));
  return web;
}

async function configuration({ folder, port }) {
  const modules = Object.entries(MODULES).map(([setting, name]) => `${setting} = "/usr/lib/glewlwyd/${name}"`);
  const types = Object.entries(TYPES).map(([end, type]) => `{ extension = "${end}"; mime_type = "${type}" }`);
  const path = join(folder, "glewlwyd.conf");
  await writeFile(
    path,
    `port = ${port}
bind_address = "127.0.0.1"
external_url = "http://127.0.0.1:${port}/"
login_url = "login.html"
api_prefix = "api"
static_files_path = "${await webFolder(folder)}"
static_files_mime_types = ( ${types.join(", ")} )
log_mode = "console"
log_level = "INFO"
admin_scope = "g_admin"
profile_scope = "g_profile"
hash_algorithm = "SHA512"
${modules.join("\n")}
database = { type = "sqlite3"; path = "${folder}/glewlwyd.db"; };
`,
  );
  return path;
}

/** Starts the server with one confidential client; `redirectUri` is the gateway's one callback. */
export async function startGlewlwyd({ redirectUri }) {
  const folder = await mkdtemp(join(tmpdir(), "glewlwyd-e2e-"));
  const database = new DatabaseSync(join(folder, "glewlwyd.db"));
  database.exec(await readFile(SCHEMA, "utf8"));
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const config = await configuration({ folder, port });
  const running = await start("glewlwyd", [`--config-file=${config}`], { readyUrl: `${origin}/config` });
  const issuer = `${origin}/api/oidc`;
  const client = { client_id: "gatewright", client_secret: "Zm9v/YmFy~cXV4.0123456789==" };
  await setUp({ origin, issuer, client, redirectUri });
  return {
    issuer,
    client,
    person: PERSON,
    /** The subject that the server generated for a person: random, and in its database from the first sign-in. */
    subject: () =>
      database.prepare("select gposi_sub as sub from gpo_subject_identifier where gposi_username = ?").get(PERSON.username).sub,
    output: running.output,
    stop: async () => {
      await running.stop();
      database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function setUp({ origin, issuer, client, redirectUri }) {
  let cookie;
  const post = async (path, body) => {
    const answer = await fetch(`${origin}/api${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(cookie && { cookie }) },
      body: JSON.stringify(body),
    });
    assert.equal(answer.status, 200, `POST ${path}: ${await answer.text()}`);
    return answer;
  };
  const [session] = (await post("/auth/", ADMINISTRATOR)).headers.getSetCookie();
  cookie = session.split(";")[0];
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  await post("/mod/plugin/", {
    module: "oidc",
    name: "oidc",
    display_name: "OpenID Connect",
    order_rank: 0,
    parameters: {
      iss: issuer,
      "jwt-type": "rsa",
      "jwt-key-size": "256",
      key: privateKey.export({ type: "pkcs8", format: "pem" }),
      cert: publicKey.export({ type: "spki", format: "pem" }),
      "jwks-show": true,
      "subject-type": "public",
      "access-token-duration": 3600,
      "refresh-token-duration": 3600,
      "code-duration": 600,
      "auth-type-code-enabled": true,
      "auth-type-token-enabled": false,
      "auth-type-implicit-enabled": false,
      "auth-type-refresh-enabled": true,
      "pkce-allowed": true,
      "pkce-required": true,
      "name-claim": "on-demand",
      "name-claim-scope": ["profile"],
      "email-claim": "on-demand",
      "email-claim-scope": ["email"],
      "allowed-scope": ["openid", "profile", "email"],
      "oauth-as-iss-id": true,
    },
  });
  for (const name of ["profile", "email"]) await post("/scope/", { name, display_name: name, password_required: true });
  await post("/client/", {
    ...client,
    name: "Gatewright",
    confidential: true,
    enabled: true,
    redirect_uri: [redirectUri],
    authorization_type: ["code", "refresh_token"],
    token_endpoint_auth_method: ["client_secret_basic"],
    scope: [],
  });
  await post("/user/", { ...PERSON, scope: ["openid", "profile", "email"], enabled: true });
}

/** Signs in on the server's pages in Chromium: name and password, and its own consent, scope by scope, which it asks for once. */
export async function signInAtGlewlwyd(page) {
  await page.locator("#username").fill(PERSON.username);
  await page.locator("#password").fill(PERSON.password);
  await page.locator("button[type=submit]").click();
  const onwards = page.getByRole("button", { name: "Continue" });
  await onwards.waitFor();
  if ((await page.locator("#grant-profile").count()) > 0) {
    await page.locator("#grant-profile").check();
    await page.locator("#grant-email").check();
    await page.getByRole("button", { name: "Grant access" }).click();
  }
  await onwards.click();
}
