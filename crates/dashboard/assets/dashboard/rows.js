
// Rows of a form are added in the page; without a script the button sends the form, and it comes back with one more.
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-add-row]");
  if (!button) return;
  event.preventDefault();
  const rows = button.form.querySelector("[data-rows]");
  const row = rows.lastElementChild.cloneNode(true);
  const number = rows.children.length + 1;
  row.querySelector("legend").textContent = `Header ${number}`;
  for (const field of row.querySelectorAll("input, select")) {
    field.value = "";
    const label = row.querySelector(`label[for="${field.id}"]`);
    field.id = field.id.replace(/\d+$/, number);
    label.htmlFor = field.id;
  }
  rows.append(row);
  row.querySelector("input").focus();
});

// What is in a page only if scripts run.
for (const element of document.querySelectorAll("[data-scripted]")) element.hidden = false;
