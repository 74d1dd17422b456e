// A signed-in user of the dashboard who opens every page, over one connection, counting bytes on the wire.

import { Agent, request } from "node:http";
import { gunzipSync } from "node:zlib";

const HREF = /<a\b[^>]*\shref="([^"]+)"/g;
const ASSET = /(?:src|href)="(\/assets\/[^"]+)"/g;
const FORM = /<form\b([^>]*)>([\s\S]*?)<\/form>/g;
const CONTROL = /<(input|select)\b([^>]*)>([\s\S]*?)(?=<input|<select|<button|$)/g;
const ID = /\b[a-z]{2,3}_[0-9a-f]{32}\b/g;
/** Links that lead to other sites, or to something that is not a page. */
const IS_ELSEWHERE = /^\/(account\/oidc|api\/|assets\/|mcp\/)/;
/** More than the number of pages: finding this many means following links that never end. */
const MOST = 200;

const unescaped = (text) =>
  text.replaceAll("&amp;", "&").replaceAll("&#38;", "&").replaceAll("&quot;", '"').replaceAll("&#34;", '"').replaceAll("&#39;", "'");
const attribute = (tag, name) => tag.match(new RegExp(`\\s${name}="([^"]*)"`))?.[1];

/** A path without the parts that differ between pages of its kind. */
export function template(path) {
  const { pathname, searchParams } = new URL(path, "http://here");
  const names = [...new Set(searchParams.keys())].sort();
  // The guide is the same for everyone: one page of it is enough.
  const guide = pathname.replace(/^\/help\/.+/, "/help/{page}");
  const shown = guide.replaceAll(ID, "{id}").replace(/^\/projects\/\{id\}/, "…");
  return shown + (names.length ? `?${names.join("&")}` : "");
}

export class Visitor {
  #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #cookie = "";

  constructor(origin) {
    this.origin = origin;
  }

  /** One request as a browser makes it; returns status, type, text, bytes including head and body, and how long it took. */
  get(path, { method = "GET", body } = {}) {
    const headers = {
      cookie: this.#cookie,
      accept: "text/html,*/*;q=0.8",
      "accept-encoding": "gzip",
      "sec-fetch-site": "same-origin",
      ...(body !== undefined && { "content-type": "application/x-www-form-urlencoded", origin: this.origin }),
    };
    return new Promise((done, fail) => {
      const began = performance.now();
      const sent = request(this.origin + path, { method, headers, agent: this.#agent });
      sent.on("error", fail);
      sent.on("response", (answer) => {
        const parts = [];
        answer.on("data", (part) => parts.push(part));
        answer.on("error", fail);
        answer.on("end", () => {
          const milliseconds = performance.now() - began;
          const raw = Buffer.concat(parts);
          const head = answer.rawHeaders.reduce((sum, text) => sum + text.length + 2, 20);
          const cookie = (answer.headers["set-cookie"] ?? []).find((line) => /session=/.test(line));
          if (cookie) this.#cookie = cookie.split(";")[0];
          const content = answer.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw;
          done({
            status: answer.statusCode,
            location: answer.headers.location,
            type: answer.headers["content-type"] ?? "",
            text: content.toString(),
            bytes: raw.length + head,
            milliseconds,
          });
        });
      });
      sent.end(body);
    });
  }

  /** Posts a form, which must be accepted. */
  async post(path, fields) {
    const answer = await this.get(path, { method: "POST", body: new URLSearchParams(fields).toString() });
    if (answer.status !== 303) throw new Error(`${path}: ${answer.status} ${answer.text.slice(0, 500)}`);
  }

  /** Creates the first account with the link in the log, and signs in as it. */
  async setUp(log) {
    const link = log.match(/http\S+(\/account\/setup\/\S+)/)?.[1];
    if (!link) throw new Error(`serve printed no setup link:\n${log}`);
    await this.post(link, { name: "Bench", email: "bench@example.com", password: "violet harbour ninety", project: "Beside" });
  }

  /** One page of each kind that links and filters lead to: `[template, path]`, the project's pages first. */
  async pages(project) {
    const found = new Map([[template(project), project]]);
    // Iterating over a map includes entries that are added in the meantime.
    for (const [kind, path] of found) {
      const page = await this.get(path);
      if (page.status === 303 || !page.type.startsWith("text/html")) {
        found.delete(kind);
        if (page.location) add(found, page.location);
        continue;
      }
      if (page.status !== 200) throw new Error(`${path}: ${page.status} ${page.text.slice(0, 500)}`);
      for (const href of [...page.text.matchAll(HREF)].map((match) => unescaped(match[1]))) {
        // A page of the same project, or of none: other projects have the same pages with less content.
        const other = href.match(/^\/projects\/[^/?]+/)?.[0];
        const there = new URL(href, this.origin + path);
        if ((!other || other === project) && there.origin === this.origin) add(found, there);
      }
      for (const filtered of filters(page.text, path)) add(found, new URL(filtered, this.origin));
      if (found.size > MOST) throw new Error(`more than ${MOST} kinds of pages: ${[...found.keys()].join("\n")}`);
    }
    return [...found];
  }

  /** A page with all its assets, for a browser with an empty cache. */
  async cold(path) {
    const page = await this.get(path);
    const assets = new Set([...page.text.matchAll(ASSET)].map((match) => match[1]));
    let { bytes } = page;
    for (const asset of assets) bytes += (await this.get(asset)).bytes;
    return { bytes };
  }
}

function add(found, to) {
  const url = new URL(to, "http://here");
  const path = url.pathname + url.search;
  if (!path.startsWith("/") || IS_ELSEWHERE.test(path)) return;
  const kind = template(path);
  if (!found.has(kind)) found.set(kind, path);
}

/** Each filter of a page's forms, filled in alone: typed filters match few rows, choices use the last option. */
function* filters(text, path) {
  for (const [, tag, inside] of text.matchAll(FORM)) {
    if ((attribute(tag, "method") ?? "get").toLowerCase() !== "get") continue;
    const action = unescaped(attribute(tag, "action") ?? path).split("?")[0];
    for (const [, kind, control, rest] of inside.matchAll(CONTROL)) {
      const [name, type] = [attribute(control, "name"), attribute(control, "type") ?? "text"];
      if (!name || !["text", "search", "select"].includes(kind === "select" ? "select" : type)) continue;
      const last = [...rest.matchAll(/<option\b[^>]*value="([^"]+)"/g)].at(-1)?.[1];
      const value = kind === "select" ? last : "42";
      if (value) yield `${action}?${new URLSearchParams({ [name]: unescaped(value) })}`;
    }
  }
}
