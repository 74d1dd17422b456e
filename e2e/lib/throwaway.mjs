// A machine that is thrown away: the files of this one, with changes in memory only, and no network but its own loopback. What
// installation guides tell people to do as root is done there, and ends with it.

import { mkdtemp, readFile, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./process.mjs";

/** Puts the machine together, and runs the script in it. The first argument is the mount point, the second the script. */
const SETUP = `
mount --make-rprivate /
mount -t tmpfs -o size=4g tmpfs "$1"
mkdir "$1/changes" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/changes,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/run"
ip link set lo up
while IFS= read -r folder; do
  mkdir -p "$1/root$folder"
  mount --bind "$folder" "$1/root$folder"
done <<<"$FOLDERS"
for name in sudo systemctl journalctl; do
  install --mode=755 "$STAND_INS/$name" "$1/root/usr/local/bin/$name"
done
exec chroot "$1/root" bash -euo pipefail -c "$2"
`;

/** The commands of ```sh blocks below a heading of docs/install.md, in order. */
export async function commands(heading) {
  const text = await readFile(join(import.meta.dirname, "../../docs/install.md"), "utf8");
  const [, below] = text.split(`\n## ${heading}\n`);
  if (below === undefined) throw new Error(`install.md has no heading ${heading}`);
  const [part] = below.split(/^## /m);
  const found = [...part.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1]);
  if (found.length === 0) throw new Error(`install.md has no commands below ${heading}`);
  return found;
}

const REPOSITORY = join(import.meta.dirname, "../..");

/**
 * Runs a script of bash there, stopped by the first command that fails; returns what it prints. Only in `folders` and the repository
 * it sees the files of other file systems, and what it writes there stays. `sudo`, `systemctl` and `journalctl`
 * are those of `e2e/packages/stand-ins`: without systemd as the first process the real ones do nothing.
 */
export async function throwaway(script, { env = {}, folders = [] } = {}) {
  const place = await mkdtemp(join(tmpdir(), "gatewright-throwaway-"));
  const stands = join(import.meta.dirname, "../packages/stand-ins");
  const words = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash", "-euo", "pipefail", "-c", SETUP, "setup", place, script];
  const [command, ...rest] = process.getuid() === 0 ? words : ["sudo", "--preserve-env", ...words];
  const packages = await realpath(join(import.meta.dirname, "../node_modules"));
  const seen = [REPOSITORY, packages, ...folders].join("\n");
  try {
    return await run(command, rest, { env: { ...env, STAND_INS: stands, FOLDERS: seen } });
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}
