// Certificates of a test's own authority, made by openssl.

import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { run } from "./process.mjs";

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Creates a certificate that an authority of {@link createCertificates} signs. Returns the paths of the files. */
export async function createCertificate(authority, { name = "IP:127.0.0.1", days = 2 } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "gatewright-e2e-certificate-"));
  const [certificate, key] = [join(folder, "leaf.crt"), join(folder, "leaf.key")];
  const leaf = ["-x509", "-days", String(days), "-subj", "/CN=End-to-end", "-addext", `subjectAltName=${name}`];
  const signed = ["-addext", "basicConstraints=critical,CA:FALSE", "-CA", authority, "-CAkey", authority.replace(/crt$/, "key")];
  await run("openssl", ["req", ...KEY, ...leaf, ...signed, "-keyout", key, "-out", certificate]);
  return { key, certificate };
}

/**
 * Creates an authority and a certificate that it signs, for this name: `IP:…` or `DNS:…`. Returns the paths of the files.
 */
export async function createCertificates(name = "IP:127.0.0.1") {
  const folder = await mkdtemp(join(tmpdir(), "gatewright-e2e-ca-"));
  const at = (file) => join(folder, file);
  const authority = ["-x509", "-days", "2", "-subj", "/CN=End-to-end authority"];
  await run("openssl", ["req", ...KEY, ...authority, "-keyout", at("ca.key"), "-out", at("ca.crt")]);
  return { authority: at("ca.crt"), ...(await createCertificate(at("ca.crt"), { name })) };
}

/** Makes this process trust an authority beside the public ones. */
export async function trust(authority) {
  setDefaultCACertificates([...getCACertificates("default"), await readFile(authority, "utf8")]);
}
