/* Start, once everything above is there. */

function showAxis(name) {
  for (const view of all(".axis-view")) view.hidden = view.dataset.axis !== name;
  pinned = null;
  byId("trial-tip").hidden = true;
}

function start() {
  document.documentElement.classList.add("js");
  for (const view of views) {
    addOverlay(view);
    watch(view);
  }
  for (const radio of all("input[name=axis]")) {
    radio.addEventListener("change", () => showAxis(radio.value));
    if (radio.checked) showAxis(radio.value);
  }
  for (const chip of all(".chip")) {
    chip.disabled = false;
    chip.addEventListener("click", pick);
  }
  byId("filter-all").addEventListener("click", () => {
    chosen.space.clear();
    chosen.codec.clear();
    applyFilter();
  });
  for (const name of [...Object.keys(fields), "objective"]) {
    const input = byId(`limit-${name}`);
    if (input) input.addEventListener("change", () => setLimit(name, input.value));
  }
  byId("limits-reset").addEventListener("click", () => {
    for (const [name, value] of Object.entries(data.limits)) {
      if (byId(`limit-${name}`)) setLimit(name, value === null ? "" : String(value));
    }
  });
  applyFilter();
  showAnswer();
  window.addEventListener("beforeprint", () => all("details:not(.long)").forEach((one) => { one.open = true; }));
  window.ragopt = { decide, data, fullName };
}

start();
