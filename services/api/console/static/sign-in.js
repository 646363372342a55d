// A link that signs in once: its code stands behind the `#`, which no browser sends, and is filled in for a click.
"use strict";
(() => {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (!code) return;
  // Neither the history nor a copied address keeps it, whatever page this is.
  history.replaceState(history.state, "", location.pathname + location.search);
  const field = document.getElementById("key"), told = document.querySelector("[data-linked]");
  if (!field || !told) return;
  field.autocomplete = "off"; // not worth keeping: it works once
  field.value = code;
  told.hidden = false;
  field.form.querySelector("button").focus();
})();
