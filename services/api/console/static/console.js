// Times in the reader's zone, copying, dialogs. Every page can be read and every form be sent without scripts.
"use strict";
(() => {
  const language = document.documentElement.lang;
  const moment = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "always" }); // "tomorrow" is a day of the calendar, and thirty hours may be two
  const STEPS = [[60, "second", 1], [3600, "minute", 60], [86400, "hour", 3600], [2592000, "day", 86400], [31536000, "month", 2592000], [Infinity, "year", 31536000]];
  const dialog = document.getElementById("dialog");

  function ago(at) {
    const seconds = Math.round((at - Date.now()) / 1000);
    const [, unit, size] = STEPS.find(([limit]) => Math.abs(seconds) < limit);
    return relative.format(Math.trunc(seconds / size), unit);
  }

  // The server writes UTC, because it does not know where its reader is.
  function localise() {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime), text = "relative" in time.dataset ? ago(at) : moment.format(at);
      if (time.textContent !== text) time.textContent = text;
      time.title = moment.format(at);
    }
  }

  // A range is entered by the reader's own clock, unless the page says another one.
  for (const zone of document.querySelectorAll("[data-zone]")) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || zone.value;

  function showWhatScriptsDo() {
    for (const each of document.querySelectorAll("[data-opens], [data-close-panel], [data-fills]")) each.hidden = false;
    for (const link of document.querySelectorAll("a[data-whole]")) link.textContent = link.href;
    if (!navigator.clipboard) return; // plain HTTP has none
    for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
  }

  // What a key did, which no button tells.
  document.addEventListener("todoke:copy", async (event) => {
    const { copied, notCopied } = document.body.dataset, said = document.getElementById("said");
    const copying = navigator.clipboard?.writeText(event.detail) ?? Promise.reject(); // plain HTTP has none
    said.textContent = await copying.then(() => copied, () => notCopied);
    setTimeout(() => { said.textContent = ""; }, 3000);
  });

  const says = new WeakMap();
  async function copy(button, text) {
    const { copied, notCopied } = document.body.dataset;
    const said = await navigator.clipboard.writeText(text).then(() => copied, () => notCopied);
    if (!says.has(button)) says.set(button, button.textContent); // a second click may find the answer to the first
    button.textContent = said;
    setTimeout(() => { button.textContent = says.get(button); }, 1500);
  }

  document.addEventListener("htmx:after:swap", () => {
    localise();
    showWhatScriptsDo();
    if (dialog.childElementCount && !dialog.open) dialog.showModal();
  });
  // An answer that is no part of this page is not put into it: the link that was clicked leads to it.
  for (const name of ["htmx:error", "htmx:response:error"]) {
    document.addEventListener(name, (event) => {
      const { sourceElement, target, request, response } = event.detail?.ctx ?? {};
      if (!request || response?.status === 401) return; // whoever is signed out is led to sign in
      if (sourceElement.matches("a[href]")) location.href = sourceElement.href;
      else if (target === dialog) location.href = request.action;
      else if (sourceElement.matches("[data-estimate]")) document.getElementById("estimate").replaceChildren(); // of what was entered before
    });
  }
  dialog.addEventListener("close", () => dialog.replaceChildren());

  document.addEventListener("click", (event) => {
    const of = (selector) => event.target.closest(selector);
    const button = of("[data-copy]");
    if (button) copy(button, "copyLink" in button.dataset ? new URL(button.dataset.copy, location.href).href : button.dataset.copy);
    if (of("[data-copy-selected]")) copy(of("button"), [...document.querySelectorAll("td.pick :checked")].map((box) => box.value).join("\n"));
    if (of("[data-opens]")) document.getElementById(of("[data-opens]").dataset.opens).showModal();
    if (of("[data-closes]")) of("dialog").close();
  });

  // A double click is one request; the server would take it for one, too.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-once]")) return;
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("[data-once]")) delete form.dataset.sent;
  });

  // What was done is told once: a page that is loaded again, or whose address is passed on, does not tell it.
  if (document.querySelector("[data-told]")) {
    const url = new URL(location.href);
    for (const name of ["told", "deleted"]) url.searchParams.delete(name);
    history.replaceState(history.state, "", url);
  }
  if (matchMedia("(max-width: 40em)").matches) {
    for (const box of document.querySelectorAll("[data-narrow-closes]")) box.open = false;
  }
  document.querySelector("[data-focus]")?.focus();
  localise();
  showWhatScriptsDo();
  setInterval(() => { if (!document.hidden) localise(); }, 5000);
})();
