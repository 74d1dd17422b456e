// Where the suite asks: the reference server itself, and gateways in front of it.

import { startGateway } from "../lib/gateway.mjs";
import { startHeaderRelay } from "../lib/header-relay.mjs";
import { startReferenceServer } from "../lib/reference-server.mjs";
import { startEverything } from "../lib/upstreams.mjs";

/** The places through a gateway, with what they are. */
export const PLACES = {
  alone: "a gateway with the reference server of the same revision",
  beside: "a gateway with that server and another, where names have a prefix",
  across: "a gateway with the reference server of the other revision",
};

const REVISIONS = ["2025-11-25", "2026-07-28"];

/** Scenarios that name no tool and no prompt: only these have a meaning where a gateway puts the server in front of names. */
const WITHOUT_NAMES = new Set([
  "caching",
  "dns-rebinding-protection",
  "http-custom-header-server-validation",
  "http-header-validation",
  "input-required-result-unsupported-methods",
  "logging-set-level",
  "ping",
  "prompts-list",
  "resources-list",
  "resources-read-binary",
  "resources-read-text",
  "resources-subscribe",
  "resources-templates-read",
  "resources-unsubscribe",
  "sep-2164-resource-not-found",
  "server-initialize",
  "server-session-lifecycle",
  "server-sse-multiple-streams",
  "server-stateless",
  "tools-list",
]);

/** Checks of these scenarios that call a tool by its name all the same. */
const WITH_NAMES = new Set([
  "sep-2575-http-server-no-independent-requests-on-stream",
  "sep-2575-missing-capability-http-400",
  "sep-2575-server-no-log-without-loglevel",
  "sep-2575-server-rejects-undeclared-capability",
  "sep-2575-server-sends-prompts-list-changed-on-subscription",
  "sep-2575-server-sends-tools-list-changed-on-subscription",
]);

/** Scenarios and checks of what only a server of the same revision can do. */
const SAME_REVISION = new Set([
  // An error code of the server's own, which older servers do not have.
  "sep-2575-missing-capability-http-400",
  "sep-2575-server-rejects-undeclared-capability",
  // A tool with an argument that is also in a header.
  "http-custom-header-server-validation",
  // Three questions in one answer: an older server asks them one by one.
  "input-required-result-multiple-input-requests",
  // Answers that come before their questions: an older server asks each time.
  "input-required-result-ignore-extra-params",
  // The key of a question, which a server of this revision chooses; older servers know no keys.
  "input-required-result-basic-elicitation",
  // A stream that the server closes during a call.
  "server-sse-polling",
]);

/** Whether a check has a meaning at a place. */
export function hasMeaning(place, scenario, check) {
  if (place === "beside") return WITHOUT_NAMES.has(scenario) && !WITH_NAMES.has(check);
  if (place === "across") return !SAME_REVISION.has(scenario) && !SAME_REVISION.has(check);
  return true;
}

/**
 * Starts the reference servers, another server and a gateway for each place and revision. `directly(revision)` and
 * `through(place, revision)` return the URLs at which the suite asks.
 */
export async function startPlaces() {
  const parts = [];
  const kept = async (starting) => {
    const part = await starting;
    parts.unshift(part);
    return part;
  };
  const stop = async () => {
    for (const part of parts) await part.stop();
  };
  try {
    const gateway = await kept(startGateway());
    const other = await kept(startEverything());
    const { key } = await gateway.create("api-keys", { name: "conformance", role: "gateway" });
    const headers = { authorization: `Bearer ${key}`, "gatewright-user-id": "ada" };
    const addServer = async (slug, { url }) => (await gateway.create("servers", { slug, url })).id;
    const addGateway = async (slug, servers) => {
      const { url } = await gateway.create("gateways", { name: slug, slug, authentication_mode: "headers", servers });
      return (await kept(startHeaderRelay(url, headers))).url;
    };
    const second = await addServer("other", other);
    const direct = {};
    const ids = {};
    for (const revision of REVISIONS) {
      const server = await kept(startReferenceServer(revision));
      direct[revision] = server.url;
      ids[revision] = await addServer(`reference-${revision}`, server);
    }
    const urls = {};
    for (const revision of REVISIONS) {
      const opposite = REVISIONS.find((each) => each !== revision);
      urls[revision] = {
        alone: await addGateway(`alone-${revision}`, [ids[revision]]),
        beside: await addGateway(`beside-${revision}`, [ids[revision], second]),
        across: await addGateway(`across-${revision}`, [ids[opposite]]),
      };
    }
    return { directly: (revision) => direct[revision], through: (place, revision) => urls[revision][place], stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
