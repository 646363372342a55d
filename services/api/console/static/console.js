// Makes pages live and says how fresh they are. Every page can be read and every form be sent without it.
"use strict";
(() => {
  const IDLE_MS = 10 * 60 * 1000;
  const language = document.documentElement.lang;
  const moment = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
  const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  const STEPS = [[60, "second", 1], [3600, "minute", 60], [86400, "hour", 3600], [2592000, "day", 86400], [31536000, "month", 2592000], [Infinity, "year", 31536000]];

  let paused = false, touched = Date.now(), failures = 0, freshAt = new Date();

  function ago(at) {
    const seconds = Math.round((at - Date.now()) / 1000);
    const [, unit, size] = STEPS.find(([limit]) => Math.abs(seconds) < limit);
    return relative.format(Math.trunc(seconds / size), unit);
  }

  // The server writes UTC, because it does not know where its reader is.
  function localise(within) {
    for (const time of within.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      time.title = moment.format(at);
      time.textContent = "relative" in time.dataset ? ago(at) : moment.format(at);
    }
  }

  function resting() {
    const menu = document.querySelector("dialog[open]");
    const selection = String(document.getSelection());
    return paused || document.hidden || menu || selection || Date.now() - touched > IDLE_MS;
  }

  function stale() {
    for (const line of document.querySelectorAll("[data-fresh]")) {
      line.classList.add("stale");
      line.textContent = `${line.dataset.stale} ${clock.format(freshAt)}`;
    }
  }

  document.addEventListener("htmx:before:request", (event) => {
    if (event.target.closest?.("[data-live]") && resting()) event.preventDefault();
  });
  document.addEventListener("htmx:after:request", () => { failures = 0; freshAt = new Date(); });
  for (const name of ["htmx:error", "htmx:response:error"]) {
    document.addEventListener(name, () => { if (++failures >= 2) stale(); });
  }
  document.addEventListener("htmx:after:swap", () => { localise(document); showCopies(); });
  for (const name of ["pointerdown", "keydown", "scroll"]) {
    addEventListener(name, () => { touched = Date.now(); }, { passive: true });
  }

  function showCopies() {
    if (!navigator.clipboard) return; // plain HTTP has none
    for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
  }

  document.addEventListener("click", async (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) await navigator.clipboard.writeText(copy.dataset.copy);
    const pause = event.target.closest("[data-pause]");
    if (!pause) return;
    paused = !paused;
    const other = pause.dataset.pausedText;
    pause.dataset.pausedText = pause.textContent;
    pause.textContent = other;
    pause.setAttribute("aria-pressed", String(paused));
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

  for (const button of document.querySelectorAll("[data-pause]")) button.hidden = false;
  document.querySelector("[data-focus]")?.focus();
  localise(document);
  showCopies();
  setInterval(() => { if (!document.hidden) localise(document); }, 5000);
})();
