// Thousands of rows written directly into the database: copies of rows that were created through the API or by signing in.

/** SQL that both stores accept, or one variant for each. `n` is the number of the copy. */
export const sql = {
  /** Thirty-two hexadecimal digits that encode a number. */
  digits: (number) => (store) => (store === "sqlite" ? `printf('%032x', ${number})` : `lpad(to_hex((${number})::bigint), 32, '0')`),
  /** The ID of copy `number` of its kind. */
  id: (prefix, number = "n") => (store) => `'${prefix}_' || ${sql.digits(number)(store)}`,
  /** A text that is unique among the copies, in the form of a hash: 32 bytes in base64url. */
  key: () => (store) => `'seed-AAAAA' || ${sql.digits("n")(store)} || 'A'`,
};

/** IDs of copies begin with this many zeros; no real ID does. */
const IS_REAL = (column) => `${column} NOT LIKE '%\\_0000000000000000%' ESCAPE '\\'`;

function numbers(store, from, to) {
  return store === "sqlite"
    ? `(WITH RECURSIVE counter(n) AS (SELECT ${from} UNION ALL SELECT n + 1 FROM counter WHERE n < ${to}) SELECT n FROM counter)`
    : `(SELECT n FROM generate_series(${from}::bigint, ${to}::bigint) AS n)`;
}

/** The originals to copy, one after the other: the rows of `table` that are not copies. */
function originals(table, columns, where) {
  const real = where ?? (columns.includes("id") ? IS_REAL("id") : "1 = 1");
  return `(SELECT o.*, row_number() OVER (ORDER BY ${columns[0]}) - 1 AS place, count(*) OVER () AS places FROM ${table} o WHERE ${real})`;
}

/**
 * Adds copies number `from` to `to` for each of `tables`: `{ table: { columns, where, from, to } }`, where `columns` says
 * which values differ in each copy; everything else is the same as in the original.
 */
export async function insertCopies(gateway, store, tables) {
  const statements = [];
  for (const [table, { columns: others, where, from = 1, to }] of Object.entries(tables)) {
    if (to < from) continue;
    const rows = await gateway.rows(
      store === "sqlite"
        ? `SELECT name FROM pragma_table_info('${table}')`
        : `SELECT column_name AS name FROM information_schema.columns WHERE table_name = '${table}' AND table_schema = 'public'`,
    );
    const columns = rows.map((row) => row.name);
    const value = (other) => (typeof other === "function" ? other(store) : other);
    const values = columns.map((column) => (column in others ? value(others[column]) : `t.${column}`));
    statements.push(
      `INSERT INTO ${table} (${columns.join(", ")}) SELECT ${values.join(", ")} FROM ${numbers(store, from, to)} c ` +
        `JOIN ${originals(table, columns, where)} t ON t.place = c.n % t.places`,
    );
  }
  if (store === "postgres") statements.push("ANALYZE");
  await gateway.execute(...statements);
}

/** Adds people with a grant each until there are `count`; `already` were added before. */
export async function seedGrants(gateway, store, already, count) {
  const range = { from: already + 1, to: count };
  await insertCopies(gateway, store, {
    users: { ...range, columns: { id: sql.id("usr"), identity_key: sql.key(), subject: sql.key(), subject_key: sql.key() } },
    grants: { ...range, columns: { id: sql.id("grt"), user_id: sql.id("usr") } },
    // Unused ones of real sign-ins, and the rows they belong to.
    refresh_tokens: {
      ...range,
      columns: { token_hash: sql.key(), grant_id: sql.id("grt") },
      where: `used_at IS NULL AND ${IS_REAL("grant_id")}`,
    },
  });
}
