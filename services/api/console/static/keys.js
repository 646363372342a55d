// Single keys, rows that can be walked and selected, and a job beside its list.
"use strict";
(() => {
  const base = document.body.dataset.console, panel = document.getElementById("panel");
  const $ = (selector) => document.querySelector(selector), all = (selector) => [...document.querySelectorAll(selector)];
  let last = "", lastAt = 0, anchor = null, currentId = "";

  const rows = () => all("tr[data-job]");
  const current = () => document.getElementById(currentId);
  const go = (path) => { location.href = `${base}${path}`; };
  const press = (selector, within = document) => within?.querySelector(selector)?.click();

  function mark(row) {
    current()?.classList.remove("current");
    currentId = row.id;
    row.classList.add("current");
  }

  function move(by) {
    const found = rows(), at = found.indexOf(current());
    const next = found[Math.min(found.length - 1, Math.max(0, at + by))];
    if (!next) return;
    mark(next);
    next.querySelector(".what a").focus();
    next.scrollIntoView({ block: "nearest" });
    if (panel?.parentElement.classList.contains("open")) press("[data-panel]", next);
  }

  function select(row, to) {
    const box = row?.querySelector(".pick input");
    if (!box) return;
    box.checked = to ?? !box.checked;
    anchor = row;
    count();
  }

  function range() {
    const found = rows(), [from, to] = [found.indexOf(anchor), found.indexOf(current())].sort((a, b) => a - b);
    if (from >= 0) found.slice(from, to + 1).forEach((row) => select(row, true));
  }

  function count() {
    const bar = $("#selection"), many = all(".pick input:checked").length;
    if (!bar) return;
    bar.hidden = !many;
    bar.querySelector("output").textContent = many === 1 ? bar.dataset.one : bar.dataset.many.replace("{count}", many);
  }

  function opened(id) {
    panel.parentElement.classList.toggle("open", Boolean(id));
    const url = new URL(location.href);
    if (id) url.searchParams.set("panel", id); else url.searchParams.delete("panel");
    history.replaceState(null, "", url);
    if (id) return;
    const within = panel.contains(document.activeElement);
    panel.replaceChildren();
    if (within) current()?.querySelector("[data-panel]").focus(); // and not at the top of the page
  }

  function close() {
    const menu = all("dialog[open]").pop();
    if (menu) menu.close();
    else if (panel?.childElementCount) opened(null);
    else document.activeElement?.blur();
  }

  // A list's row has no room for every button.
  function ask(action, fits) {
    const row = current(), link = (row ?? document).querySelector(`[data-action=${action}]`);
    if (link) link.click();
    else if (row && fits(row)) htmx.ajax("GET", `${base}/jobs/${row.dataset.job}/${action}`, { target: "#dialog", swap: "innerHTML" });
  }

  function theme() {
    const choice = $(".looks [name=theme]");
    choice.selectedIndex = (choice.selectedIndex + 1) % choice.length;
    choice.form.requestSubmit();
  }

  const KEYS = {
    "?": () => $("#keys").showModal(), n: () => go("/new"), t: theme, p: () => document.dispatchEvent(new Event("todoke:pause")),
    "/": () => ($("#filters [name=q]") ?? $("main input, main select"))?.focus(),
    Enter: () => press(".what a", current()),
    j: () => move(1), k: () => move(-1), o: () => press("[data-panel]", current()), x: () => select(current()), X: range,
    "*": () => rows().forEach((row) => select(row, true)),
    "[": () => press("nav.pages [rel=prev]"), "]": () => press("nav.pages [rel=next]"),
    c: () => ask("cancel", (row) => "unfinished" in row.dataset), r: () => ask("retry", (row) => !("unfinished" in row.dataset)),
    d: () => press("a[download]", current() ?? document),
    y: () => document.dispatchEvent(new CustomEvent("todoke:copy", { detail: current()?.querySelector(".what a").href ?? location.href })),
    "g r": () => go(""), "g j": () => go("/jobs"), "g t": () => go("/report-types"), "g o": () => press(".bar a[href$='/overview']"),
    "g s": () => press(".bar a[href$='/schedules']"), "g w": () => press(".bar a[href$='/webhooks']"), "g q": () => press(".bar a[href$='/queues']"),
    "g m": () => go(""),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (event.key === "Escape") { if (!$("dialog[open]")) close(); return; }
    const typing = event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
    if (event.key === "Enter" && event.target !== document.body) return; // links and buttons have an Enter of their own
    if (typing || $("dialog[open]") || document.body.dataset.keys === "off") return;
    const two = `${last} ${event.key}`, act = (Date.now() - lastAt < 1500 && KEYS[two]) || KEYS[event.key];
    [last, lastAt] = [event.key, Date.now()];
    if (!act) return;
    event.preventDefault();
    act();
  });

  document.addEventListener("change", (event) => { if (event.target.closest(".pick")) count(); });
  document.addEventListener("reset", () => setTimeout(count));
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest("tr[data-job]");
    if (!row || row === current()) return;
    mark(row);
  });
  document.addEventListener("click", (event) => { if (event.target.closest("[data-close-panel]")) opened(null); });
  document.addEventListener("htmx:after:swap", (event) => {
    const source = event.target.closest?.("[data-panel]");
    if (source) opened(source.closest("tr").dataset.job);
    current()?.classList.add("current"); // a row that was read again comes without
  });
  addEventListener("pageshow", count); // whoever comes back finds selected what was
})();
