// A disk that a test can fill without filling the machine's.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atExit, run } from "./process.mjs";

/**
 * A small separate file system of this many megabytes; if none can be mounted, a limit on file sizes. `kind` says which.
 * `wrapper` starts a program on it.
 */
export async function smallDisk({ megabytes = 8 } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "gatewright-e2e-disk-"));
  const filler = join(folder, "filler");
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    await run("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=0700`, "tmpfs", folder]);
  } catch {
    const limit = (pid, bytes) => run("prlimit", ["--pid", String(pid), `--fsize=${bytes}:unlimited`]);
    return {
      kind: "files that must not grow",
      isMounted: false,
      folder,
      // A process that reaches the limit is killed by a signal unless it ignores that.
      wrapper: ["sh", "-c", 'trap "" XFSZ; exec "$0" "$@"'],
      fill: (pid) => limit(pid, 1 << 20),
      free: (pid) => limit(pid, "unlimited"),
      stop: remove,
    };
  }
  const removed = atExit(() => {
    // Also while a process that was just killed still has files open on it.
    spawnSync("umount", ["--lazy", folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    kind: "a full file system",
    isMounted: true,
    folder,
    wrapper: [],
    fill: () => assert.rejects(writeFile(filler, Buffer.alloc(megabytes << 21)), { code: "ENOSPC" }),
    free: () => rm(filler),
    stop: async () => {
      await run("umount", [folder]);
      await remove();
      removed();
    },
  };
}
