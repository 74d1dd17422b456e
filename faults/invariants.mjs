// What must always hold in the database, checked without the process.

import { run } from "../e2e/lib/process.mjs";

/** Counts that must be zero. */
const NEVER = {
  "grants without a refresh token":
    "SELECT count(*) AS n FROM grants g WHERE g.revoked_at IS NULL AND NOT EXISTS (SELECT 1 FROM refresh_tokens r WHERE r.grant_id = g.id)",
  "codes at odds with their grants":
    "SELECT count(*) AS n FROM authorization_codes c LEFT JOIN grants g ON g.id = c.grant_id WHERE (c.redeemed_at IS NULL) <> (g.id IS NULL)",
  "grants with two tokens that are not used":
    "SELECT count(*) AS n FROM (SELECT grant_id FROM refresh_tokens WHERE used_at IS NULL GROUP BY grant_id HAVING count(*) > 1) t",
  "generations that two tokens have":
    "SELECT count(*) AS n FROM (SELECT grant_id FROM refresh_tokens GROUP BY grant_id, generation HAVING count(*) > 1) t",
  "revoked grants that no replica learns of":
    "SELECT count(*) AS n FROM grants g WHERE g.revoked_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM revocations r WHERE r.object_id = g.id)",
};

const INTACT = {
  sqlite: [
    ["PRAGMA integrity_check", (rows) => rows.length === 1 && rows[0].integrity_check === "ok"],
    ["PRAGMA foreign_key_check", (rows) => rows.length === 0],
  ],
  postgres: [],
};

/** Fails when one of them does not hold. */
export async function invariants(gateway, store) {
  await run(gateway.program, ["audit", "verify", ...gateway.config]);
  for (const [what, sql] of Object.entries(NEVER)) {
    const [{ n }] = await gateway.rows(sql);
    if (Number(n) !== 0) throw new Error(`${n} ${what}`);
  }
  for (const [sql, good] of INTACT[store]) {
    const rows = await gateway.rows(sql);
    if (!good(rows)) throw new Error(`${sql}: ${JSON.stringify(rows.slice(0, 3))}`);
  }
}
