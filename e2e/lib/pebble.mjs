// Pebble, the ACME server of Let's Encrypt for tests, on loopback. Its own DNS server answers every name with 127.0.0.1.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, start } from "./process.mjs";
import { within } from "./time.mjs";

/** A key that Pebble knows, for accounts that must be bound to a customer. */
export const BINDING = { id: "kid-1", key: "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W" };

/** Where Pebble will be: its ports, so that an instance can be configured before it starts. */
export const pebblePorts = async () => ({ acme: await freePort(), management: await freePort(), dns: await freePort() });

/**
 * Starts Pebble with a certificate that the tests trust. It validates domains at `httpPort` and `tlsPort`. With `binding`, it only serves
 * accounts with that key. One in twenty of its nonces is refused, as it does by default.
 */
export async function startPebble({ certificates, ports, httpPort, tlsPort, binding = false, validitySeconds }) {
  const folder = await mkdtemp(join(tmpdir(), "gatewright-pebble-"));
  const config = {
    listenAddress: `127.0.0.1:${ports.acme}`,
    managementListenAddress: `127.0.0.1:${ports.management}`,
    certificate: certificates.certificate,
    privateKey: certificates.key,
    httpPort,
    tlsPort,
    externalAccountBindingRequired: binding,
    certificateValidityPeriod: validitySeconds,
    externalAccountMACKeys: { [BINDING.id]: BINDING.key },
  };
  await writeFile(join(folder, "pebble.json"), JSON.stringify({ pebble: config }));
  const nowhere = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-management", ""];
  const addresses = ["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", `127.0.0.1:${ports.dns}`];
  const dns = await start("pebble-challtestsrv", [...nowhere, ...addresses]);
  // Every order proves its domains again, at once.
  const env = { PEBBLE_VA_NOSLEEP: "1", PEBBLE_AUTHZREUSE: "0", PEBBLE_WFE_NONCEREJECT: "5" };
  const options = ["-config", join(folder, "pebble.json"), "-strict", "-dnsserver", `127.0.0.1:${ports.dns}`];
  const server = await start("pebble", options, { env });
  const directory = directoryOf(ports);
  await within(10_000, () => fetch(directory).then((answer) => answer.ok, () => false), () => server.output());
  return {
    /** The certificate of the authority that signs. */
    root: async () => (await fetch(`https://127.0.0.1:${ports.management}/roots/0`)).text(),
    log: () => server.output(),
    stop: async () => {
      await server.stop();
      await dns.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The URL of its directory. */
export const directoryOf = (ports) => `https://127.0.0.1:${ports.acme}/dir`;
