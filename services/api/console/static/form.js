// Buttons that fill in a moment, in the reader's zone.
"use strict";
(() => {
  const pad = (number, width = 2) => String(number).padStart(width, "0");
  const day = (at) => `${pad(at.getFullYear(), 4)}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;

  // With the offset that holds there and then, because a report's moment has one.
  function moment(at) {
    const offset = -at.getTimezoneOffset(), size = Math.abs(offset);
    return `${day(at)}T${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}${offset < 0 ? "-" : "+"}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
  }

  function at(name) {
    const now = new Date(), [year, month, date] = [now.getFullYear(), now.getMonth(), now.getDate()];
    switch (name) {
      case "yesterday": return new Date(year, month, date - 1);
      case "month_begin": return new Date(year, month, 1);
      case "last_month_begin": return new Date(year, month - 1, 1);
      case "last_month_end": return new Date(year, month, 0);
      case "today_begin": return new Date(year, month, date);
      case "in_an_hour": return new Date(now.getTime() + 3600e3);
      case "tonight": return new Date(year, month, date, 22);
      case "tomorrow_morning": return new Date(year, month, date + 1, 6);
      default: return now;
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-fill]");
    if (!button) return;
    const { fills, kind } = button.closest("[data-fills]").dataset, field = document.getElementById(fills);
    field.value = (kind === "date" ? day : moment)(at(button.dataset.fill));
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  });
})();
