// The databases of the tests, read and changed without the program.

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { run } from "./process.mjs";

/** Creates a separate database in the test cluster and returns its URL. */
export async function freshDatabase() {
  const cluster = process.env.GATEWRIGHT_TEST_POSTGRES;
  if (!cluster) throw new Error("GATEWRIGHT_TEST_POSTGRES is not set: run `cargo xtask test`");
  const name = `e2e_${randomBytes(6).toString("hex")}`;
  await psql(cluster, [`create database ${name}`]);
  return cluster.replace(/\/[^/]*$/, `/${name}`);
}

/** Runs statements on PostgreSQL; returns what they print. */
export function psql(url, statements, { options = [], env = {} } = {}) {
  const each = statements.flatMap((sql) => ["-c", sql]);
  return run("psql", [url, "-qAt", "-v", "ON_ERROR_STOP=1", ...options, ...each], { env });
}

/** The database of an instance: PostgreSQL if it has a URL, otherwise the SQLite file in its data folder. */
export function database({ url, data }) {
  const open = (options = {}) => new DatabaseSync(join(data, "gatewright.db"), options);
  return {
    /** The rows of a query. */
    rows: async (sql) => {
      if (url) return JSON.parse(await psql(url, [`select coalesce(json_agg(r), '[]') from (${sql}) r`]));
      const file = open({ readOnly: true });
      try {
        return file.prepare(sql).all();
      } finally {
        file.close();
      }
    },
    /** Runs statements in one transaction. */
    execute: async (...statements) => {
      if (url) return void (await psql(url, statements, { options: ["-1"] }));
      const file = open();
      try {
        file.exec(`PRAGMA busy_timeout = 20000; BEGIN IMMEDIATE; ${statements.join(";\n")}; COMMIT`);
      } finally {
        file.close();
      }
    },
  };
}

/** Makes new connections to a PostgreSQL database read-only, or ends that; existing ones stay as they are. */
export function setReadOnly(url, isReadOnly) {
  const name = new URL(url).pathname.slice(1);
  // This connection has to be able to write in either case.
  const env = { PGOPTIONS: "-c default_transaction_read_only=off" };
  return psql(url, [`ALTER DATABASE ${name} SET default_transaction_read_only = ${isReadOnly ? "on" : "off"}`], { env });
}

/** Closes all other connections of clients to a PostgreSQL database. */
export const disconnectOthers = (url) =>
  psql(url, [
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() ` +
      `AND backend_type = 'client backend'`,
  ]);
