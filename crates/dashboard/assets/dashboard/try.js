// A request that is tried out: what its server reports is shown while it runs. Without this file the page shows it at the end.

// Log messages that the page holds; the first ones make room.
const LOG_MAX = 200;

// The page that comes at the end takes the place of what it is about.
function showTried(html) {
  const next = new DOMParser().parseFromString(html, "text/html");
  const here = document.getElementById("try");
  const there = next.getElementById("try");
  if (here && there) here.replaceWith(document.adoptNode(there));
  else document.querySelector("main").replaceChildren(...next.querySelector("main, body").childNodes);
  showCopyButtons(document);
  const wanted = ["#try [autofocus]", "#try [aria-invalid=true]:not(fieldset)", "#question", "#result", "#try [role=alert]", "main"];
  const target = wanted.map((one) => document.querySelector(one)).find(Boolean);
  target.closest("section")?.scrollIntoView();
  target.focus({ preventScroll: target.matches("section") });
}

// What is said aloud changes at most once a second.
function speaker(element) {
  let timer, latest;
  return (text) => {
    latest = text;
    if (timer) return;
    element.textContent = text;
    timer = setTimeout(() => {
      timer = undefined;
      if (element.textContent !== latest) element.textContent = latest;
    }, 1000);
  };
}

// The card that shows a request while it runs.
function openRunning() {
  const card = document.getElementById("running");
  const part = (name) => card.querySelector(name);
  const [bar, log] = [part("progress"), part("[role=log]")];
  const others = document.querySelectorAll("#result, #question, #try > :is(.told, .read-uri)");
  for (const other of others) other.hidden = true;
  part("h2").textContent = "Running";
  part("[data-stopped]").hidden = true;
  part("[data-log]").hidden = true;
  part("[data-stop]").hidden = false;
  log.replaceChildren();
  bar.hidden = false;
  bar.removeAttribute("value");
  card.hidden = false;
  card.scrollIntoView();
  card.focus({ preventScroll: true });
  const say = speaker(part("[data-progress]"));
  say("The server is working.");
  return {
    stop: part("[data-stop]"),
    report({ progress, total, message, level, text }) {
      if (level !== undefined) {
        const line = document.createElement("div");
        line.textContent = `[${level}] ${text}`;
        const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 8;
        log.append(line);
        if (log.childElementCount > LOG_MAX) log.firstElementChild.remove();
        part("[data-log]").hidden = false;
        if (isAtEnd) log.scrollTop = log.scrollHeight;
        return;
      }
      if (total > 0) {
        bar.max = total;
        bar.value = Math.min(Math.max(progress, 0), total);
      } else bar.removeAttribute("value");
      const done = total === null ? `${progress}` : `${progress} of ${total}`;
      say(message ? `${done}: ${message}` : done);
    },
    end(why) {
      for (const other of others) other.hidden = false;
      part("h2").textContent = "Not finished";
      bar.hidden = true;
      part("[data-stop]").hidden = true;
      part("[data-stopped] div").textContent = why;
      part("[data-stopped]").hidden = false;
      card.focus();
    },
  };
}

// The lines of a response, as they come.
async function* linesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    yield* lines.filter(Boolean);
  }
}

async function runTrial(form, button) {
  const stopping = new AbortController();
  const running = openRunning();
  running.stop.onclick = () => stopping.abort();
  // Leaving the page cancels the request.
  addEventListener("pagehide", () => stopping.abort(), { once: true, signal: stopping.signal });
  const body = new URLSearchParams(new FormData(form));
  body.set("do", button.value);
  const buttons = document.querySelectorAll("#try form button");
  for (const each of buttons) each.disabled = true;
  try {
    const headers = { accept: "application/x-ndjson, text/html" };
    const response = await fetch(form.getAttribute("action").split("#")[0], { method: "POST", body, headers, signal: stopping.signal });
    if (response.redirected) return location.assign(response.url);
    if (!response.headers.get("content-type").startsWith("application/x-ndjson")) return showTried(await response.text());
    for await (const line of linesOf(response.body)) {
      const { page, ...report } = JSON.parse(line);
      if (page !== undefined) return showTried(page);
      running.report(report);
    }
    running.end("The connection broke before there was an answer. Gatewright asked the server to stop, but it may have done part of its work.");
  } catch {
    running.end(
      stopping.signal.aborted
        ? "You cancelled the request. Gatewright asked the server to stop, but it may have done part of its work."
        : "This instance could not be reached. Check your connection and try again.",
    );
  }
  for (const each of buttons) each.disabled = false;
}

document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    const button = event.submitter;
    if (!form.matches("form[data-live]") || ["find", "json", "form"].includes(button?.value)) return;
    event.preventDefault();
    runTrial(form, button ?? form.querySelector("button[name=do]"));
  },
  true,
);
