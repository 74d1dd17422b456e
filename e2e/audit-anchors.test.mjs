// Anchors of the audit trail on the real program: what was removed as if it was too old is found, and what an old anchor cannot show is said.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { STORES, startGateway } from "./lib/gateway.mjs";
import { run } from "./lib/process.mjs";

for (const store of STORES) {
  test(`an anchor shows that the beginning of an audit log was removed, on ${store}`, async (t) => {
    const gateway = await startGateway({ store });
    t.after(() => gateway.stop());
    const { program, config, folder } = gateway;
    const project = gateway.project.split("/").pop();
    for (const name of ["One", "Two", "Three"]) await gateway.create("api-keys", { name, role: "viewer" });
    const anchor = join(folder, "anchor.json");
    await run(program, ["audit", "anchor", "--out", anchor, ...config]);
    const verify = () => run(program, ["audit", "verify", "--anchor", anchor, ...config]).catch(String);
    assert.match(await verify(), /^No event was changed/m);
    // Everything that the anchor knows is removed, and the head says that it was deleted because of its age.
    await gateway.create("api-keys", { name: "Four", role: "viewer" });
    const [{ last }] = await gateway.rows(`SELECT MAX(seq) - 1 AS last FROM audit_events WHERE project_id = '${project}'`);
    const events = `audit_events WHERE project_id = '${project}' AND seq`;
    await gateway.execute(
      `UPDATE audit_heads SET base_seq = ${last}, base_digest = (SELECT digest FROM ${events} = ${last}) WHERE project_id = '${project}'`,
      `DELETE FROM ${events} <= ${last}`,
    );
    const found = await verify();
    assert.match(found, new RegExp(`${last} were deleted because of their age`));
    assert.match(found, /the anchor knows event \d+, which is younger than audit.retention_days/);
  });
}
