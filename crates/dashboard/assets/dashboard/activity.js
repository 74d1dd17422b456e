
// New requests appear on top of the list while one follows them.
{
  const most = 100;
  let source = null;

  function state(text) {
    const place = document.querySelector("[data-live-state]");
    if (place) place.textContent = text;
  }

  function stop(text) {
    source?.close();
    source = null;
    const button = document.querySelector("[data-live-switch]");
    if (button) {
      button.setAttribute("aria-pressed", "false");
      button.textContent = "Follow";
    }
    state(text);
  }

  function show(list, rows) {
    // Without any requests so far there is no table yet; a fresh page has one.
    const body = list.querySelector("tbody");
    if (!body) return location.reload();
    for (const html of rows) {
      const template = document.createElement("template");
      template.innerHTML = html;
      const row = template.content.firstElementChild;
      if (body.querySelector(`[data-row="${CSS.escape(row.dataset.row)}"]`)) continue;
      row.classList.add("fresh");
      body.prepend(row);
      setTimeout(() => row.classList.remove("fresh"), 4000);
    }
    while (body.children.length > most) body.lastElementChild.remove();
  }

  function follow(button) {
    const list = button.closest("[data-live]");
    source = new EventSource(list.dataset.live);
    button.setAttribute("aria-pressed", "true");
    button.textContent = "Stop following";
    state("New requests appear on top.");
    source.addEventListener("message", (event) => show(list, JSON.parse(event.data).rows));
    source.addEventListener("end", () => stop("You are no longer signed in here. Reload the page."));
    source.addEventListener("error", () => {
      if (source?.readyState === EventSource.CLOSED) stop("Too many pages follow new requests already, or the connection failed. Use Refresh.");
    });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-live-switch]");
    if (!button) return;
    if (source) stop("");
    else follow(button);
  });

  function ready(root) {
    for (const button of root.querySelectorAll("[data-live-switch]")) button.hidden = false;
  }

  // Other filters are another list.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (source && event.target.querySelector?.("[data-live]")) stop("");
  });
  document.addEventListener("htmx:load", (event) => ready(event.target));
  ready(document);
}
