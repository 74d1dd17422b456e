// Many people with a grant each, written straight into the database: copies of one that was made by signing in.

import { DatabaseSync } from "node:sqlite";
import { run } from "../e2e/lib/process.mjs";

/** What makes each copy another one; `n` is its number. Everything else is as in the row that is copied. */
const COPIES = {
  users: { id: "usr", identity_key: "key", subject: "key", subject_key: "key" },
  grants: { id: "grt", user_id: "usr" },
  refresh_tokens: { token_hash: "key", grant_id: "grt" },
};

/** The expression that gives the value of copy `n`, of the length of a real one. */
function expression(kind, store) {
  const number = store === "sqlite" ? "printf('%032x', n)" : "lpad(to_hex(n), 32, '0')";
  return kind === "key" ? `'seed-' || ${number}` : `'${kind}_' || ${number}`;
}

/** The statements that add copies from number `from` up to `to`. */
function statements(store, columnsOf, from, to) {
  const numbers =
    store === "sqlite"
      ? `(WITH RECURSIVE counter(n) AS (SELECT ${from} UNION ALL SELECT n + 1 FROM counter WHERE n < ${to}) SELECT n FROM counter)`
      : `generate_series(${from}, ${to})`;
  const numbered = store === "sqlite" ? numbers : `(SELECT n FROM ${numbers} AS n)`;
  return Object.entries(COPIES).map(([table, others]) => {
    const columns = columnsOf[table];
    const values = columns.map((column) => (others[column] ? expression(others[column], store) : `t.${column}`));
    // An unused refresh token of a real sign-in, and what it belongs to.
    const original =
      table === "refresh_tokens"
        ? "SELECT * FROM refresh_tokens WHERE used_at IS NULL LIMIT 1"
        : `SELECT * FROM ${table} WHERE id NOT LIKE '%\\_0000000000000000%' ESCAPE '\\' LIMIT 1`;
    return `INSERT INTO ${table} (${columns.join(", ")}) SELECT ${values.join(", ")} FROM (${original}) t, ${numbered} numbers`;
  });
}

/** Adds people with a grant each until `count` of them are there; `already` were added before. */
export async function seedGrants(gateway, store, already, count) {
  const columnsOf = {};
  for (const table of Object.keys(COPIES)) {
    const rows = await gateway.rows(
      store === "sqlite"
        ? `SELECT name FROM pragma_table_info('${table}')`
        : `SELECT column_name AS name FROM information_schema.columns WHERE table_name = '${table}' AND table_schema = 'public'`,
    );
    columnsOf[table] = rows.map((row) => row.name);
  }
  const sql = statements(store, columnsOf, already + 1, count);
  if (store === "postgres") {
    await run("psql", [gateway.databaseUrl, "-q", "-v", "ON_ERROR_STOP=1", ...sql.flatMap((one) => ["-c", one]), "-c", "ANALYZE"]);
    return;
  }
  const database = new DatabaseSync(`${gateway.data}/gatewright.db`);
  database.exec("PRAGMA busy_timeout = 20000");
  for (const one of sql) database.exec(one);
  database.close();
}
