// A headless browser: follows redirects, keeps cookies by host (all ports of a host share them, as in real ones),
// and fills in forms. With a form it sends what browsers send: Origin, Sec-Fetch-Site, Referer.

const FORM = /<form\b([^>]*)>([\s\S]*?)<\/form>/gi;
const FIELD = /<(input|button|select)\b([^>]*)>/gi;

function attributes(text) {
  const found = {};
  for (const [, name, , quoted, single, bare] of text.matchAll(
    /([a-z-]+)(\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/gi,
  )) {
    found[name.toLowerCase()] = decode(quoted ?? single ?? bare ?? "");
  }
  return found;
}

function decode(text) {
  const named = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|([a-z]+));/gi, (whole, hex, number, name) => {
    if (hex) return String.fromCodePoint(parseInt(hex, 16));
    if (number) return String.fromCodePoint(Number(number));
    return named[name.toLowerCase()] ?? whole;
  });
}

export class Page {
  constructor(url, answer, text) {
    this.url = url;
    this.status = answer.status;
    this.headers = answer.headers;
    this.text = text;
  }

  get forms() {
    return [...this.text.matchAll(FORM)].map(([, head, body]) => {
      const { action = "", method = "get" } = attributes(head);
      const fields = [...body.matchAll(FIELD)].map(([, tag, rest]) => ({ tag, ...attributes(rest) }));
      return { action: new URL(action || this.url, this.url), method: method.toUpperCase(), fields };
    });
  }
}

export class Browser {
  cookies = new Map();

  /** Requests follow redirects until a page, or until one leads to a URL that `stopAt` says is the client's. */
  constructor({ stopAt = () => false, fetch: fetcher = fetch } = {}) {
    this.stopAt = stopAt;
    this.fetch = fetcher;
    this.visited = [];
  }

  jar(url) {
    if (!this.cookies.has(url.hostname)) this.cookies.set(url.hostname, new Map());
    return this.cookies.get(url.hostname);
  }

  async request(url, { method = "GET", body, from } = {}) {
    let at = new URL(url);
    for (let hop = 0; hop < 20; hop += 1) {
      if (this.stopAt(at)) return { redirectedTo: at };
      const headers = { accept: "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };
      const sent = [...this.jar(at)].filter(([, cookie]) => at.pathname.startsWith(cookie.path));
      if (sent.length > 0) headers.cookie = sent.map(([name, cookie]) => `${name}=${cookie.value}`).join("; ");
      headers["sec-fetch-site"] = !from ? "none" : new URL(from).origin === at.origin ? "same-origin" : "cross-site";
      if (method !== "GET" && from) headers.origin = new URL(from).origin;
      if (body !== undefined) headers["content-type"] = "application/x-www-form-urlencoded";
      const answer = await this.fetch(at, { method, headers, body, redirect: "manual" });
      this.visited.push({ method, url: at.href, status: answer.status });
      this.keep(at, answer.headers.getSetCookie());
      const location = answer.headers.get("location");
      if (answer.status >= 300 && answer.status < 400 && location) {
        await answer.arrayBuffer();
        [from, at] = [at.href, new URL(location, at)];
        if (answer.status !== 307 && answer.status !== 308) [method, body] = ["GET", undefined];
        continue;
      }
      return new Page(at.href, answer, await answer.text());
    }
    throw new Error(`too many redirects: ${this.visited.map((visit) => visit.url).join(" -> ")}`);
  }

  keep(url, lines) {
    for (const line of lines) {
      const [pair, ...rest] = line.split(";").map((part) => part.trim());
      const [name, ...value] = pair.split("=");
      const options = Object.fromEntries(rest.map((part) => part.split("=")).map(([k, v]) => [k.toLowerCase(), v ?? ""]));
      const gone = options["max-age"] === "0" || (options.expires && Date.parse(options.expires) < Date.now());
      if (gone) this.jar(url).delete(name);
      else this.jar(url).set(name, { value: value.join("="), path: options.path ?? "/" });
    }
  }

  open(url) {
    return this.request(url);
  }

  /** Submits a page's form as a click on `button` (by its value, name or none) would, with `values` filled in. */
  submit(page, { values = {}, button, form = page.forms[0] } = {}) {
    if (!form) throw new Error(`no form on ${page.url} (${page.status}):\n${page.text.slice(0, 2000)}`);
    const sent = new URLSearchParams();
    for (const field of form.fields) {
      const isButton = field.tag === "button" || field.type === "submit";
      if (!field.name || (isButton && field.value !== button)) continue;
      sent.set(field.name, values[field.name] ?? field.value ?? "");
    }
    if (form.method === "GET") return this.request(new URL(`?${sent}`, form.action), { from: page.url });
    return this.request(form.action, { method: "POST", body: sent.toString(), from: page.url });
  }
}
