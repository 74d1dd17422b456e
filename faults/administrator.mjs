// An administrator who adds, changes and deletes continuously, and what must hold afterwards.

import { randomUUID } from "node:crypto";
import { apiHeaders } from "../e2e/lib/api.mjs";
import { send } from "../e2e/lib/raw.mjs";
import { pause, within } from "../e2e/lib/time.mjs";

export class Administrator {
  counts = { "changes saved": 0 };
  #keys = [];
  #said = { sure: "", perhaps: "" };
  #number = 0;
  #stopped = true;
  #work = [];
  #error;

  constructor(world) {
    this.world = world;
  }

  begin() {
    this.#stopped = false;
    const noted = (error) => void (this.#error ??= error);
    this.#work = [this.#makeKeys(), this.#makeKeys(), this.#describe()].map((each) => each.catch(noted));
  }

  async end() {
    this.#stopped = true;
    await Promise.all(this.#work);
  }

  /** One request; its status and body, or nothing if no complete response arrived or the response says to retry later. */
  async #ask(method, path, body, idempotencyKey) {
    const { gateway } = this.world;
    const headers = {
      ...apiHeaders(gateway.projectKey),
      ...(idempotencyKey && { "idempotency-key": idempotencyKey }),
    };
    const url = `${gateway.url}/api/v1${gateway.project}${path}`;
    const answer = await send(url, { method, headers, body: body && JSON.stringify(body) }).catch(() => undefined);
    if (!answer || [429, 503].includes(answer.status)) return undefined;
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    this.counts["changes saved"] += 1;
    return { status: answer.status, ...(answer.text && JSON.parse(answer.text)) };
  }

  #create(key) {
    return this.#ask("POST", "/api-keys", { name: key.name, role: "viewer" }, key.idempotency);
  }

  async #makeKeys() {
    while (!this.#stopped) {
      const key = { name: `Key ${(this.#number += 1)}`, idempotency: randomUUID(), state: "unsure" };
      this.#keys.push(key);
      const made = await this.#create(key);
      if (!made) {
        await pause(100);
        continue;
      }
      Object.assign(key, { id: made.id, state: "there" });
      if (this.#number % 2) continue;
      key.state = (await this.#ask("DELETE", `/api-keys/${key.id}`)) ? "deleted" : "perhaps deleted";
    }
  }

  async #describe() {
    while (!this.#stopped) {
      this.#said.perhaps = `Change ${(this.#number += 1)}`;
      const saved = await this.#ask("PATCH", `/gateways/${this.world.gatewayId}`, { description: this.#said.perhaps });
      // Another change would hide whether this one was only partly carried out.
      if (!saved) return;
      this.#said.sure = this.#said.perhaps;
    }
  }

  /** Checks everything this round did, and forgets it. */
  async verify() {
    if (this.#error) throw this.#error;
    const { gateway } = this.world;
    const keys = this.#keys.splice(0);
    // A client that got no response asks again, and gets the same object.
    for (const key of keys.filter(({ state }) => state === "unsure")) {
      await within(10_000, async () => (key.id = (await this.#create(key))?.id), "nothing can be saved");
    }
    const project = gateway.project.split("/").pop();
    const rows = await gateway.rows(`SELECT id, name, revoked_at FROM api_keys WHERE project_id = '${project}' AND name LIKE 'Key %'`);
    const byName = Map.groupBy(rows, (row) => row.name);
    for (const { name, id, state } of keys) {
      const found = byName.get(name) ?? [];
      if (found.length !== 1 || found[0].id !== id) throw new Error(`${name} (${state}) is there ${found.length} times`);
      if (state === "there" && found[0].revoked_at !== null) throw new Error(`${name} is deleted although no one deleted it`);
      if (state === "deleted" && found[0].revoked_at === null) throw new Error(`${name} was deleted and still exists`);
    }
    const [{ description }] = await gateway.rows(`SELECT description FROM gateways WHERE id = '${this.world.gatewayId}'`);
    const { sure, perhaps } = this.#said;
    if (![sure, perhaps].includes(description)) throw new Error(`the gateway says "${description}", last saved was "${sure}"`);
    this.#said.sure = description;
    const events = await gateway.rows(
      `SELECT object_id, action, count(*) AS n FROM audit_events WHERE object_type = 'api_key' GROUP BY object_id, action`,
    );
    const created = new Map(events.filter(({ action }) => /creat/.test(action)).map((event) => [event.object_id, Number(event.n)]));
    for (const row of rows) {
      if (created.get(row.id) !== 1) throw new Error(`${row.name} has ${created.get(row.id) ?? 0} lines in the audit trail`);
    }
    for (const row of rows.filter((each) => each.revoked_at === null)) await this.#ask("DELETE", `/api-keys/${row.id}`);
  }

  toString() {
    return `${this.counts["changes saved"]} changes saved`;
  }
}
