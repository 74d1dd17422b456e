// Chromium's own password manager, with a saved login.

import { createCipheriv, pbkdf2Sync } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { chromium } from "playwright-core";

/** Chromium with a persistent profile, as people have it. Without a keyring, the profile itself stores passwords. */
export class Profile {
  static async create() {
    const profile = new Profile();
    profile.folder = await mkdtemp(join(tmpdir(), "gatewright-profile-"));
    return profile;
  }

  async open() {
    this.context = await chromium.launchPersistentContext(this.folder, {
      executablePath: "/usr/bin/chromium",
      ignoreDefaultArgs: ["--enable-automation"],
      args: [
        ...["--no-sandbox", "--disable-gpu", "--no-first-run", "--password-store=basic"],
        ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
      ],
    });
    return this.context;
  }

  close() {
    return this.context?.close();
  }

  /** Saves a login for a form, as Chromium does. The profile must have been opened once, and be closed. */
  save({ url, username, password }) {
    const database = new DatabaseSync(join(this.folder, "Default/Login Data"));
    // The key of a profile without a keyring is always the same (components/os_crypt).
    const key = pbkdf2Sync("peanuts", "saltysalt", 1, 16, "sha1");
    const cipher = createCipheriv("aes-128-cbc", key, Buffer.alloc(16, " "));
    const now = (BigInt(Date.now()) + 11_644_473_600_000n) * 1000n;
    const known = {
      origin_url: url,
      action_url: url,
      signon_realm: `${new URL(url).origin}/`,
      username_element: "email",
      username_value: username,
      password_element: "password",
      password_value: Buffer.concat([Buffer.from("v10"), cipher.update(password), cipher.final()]),
      times_used: 1,
      date_created: now,
      date_last_used: now,
      date_password_modified: now,
    };
    const empty = ({ type }) => (/INT/.test(type) ? 0 : /BLOB/.test(type) ? Buffer.alloc(0) : "");
    const columns = database.prepare("PRAGMA table_info(logins)").all().filter(({ name }) => name !== "id");
    const values = columns.map((column) => known[column.name] ?? (column.notnull ? empty(column) : null));
    const [names, places] = [columns.map(({ name }) => name), columns.map(() => "?")];
    database.prepare(`INSERT INTO logins (${names}) VALUES (${places})`).run(...values);
    database.close();
  }

  remove() {
    return rm(this.folder, { recursive: true, force: true });
  }
}
