// Certificates of a test's own authority, made by openssl.

import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./process.mjs";

/**
 * Creates an authority and a certificate that it signs, for this name: `IP:…` or `DNS:…`. Returns the paths of the files.
 */
export async function createCertificates(name = "IP:127.0.0.1") {
  const folder = await mkdtemp(join(tmpdir(), "gatewright-e2e-ca-"));
  const at = (file) => join(folder, file);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const authority = ["-x509", "-days", "2", "-subj", "/CN=End-to-end authority"];
  await run("openssl", ["req", ...key, ...authority, "-keyout", at("ca.key"), "-out", at("ca.crt")]);
  const leaf = ["-x509", "-days", "2", "-subj", "/CN=End-to-end", "-addext", `subjectAltName=${name}`];
  const signed = ["-addext", "basicConstraints=critical,CA:FALSE", "-CA", at("ca.crt"), "-CAkey", at("ca.key")];
  await run("openssl", ["req", ...key, ...leaf, ...signed, "-keyout", at("leaf.key"), "-out", at("leaf.crt")]);
  return { authority: at("ca.crt"), key: at("leaf.key"), certificate: at("leaf.crt") };
}
