/* Filter: spaces and codecs that are picked are shown alone. */

const chosen = { space: new Set(), codec: new Set() };
const matches = (trial) => ["space", "codec"].every((kind) => !chosen[kind].size || chosen[kind].has(trial[kind]));

function applyFilter() {
  const shown = trials.map((_, row) => visible(row));
  for (const mark of all("#frontier [data-t]")) mark.classList.toggle("off", !shown[Number(mark.dataset.t)]);
  for (const line of all("#trials-table tbody tr[data-t]")) line.hidden = !shown[Number(line.dataset.t)];
  const n = drawn.filter((row) => shown[row]).length;
  byId("filter-count").textContent = n === drawn.length ? `All ${n} trials are shown.` : `${n} of ${drawn.length} trials are shown.`;
  for (const chip of all(".chip")) {
    chip.setAttribute("aria-pressed", String(chosen[chip.dataset.kind].has(Number(chip.dataset.row))));
  }
  byId("filter-all").disabled = chosen.space.size + chosen.codec.size === 0;
  byId("frontier-view").classList.toggle("filtered", n < drawn.length);
  pinned = null;
  if (views.length) showTrial(views[0], null);
}

function pick(event) {
  const { kind, row } = event.currentTarget.dataset;
  if (!chosen[kind].delete(Number(row))) chosen[kind].add(Number(row));
  applyFilter();
}
