// What forms and links cannot do. Every page works without this file.
"use strict";

// Copy buttons: hidden until there is a script that makes them work.
function showCopyButtons(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const from = document.getElementById(button.dataset.copy);
  const label = button.querySelector("[data-label]");
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText(from.value ?? from.textContent);
    label.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(from);
    label.textContent = "Press Ctrl+C";
  }
  setTimeout(() => (label.textContent = before), 2000);
});

// Menus close when one clicks elsewhere or presses Escape.
function closeMenus(besides) {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(besides)) menu.open = false;
  }
}

document.addEventListener("click", (event) => closeMenus(event.target));

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.activeElement?.closest("details[data-menu][open]");
  closeMenus(null);
  menu?.querySelector("summary").focus();
});

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});

// A page that comes back from the browser's memory can be sent again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// Filters that are not set are not in the address.
document.addEventListener("htmx:configRequest", (event) => {
  const { parameters } = event.detail;
  for (const [name, value] of [...parameters.entries()]) if (value === "") parameters.delete(name);
});

// What is typed into a filter is asked for while it is typed; leaving the field asks for nothing more.
document.addEventListener("change", (event) => {
  const { form, id } = event.target;
  if (form?.dataset.typed && form.dataset.typed === id) event.stopPropagation();
}, true);

// A list that replaces another leaves the focus on the same link.
let focused = null;

document.addEventListener("htmx:beforeSwap", (event) => {
  const { activeElement } = document;
  focused = event.detail.target.contains(activeElement) ? activeElement.getAttribute("href") : null;
});

document.addEventListener("htmx:afterSwap", () => {
  if (focused === null || document.activeElement !== document.body) return;
  document.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
});

// `/` leads to the filter of a list, as in most consoles.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const search = document.querySelector("[data-search]");
  if (!search) return;
  event.preventDefault();
  search.focus();
  search.select();
});

document.addEventListener("htmx:load", (event) => showCopyButtons(event.target));
showCopyButtons(document);
