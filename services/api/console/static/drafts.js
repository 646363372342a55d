// What was entered in a long form and may not have arrived: the page has it again after a lost answer, a failing proxy, or another sign-in.
"use strict";
(() => {
  const KEY = "todoke:draft", form = document.querySelector("form[data-draft]"), who = document.body.dataset.subject;
  const forget = () => sessionStorage.removeItem(KEY);
  const kept = (field) => field.name && !["password", "hidden", "submit", "button"].includes(field.type);

  document.addEventListener("submit", (event) => { if (event.target.matches("form.who")) forget(); }); // the next one may be somebody else
  if (!form) {
    if (!document.querySelector("[data-keeps-draft]")) forget(); // it has arrived, or is not wanted any more
    return;
  }

  form.addEventListener("submit", () => {
    const fields = [...new FormData(form)].filter(([name]) => [...form.elements].some((field) => field.name === name && kept(field)));
    sessionStorage.setItem(KEY, JSON.stringify({ path: location.pathname, who, fields, key: form.elements.key?.value }));
  });

  function restore({ fields, key }) {
    const left = new Map();
    for (const one of fields) left.set(one[0], [...(left.get(one[0]) ?? []), one]);
    for (const field of [...form.elements].filter(kept)) {
      const values = left.get(field.name) ?? [], before = `${field.value} ${field.checked}`;
      if (["checkbox", "radio"].includes(field.type)) field.checked = values.some(([, value]) => value === field.value);
      else if (field.type === "select-multiple") for (const option of field.options) option.selected = values.some(([, value]) => value === option.value);
      else field.value = values.shift()?.[1] ?? "";
      if (before !== `${field.value} ${field.checked}`) for (let box = field.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
    }
    document.querySelector("[data-draft-told]").hidden = false;
    form.dispatchEvent(new Event("input", { bubbles: true }));
    form.dispatchEvent(new Event("change", { bubbles: true }));
    // Sent as it is, it is the same request, which may have been done; changed, it is another one.
    const own = form.elements.key, fresh = own?.value;
    if (!own || !key) return;
    own.value = key;
    form.addEventListener("input", () => { own.value = fresh; }, { once: true });
  }

  const draft = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  forget();
  // A page that says what is wrong has all that was entered.
  if (draft?.path === location.pathname && draft.who === who && !document.querySelector("main [role=alert]")) restore(draft);
})();
