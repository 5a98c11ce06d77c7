// A button that copies, beside each text that is there to be copied. Without this file the text can still be selected.
"use strict";

for (const text of document.querySelectorAll(".copyable")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  const said = document.createElement("span");
  said.className = "copy-said";
  said.setAttribute("role", "status");
  button.addEventListener("click", async () => {
    said.textContent = (await copied(text)) ? "Copied" : "Select the text and copy it";
  });
  const row = document.createElement("p");
  row.className = "copy-row";
  row.append(button, said);
  text.after(row);
}

// A page from the disk may have no clipboard: then the text is at least selected, and an older way is tried.
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(text);
    return document.execCommand("copy");
  }
}
