// The MCP servers that the conformance suite asks directly and through a gateway: one for each era of the protocol.

import { startSessions } from "./reference/sessions.mjs";
import { startStateless } from "./reference/stateless.mjs";

const STARTS = { "2025-11-25": startSessions, "2026-07-28": startStateless };

/** Starts the reference server of a revision on a free port. */
export const startReferenceServer = (revision) => STARTS[revision]();
