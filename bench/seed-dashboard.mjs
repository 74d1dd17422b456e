// A project of the largest size for which the dashboard promises to be fast, with everything else in proportion.

import { insertCopies, sql } from "./seed.mjs";

/** How many of each object there are at size 1. */
const FULL = {
  users: 10_000,
  gateways: 1_000,
  audit_events: 100_000,
  user_sources: 100,
  servers: 200,
  secrets: 100,
  api_keys: 300,
  accounts: 500,
  projects: 100,
  invitations: 100,
  grants: 20_000,
  sign_in_attempts: 30_000,
};
const MINUTE = 60_000;

/** The IDs of `count` copies, repeated. */
const one = (prefix, count) => sql.id(prefix, `n % ${count} + 1`);
const hex = sql.digits("n");
const named = (text) => `'${text} ' || n`;
const before = (column, minutes) => `t.${column} - n * ${minutes * MINUTE}`;

/** Adds copies of what is in the gateway's project, `size` times the full number; returns how many of each there are. */
export async function seedDashboard(gateway, store, size) {
  const count = Object.fromEntries(Object.entries(FULL).map(([table, full]) => [table, Math.max(2, Math.ceil(full * size))]));
  const project = gateway.project.replace("/projects/", "");
  const ours = `project_id = '${project}'`;
  const tables = {
    projects: { columns: { id: sql.id("prj"), name: named("Project"), name_key: named("project") } },
    accounts: {
      columns: { id: sql.id("acc"), email: "'person-' || n || '@example.com'", email_key: "'person-' || n || '@example.com'", name: named("Person") },
    },
    members: { to: count.accounts, columns: { account_id: sql.id("acc"), role: "'viewer'" }, where: ours },
    invitations: {
      columns: {
        id: sql.id("inv"),
        email: "'guest-' || n || '@example.com'",
        email_key: "'guest-' || n || '@example.com'",
        token_hash: sql.key(),
      },
    },
    user_sources: { columns: { id: sql.id("src"), name: named("Source"), name_key: named("source") } },
    servers: { columns: { id: sql.id("srv"), slug: "'server-' || n", name: named("Server") } },
    secrets: { columns: { id: sql.id("sec"), name: "'SECRET_' || n", name_key: "'secret_' || n" } },
    api_keys: { columns: { id: sql.id("key"), name: named("Key"), key_hash: sql.key() }, where: ours },
    gateway_slugs: { to: count.gateways, columns: { slug_key: "'gateway-' || n", project_id: `'${project}'` } },
    gateways: {
      columns: {
        id: sql.id("gw"),
        name: named("Gateway"),
        slug: "'gateway-' || n",
        slug_key: "'gateway-' || n",
        user_source_id: one("src", count.user_sources),
      },
      where: `${ours} AND mode = 'user_source'`,
    },
    gateway_servers: { to: count.gateways, columns: { gateway_id: sql.id("gw"), server_id: one("srv", count.servers) } },
    users: {
      columns: {
        id: sql.id("usr"),
        user_source_id: one("src", count.user_sources),
        identity_key: sql.key(),
        subject: named("subject"),
        subject_key: named("subject"),
        display_name: named("Person"),
        display_name_key: named("person"),
        email: "'user-' || n || '@example.com'",
        email_key: "'user-' || n || '@example.com'",
        last_sign_in_at: before("last_sign_in_at", 1),
      },
    },
    grants: {
      columns: {
        id: sql.id("grt"),
        gateway_id: one("gw", count.gateways),
        user_id: one("usr", count.users),
        user_source_id: one("src", count.user_sources),
        client_name: "'Client ' || n % 40",
      },
    },
    sign_in_attempts: {
      columns: {
        id: sql.id("att"),
        gateway_id: one("gw", count.gateways),
        user_source_id: one("src", count.user_sources),
        user_id: one("usr", count.users),
        reference: (store) => `upper(substr(${hex(store)}, 25, 4) || '-' || substr(${hex(store)}, 29, 4))`,
        started_at: before("started_at", 1),
        // Old rows are deleted over time, and these must stay.
        updated_at: "t.updated_at",
      },
    },
    audit_events: {
      columns: { id: sql.id("evt"), at: before("at", 1), address: "'192.0.2.' || n % 250", tally_key: "NULL" },
      where: ours,
    },
  };
  for (const [table, rows] of Object.entries(tables)) rows.to ??= count[table];
  await insertCopies(gateway, store, tables);
  return count;
}
