// nginx with a configuration of the tests.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { start } from "./process.mjs";

const TEMPORARY = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/** Starts it with `http` as the contents of that block, and waits until `readyUrl` answers, if set. */
export async function startNginx(http, { readyUrl, workers = 1 } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "gatewright-nginx-"));
  const [file, log] = [join(folder, "nginx.conf"), join(folder, "error.log")];
  const temporary = TEMPORARY.map((each) => `${each}_temp_path ${folder}/${each};`);
  await writeFile(
    file,
    `daemon off; worker_processes ${workers}; pid ${folder}/pid; error_log ${log} error; events { worker_connections 4096; }
     http { access_log off; ${temporary.join(" ")} ${http} }`,
  );
  const running = await start("/usr/sbin/nginx", ["-c", file, "-p", folder, "-e", log], { readyUrl });
  return {
    pid: running.child.pid,
    errors: () => readFile(log, "utf8"),
    stop: async () => {
      await running.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
