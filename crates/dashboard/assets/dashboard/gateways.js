// The form of a gateway: what it can show immediately. Without this file, the same is shown when it is sent.
document.addEventListener("input", (event) => {
  if (!event.target.matches?.("[data-slug]")) return;
  const preview = document.querySelector("[data-slug-preview]");
  preview.textContent = event.target.value.trim() || "…";
});

// How many tools, prompts or resources of a server are chosen: those ticked here, and those that are not shown.
function countChosen(node) {
  const body = node.querySelector("[data-unseen]");
  const count = Number(body.dataset.unseen) + body.querySelectorAll(".pick input:checked").length;
  const badge = node.querySelector("[data-count]");
  badge.textContent = `${count} chosen`;
  badge.classList.toggle("accent", count > 0);
}

// Servers that are not ticked offer nothing.
function hideUntickedServers(form) {
  const all = !form.querySelector("#servers-chosen")?.checked;
  for (const node of form.querySelectorAll("details[data-server]")) {
    node.hidden = !all && !form.querySelector(`input[name=servers][value="${node.dataset.server}"]`)?.checked;
  }
}

document.addEventListener("change", (event) => {
  const form = event.target.closest?.("[data-gateway-form]");
  if (!form) return;
  const node = event.target.closest("details[data-server]");
  if (node) countChosen(node);
  hideUntickedServers(form);
});

document.addEventListener("htmx:afterSettle", () => {
  const form = document.querySelector("[data-gateway-form]");
  if (!form) return;
  form.querySelectorAll("details[data-server]").forEach(countChosen);
  hideUntickedServers(form);
});

// The search runs while a text is entered: Enter does not send the form.
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches?.("[data-keeps-enter]")) event.preventDefault();
});

document.querySelectorAll("[data-gateway-form]").forEach(hideUntickedServers);
