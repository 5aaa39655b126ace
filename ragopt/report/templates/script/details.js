/* Details of a trial: pointed at, or walked to with the arrow keys. */

const NEAR = 16;
let pinned = null;

function showTrial(view, row) {
  const tip = byId("trial-tip");
  if (row === null) {
    tip.hidden = true;
    all(".spot").forEach((one) => { one.hidden = true; });
    return;
  }
  describe(tip, trials[row]);
  tip.dataset.row = row;
  tip.hidden = false;
  const [x, y] = spot(view, trials[row]);
  const box = view.svg.getBoundingClientRect();
  const parent = byId("frontier-view").getBoundingClientRect();
  const left = box.left - parent.left + (x / view.width) * box.width;
  const top = box.top - parent.top + (y / view.height) * box.height;
  const flip = left > parent.width / 2;
  tip.style.left = `${Math.max(0, Math.min(flip ? left - tip.offsetWidth - 18 : left + 18, parent.width - tip.offsetWidth))}px`;
  // Above the mark where there is no room below it.
  const room = window.innerHeight - parent.top - top;
  tip.style.top = `${room < tip.offsetHeight + 24 && top + parent.top > tip.offsetHeight ? top - tip.offsetHeight - 18 : top + 18}px`;
  all(".spot").forEach((one) => { one.hidden = !view.overlay.contains(one); });
  const mark = view.overlay.querySelector(".spot");
  mark.style.left = percent(x, view.width);
  mark.style.top = percent(y, view.height);
}

const visible = (row) => chosen.space.size + chosen.codec.size === 0 || matches(trials[row]);

function nearest(view, event) {
  const [x, y] = inside(view, event);
  const reach = (NEAR * view.width) / view.svg.getBoundingClientRect().width;
  let best = null;
  let least = reach;
  for (const row of drawn) {
    if (!visible(row)) continue;
    const [left, top] = spot(view, trials[row]);
    const distance = Math.hypot(left - x, top - y);
    // The later mark lies on top.
    if (distance <= least) [best, least] = [row, distance];
  }
  return best;
}

function watch(view) {
  view.overlay.append(make("div", "", { class: "spot", hidden: "" }));
  view.plot.addEventListener("pointermove", (event) => {
    if (pinned === null && !event.buttons) showTrial(view, nearest(view, event));
  });
  view.plot.addEventListener("pointerleave", () => { if (pinned === null) showTrial(view, null); });
  view.plot.addEventListener("focusout", (event) => {
    if (!view.plot.contains(event.relatedTarget)) { pinned = null; showTrial(view, null); }
  });
  view.plot.addEventListener("click", (event) => {
    const line = event.target.closest(".line");
    if (line && line.dataset.dragged) { line.dataset.dragged = ""; return; }
    pinned = nearest(view, event);
    showTrial(view, pinned);
  });
  view.plot.addEventListener("keydown", (event) => {
    if (event.target !== view.plot) return;
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    if (event.key === "Escape") { pinned = null; showTrial(view, null); return; }
    const ends = { Home: 0, End: Infinity };
    if (!(event.key in steps) && !(event.key in ends)) return;
    const rows = drawn.filter(visible).sort((a, b) =>
      compare([cost(view, trials[a]), trials[a].value, a], [cost(view, trials[b]), trials[b].value, b]));
    const at = rows.indexOf(pinned);
    const next = event.key in ends ? ends[event.key] : at < 0 ? rows.indexOf(data.recommended) : at + steps[event.key];
    pinned = rows[Math.min(Math.max(next, 0), rows.length - 1)] ?? null;
    showTrial(view, pinned);
    event.preventDefault();
  });
}
