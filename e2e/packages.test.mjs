// What is published for a version, made from the program of the other tests: packing twice makes equal files, and each package
// leads to a first tool call as docs/install.md says, on a machine that is thrown away.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { BINARIES } from "./lib/gateway.mjs";
import { run } from "./lib/process.mjs";
import { commands, throwaway } from "./lib/throwaway.mjs";

const PYTHON = process.env.GATEWRIGHT_TEST_PYTHON_PACKAGES ?? "python3";
const XTASK = process.env.GATEWRIGHT_XTASK ?? join(BINARIES, "xtask");
const NODE = process.execPath;
const HERE = import.meta.dirname;
const FIRST_CALL = `${NODE} ${join(HERE, "packages/first-call.mjs")}`;

/** What a service said is printed if a command fails. */
const LOG = "trap 'cat /var/log/gatewright.log /run/log 2>/dev/null || true' ERR";

/** The program in the unpacked image. */
const INSIDE = `${join(HERE, "packages/inside-image")} /usr/bin/gatewright`;

/** A user who can read the configuration of the service runs commands. */
const AS_USER = "sudo -u gatewright gatewright --config /etc/gatewright/gatewright.toml";

describe("what is published for a version", () => {
  let folder, made, names, version;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "gatewright-packages-"));
    // Without what helps to find faults, as it is published.
    const program = join(folder, "gatewright");
    await run("strip", ["-o", program, join(BINARIES, "gatewright")]);
    made = join(folder, "made");
    const again = join(folder, "again");
    const pack = (out) => run(XTASK, ["dist", "--binary", program, "--out", out]);
    await Promise.all([pack(made), pack(again)]);
    names = (await readdir(made)).sort();
    version = names.find((name) => name.endsWith(".cdx.json")).slice("gatewright-".length, -".cdx.json".length);
  });

  after(() => rm(folder, { recursive: true, force: true }));

  /** Runs commands in the folder of the artefacts, on a machine that is thrown away. */
  const there = (...script) => throwaway([`cd ${made}`, LOG, ...script].join("\n"), { folders: [folder] });

  test("files of two runs are equal, and the checksums are theirs", async () => {
    assert.deepEqual(names, [
      "SHA256SUMS",
      `gatewright-${version}-image.tar`,
      `gatewright-${version}-x86_64-linux.tar.gz`,
      `gatewright-${version}.cdx.json`,
      `gatewright_${version}_amd64.deb`,
    ]);
    for (const name of names) {
      const [one, other] = await Promise.all([made, join(folder, "again")].map((at) => readFile(join(at, name))));
      assert.ok(one.equals(other), `${name} differs`);
    }
    const [check] = await commands("The files");
    const checked = await run("bash", ["-c", check], { cwd: made });
    assert.equal(checked.match(/: OK$/gm).length, 4, checked);
  });

  test("the bill of materials is valid, and names the crates of the program", async () => {
    const file = join(made, `gatewright-${version}.cdx.json`);
    await run(PYTHON, [join(HERE, "packages/bill.py"), file]);
    const { components } = JSON.parse(await readFile(file, "utf8"));
    const tokio = components.find(({ name }) => name === "tokio");
    assert.match(tokio.hashes[0].content, /^[0-9a-f]{64}$/);
    assert.ok(components.some(({ purl }) => purl.startsWith("pkg:deb/debian/libc6@")));
  });

  test("systemd finds the unit valid, and exposed to less than 2.0", async () => {
    const unit = join(HERE, "../ops/systemd/gatewright.service");
    const printed = await run("systemd-analyze", ["security", "--offline=true", "--threshold=20", "--no-pager", unit]);
    assert.match(printed, /Overall exposure level for gatewright.service: [01]\.\d/);
  });

  test("the archive leads to a first tool call, as the guide says", async () => {
    const [unpack, service] = await commands("Archive");
    const printed = await there(unpack, "gatewright --version", "man --warnings --where gatewright", service, `${FIRST_CALL} ${AS_USER}`);
    assert.ok(printed.includes(`gatewright ${version}`), printed);
    assert.ok(printed.includes("/man1/gatewright.1"), printed);
    assert.ok(printed.endsWith("first tool call\n"), printed);
  });

  test("the Debian package leads to a first tool call, as the guide says, and leaves only the data", async () => {
    const [install, check, log] = await commands("Debian package");
    const printed = await there(
      install,
      'stat --format="%n %U %G %a" /etc/gatewright /etc/gatewright/gatewright.toml /var/lib/gatewright',
      "cd / && dpkg --verify gatewright && systemd-analyze verify --man=no gatewright.service && cd - >/dev/null",
      check,
      log,
      `${FIRST_CALL} ${AS_USER}`,
      // An update keeps what administrators have changed.
      'echo "# ours" >>/etc/gatewright/gatewright.toml && chmod 0600 /etc/gatewright/gatewright.toml',
      `dpkg --install gatewright_${version}_amd64.deb && tail -n 1 /etc/gatewright/gatewright.toml`,
      "stat --format=%a /etc/gatewright/gatewright.toml",
      "apt-get purge --yes gatewright",
      "ls -d /usr/bin/gatewright /etc/gatewright /var/lib/gatewright/* || true",
    );
    for (const expected of [
      "/etc/gatewright root gatewright 750\n/etc/gatewright/gatewright.toml root gatewright 640\n/var/lib/gatewright gatewright gatewright 700\n",
      "/setup",
      "first tool call\n",
      "# ours\n600\n",
      "The data in /var/lib/gatewright stays",
      "/var/lib/gatewright/gatewright.db\n",
      "/var/lib/gatewright/master.key\n",
    ]) {
      assert.ok(printed.includes(expected), `${expected}\n${printed}`);
    }
    assert.match(printed, /cannot access '\/usr\/bin\/gatewright'/);
    assert.match(printed, /cannot access '\/etc\/gatewright'/);
  });

  describe("the image", () => {
    let config, layer;

    before(async () => {
      const image = join(folder, "image");
      await mkdir(image);
      await run("tar", ["-xf", join(made, `gatewright-${version}-image.tar`), "-C", image]);
      const read = async ({ digest, size }) => {
        const bytes = await readFile(join(image, "blobs", digest.replace(":", "/")));
        assert.equal(bytes.length, size);
        assert.equal(`sha256:${createHash("sha256").update(bytes).digest("hex")}`, digest);
        return bytes;
      };
      const index = JSON.parse(await readFile(join(image, "index.json"), "utf8"));
      const manifest = JSON.parse(await read(index.manifests[0]));
      config = JSON.parse(await read(manifest.config)).config;
      await read(manifest.layers[0]);
      layer = join(image, "blobs", manifest.layers[0].digest.replace(":", "/"));
    });

    /** Unpacks the image on a root that is read-only but for /data, as a runtime does. */
    const unpack = () => `
      mkdir /run/image /run/data && chown 65532:65532 /run/data
      mount -t tmpfs tmpfs /run/image
      tar --extract --numeric-owner --file=${layer} --directory=/run/image
      mount -t proc proc /run/image/proc
      mount --options remount,bind,ro /run/image
      mount --bind /run/data /run/image/data`;

    test("runs as the guide says: without root, on a read-only root, with its health check", async () => {
      const [container] = await commands("Container");
      for (const flag of ["--read-only", "--cap-drop ALL", "--volume gatewright-data:/data", `gatewright:${version}`]) {
        assert.ok(container.includes(flag), container);
      }
      assert.deepEqual([...config.Entrypoint, ...config.Cmd], ["/usr/bin/gatewright", "serve"]);
      assert.deepEqual(config.Healthcheck.Test, ["CMD", ...config.Entrypoint, "health"]);
      const printed = await there(
        `export IMAGE_ENV='${config.Env.join("\n")}' IMAGE_USER=${config.User} IMAGE_FOLDER=${config.WorkingDir}`,
        unpack(),
        `${INSIDE} serve >/run/log 2>&1 & serving=$!`,
        `${FIRST_CALL} ${INSIDE}`,
        `${INSIDE} health && echo healthy`,
        "ls -A /run/data",
        "if touch /run/image/written; then echo writable; exit 1; fi",
        "kill $serving && wait $serving && echo stopped",
        `${INSIDE} health || echo not healthy`,
        "cat /run/log",
      );
      assert.match(printed, /first tool call\n/);
      assert.match(printed, /"status":"ok".*\nhealthy\n/);
      assert.match(printed, /gatewright\.db\n/);
      assert.match(printed, /stopped\n/);
      assert.match(printed, /no process answers on 127\.0\.0\.1:8080.*\n(.*\n)*not healthy\n/);
      const log = printed.split("not healthy\n")[1].split("\n");
      const entries = log.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
      assert.ok(entries.length > 2 && log.some((line) => line.includes("/setup")), printed);
    });
  });
});
