// Keeps pages fresh without noise: nothing is asked for while somebody does something else, and its age is told.
"use strict";
(() => {
  const IDLE_MS = 10 * 60 * 1000, FAILURES = 2;
  const clock = new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "medium" });
  const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "always" });
  // A list says in its address that it stands still, so that whoever opens that sees the same.
  const inAddress = () => document.querySelector("[data-in-address]");
  let paused = Boolean(inAddress()) && new URLSearchParams(location.search).get("live") === "off", rested = false, touched = Date.now(), failures = 0, freshAt = new Date(), stream = null;

  const live = (event) => event.target.closest?.("[data-live]");
  const every = (selector) => document.querySelectorAll(selector);

  function resting() {
    const menu = document.querySelector("dialog[open], details.menu[open]");
    const selection = document.getSelection();
    const selected = selection && !selection.isCollapsed && String(selection);
    return paused || document.hidden || Boolean(menu) || Boolean(selected) || Date.now() - touched > IDLE_MS;
  }

  // What has gone by meanwhile is asked for once.
  function wake() {
    rested = false;
    for (const each of every("[data-live]")) htmx.trigger(each, "wake");
  }

  function fresh() {
    failures = 0;
    freshAt = new Date();
    tell();
  }

  function failed() {
    failures += 1;
    tell();
  }

  function tell() {
    const stale = failures >= FAILURES, asked = document.querySelector("[data-live][data-hx-powered], [data-live][hx-get], #stream");
    for (const box of every("[data-freshness]")) {
      const line = box.querySelector("[data-fresh]"), said = box.querySelector("[data-announce]");
      box.hidden = !asked;
      box.classList.toggle("stale", stale);
      box.querySelector("[data-retry]").hidden = !stale;
      const seconds = Math.max(0, Math.round((Date.now() - freshAt) / 1000));
      const about = line.dataset.updated.replace("{ago}", relative.format(-seconds, "second"));
      const text = stale ? `${line.dataset.stale} ${clock.format(freshAt)}` : paused ? line.dataset.paused : rested ? line.dataset.rests : about;
      if (line.textContent !== text) line.textContent = text;
      const news = stale ? text : "";
      if (said.textContent !== news) said.textContent = news;
      const button = box.querySelector("[data-pause]");
      if ((button.getAttribute("aria-pressed") === "true") !== paused) swapText(button);
    }
  }

  function swapText(button) {
    [button.dataset.pausedText, button.textContent] = [button.textContent, button.dataset.pausedText];
    button.setAttribute("aria-pressed", String(paused));
  }

  function pause() {
    paused = !paused;
    if (inAddress()) carry();
    if (paused) stream?.abortController?.abort();
    else wake();
    tell();
  }

  // Every way to another part of this list keeps it.
  function carry() {
    const withIt = (address) => {
      const url = new URL(address, location.href);
      url.searchParams.delete("live");
      if (paused) url.searchParams.append("live", "off");
      return url;
    };
    history.replaceState(history.state, "", withIt(location.href));
    for (const link of document.querySelectorAll(".pages a, .chips a")) link.href = withIt(link.href);
    const filters = document.getElementById("filters");
    filters.querySelector("[name=live]")?.remove();
    if (paused) filters.append(Object.assign(document.createElement("input"), { type: "hidden", name: "live", value: "off" }));
  }

  document.addEventListener("htmx:before:request", (event) => {
    if (!live(event) || !resting()) return;
    rested = true;
    event.preventDefault();
  });
  document.addEventListener("htmx:after:request", (event) => {
    if (live(event) && event.detail?.ctx?.response?.raw?.ok !== false) fresh();
  });
  for (const name of ["htmx:error", "htmx:response:error", "htmx:sse:error"]) {
    document.addEventListener(name, (event) => { if (live(event)) failed(); });
  }

  // A stream has no pause of its own: it is closed, and opened again. What it says in between is not shown.
  document.addEventListener("htmx:sse:after:connection", (event) => { stream = event.detail.connection; });
  document.addEventListener("htmx:sse:before:connection", (event) => {
    if (resting()) { rested = true; event.preventDefault(); }
  });
  document.addEventListener("htmx:sse:before:message", (event) => {
    if (!resting() || event.detail.message.event) return;
    rested = true;
    event.preventDefault();
    stream?.abortController?.abort();
  });
  document.addEventListener("htmx:sse:after:message", fresh);
  // A stream is ended by cancelling its reader and aborting its request; on a busy machine the second breaks the first.
  addEventListener("unhandledrejection", (event) => { if (event.reason?.name === "AbortError") event.preventDefault(); });
  document.addEventListener("bye", () => location.reload());

  for (const name of ["pointerdown", "keydown", "scroll"]) {
    addEventListener(name, () => { touched = Date.now(); }, { passive: true });
  }
  addEventListener("online", () => { if (!resting()) wake(); });
  document.addEventListener("todoke:pause", pause);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-pause]")) pause();
    if (event.target.closest("[data-retry]")) wake();
  });

  tell();
  document.addEventListener("htmx:after:swap", tell);
  setInterval(() => {
    if (rested && !resting()) wake();
    if (!document.hidden) tell();
  }, 1000);
})();
