// An instance whose provider answers immediately: people sign in without pages, and only the gateway is measured.

import { join } from "node:path";
import { createSignInGateway } from "./api.mjs";
import { register } from "./flow.mjs";
import { startGateway } from "./gateway.mjs";
import { freePort, start } from "./process.mjs";

/** Starts the provider as its own process. */
async function startInstantProvider({ env = {} } = {}) {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const script = join(import.meta.dirname, "instant-provider.mjs");
  const { child, stop } = await start(process.execPath, [script, String(port)], { env, readyUrl: `${issuer}/jwks` });
  // It accepts any client.
  return { issuer, client: { client_id: "instant", client_secret: "a-secret-of-some-length" }, child, stop };
}

/**
 * Starts the provider, and an instance with the options of `startGateway` that has one gateway for it, in front of the MCP server at
 * `serverUrl`, if set, and one client. What is added to `running` stops with it.
 */
export async function startSignInWorld({ providerEnv = {}, serverUrl, ...options } = {}) {
  const running = [];
  const stop = async () => {
    for (const each of running.reverse()) await each.stop();
  };
  try {
    const provider = await startInstantProvider({ env: providerEnv });
    running.push(provider);
    const gateway = await startGateway(options);
    running.push(gateway);
    const { create } = gateway;
    const servers = serverUrl ? [(await create("servers", { slug: "bench", name: "Bench", url: serverUrl })).id] : [];
    const { id: gatewayId, url } = await createSignInGateway(gateway, provider, { servers });
    return { gateway, provider, create, gatewayId, url, client: await register(url), running, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
