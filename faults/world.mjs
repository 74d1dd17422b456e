// An instance whose provider answers immediately, as most faults need it.

import { join } from "node:path";
import { register } from "../bench/flow.mjs";
import { startGateway } from "../e2e/lib/gateway.mjs";
import { freePort, start } from "../e2e/lib/process.mjs";
import { send } from "../e2e/lib/raw.mjs";

const FORM = { "content-type": "application/x-www-form-urlencoded" };

/** Starts it with the options of `startGateway`; `providerWrapper` is put in front of the provider's command. */
export async function signInWorld({ providerWrapper = [], providerEnv = {}, env = {}, ...options } = {}) {
  const running = [];
  const stop = async () => {
    for (const each of running.reverse()) await each.stop();
  };
  try {
    const port = await freePort();
    const script = join(import.meta.dirname, "../bench/instant-provider.mjs");
    const [command, ...words] = [...providerWrapper, process.execPath, script, String(port)];
    const issuer = `http://127.0.0.1:${port}`;
    const provider = await start(command, words, { env: providerEnv, readyUrl: `${issuer}/jwks` });
    running.push(provider);
    // The administrator of the load creates more than people need.
    const quota = { GATEWRIGHT__QUOTAS__API_KEYS: "1000000" };
    const gateway = await startGateway({ logLevel: "warn", env: { ...quota, ...env }, ...options });
    running.push(gateway);
    const create = (kind, body) => gateway.api("POST", `${gateway.project}/${kind}`, body);
    const source = await create("user-sources", {
      name: "Instant",
      issuer,
      client_id: "faults",
      client_secret: "faults-secret-of-some-length",
    });
    const made = await create("gateways", {
      name: "Faults",
      slug: "faults",
      authentication_mode: "user_source",
      user_source_id: source.id,
    });
    return { gateway, provider, create, gatewayId: made.id, url: made.url, client: await register(made.url), running, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** One request of a client to an endpoint of its gateway; nothing if no complete response arrived. */
export async function ask(url, form, from) {
  try {
    const answer = await send(url, { method: "POST", headers: FORM, body: new URLSearchParams(form).toString(), from });
    return { status: answer.status, text: answer.text, ...(answer.text.startsWith("{") && JSON.parse(answer.text)) };
  } catch {
    return undefined;
  }
}

/** The status of a call with an access token; nothing if no complete response arrived. */
export async function call(url, accessToken, from) {
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "faults", version: "1" } };
  try {
    const answer = await send(url, {
      method: "POST",
      headers: {
        authorization: `Bearer ${accessToken}`,
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params }),
      from,
    });
    return answer.status;
  } catch {
    return undefined;
  }
}

/** The status of a process's `/readyz`; nothing if it does not respond. */
export const readiness = (origin) => send(`${origin}/readyz`).then(({ status }) => status, () => undefined);
