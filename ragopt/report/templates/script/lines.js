/* Places in the charts, and the lines of the limits: dragged, or moved with the arrow keys. */

const views = all(".plot").map((plot) => {
  const svg = plot.querySelector("svg");
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const [left, top] = svg.querySelector("g").getAttribute("transform").match(/-?[\d.]+/g).map(Number);
  const axis = data.axes[plot.dataset.axis];
  const size = axis.sizes[plot.dataset.size];
  return { plot, svg, axis, name: plot.dataset.axis, width, height, left, top, inner: size, overlay: plot.querySelector(".overlay") };
});

function fraction(scale, value) {
  if (scale.log) return Math.log(value / scale.low) / Math.log(scale.high / scale.low);
  return (value - scale.low) / (scale.high - scale.low);
}

function valueAt(scale, share) {
  if (scale.log) return scale.low * (scale.high / scale.low) ** share;
  return scale.low + share * (scale.high - scale.low);
}

const cost = (view, trial) => (view.name === "usd_per_month" ? usd(trial) / 100 : trial.ram_bytes);
const percent = (part, whole) => `${(100 * part) / whole}%`;

function spot(view, trial) {
  const x = view.left + fraction(view.axis.cost, cost(view, trial)) * view.inner[0];
  const y = view.top + (1 - fraction(view.axis.quality, trial.value)) * view.inner[1];
  return [x, y];
}

const drawn = trials.map((_, row) => row).filter((row) => measured(trials[row]) && "usd_cents" in trials[row]
  && "ram_bytes" in trials[row]);

function place() {
  const row = byId("what-if-answer").dataset.row;
  const nothing = byId("what-if-answer").dataset.status !== "ok";
  for (const view of views) {
    const [ring, recall, most] = ["ring", "line-recall", "line-usd"].map((name) => view.overlay.querySelector(`.${name}`));
    ring.hidden = row === "" || !drawn.includes(Number(row));
    ring.firstElementChild.hidden = Number(row) === data.recommended;
    ring.firstElementChild.textContent = nothing ? "closest" : "with these limits";
    if (!ring.hidden) {
      const [x, y] = spot(view, trials[Number(row)]);
      ring.style.left = percent(x, view.width);
      ring.style.top = percent(y, view.height);
      ring.classList.toggle("nothing", nothing);
    }
    const least = limits.min_recall === null ? 0 : limits.min_recall;
    const share = Math.min(Math.max(fraction(view.axis.quality, least), 0), 1);
    recall.style.left = percent(view.left, view.width);
    recall.style.width = percent(view.inner[0], view.width);
    recall.style.top = percent(view.top + (1 - share) * view.inner[1], view.height);
    recall.setAttribute("aria-valuenow", Math.min(least, 1));
    recall.setAttribute("aria-valuetext", limits.min_recall === null ? "no limit" : `at least ${least}`);
    recall.firstElementChild.textContent = limits.min_recall === null ? "none" : `≥ ${least}`;
    recall.classList.toggle("unset", limits.min_recall === null);
    if (!most) continue;
    const across = limits.max_usd === null ? 1 : Math.min(Math.max(fraction(view.axis.cost, Number(limits.max_usd)), 0), 1);
    most.style.left = percent(view.left + across * view.inner[0], view.width);
    most.style.top = percent(view.top, view.height);
    most.style.height = percent(view.inner[1], view.height);
    const top = Number(most.getAttribute("aria-valuemax"));
    most.setAttribute("aria-valuenow", limits.max_usd === null ? top : Math.min(Number(limits.max_usd), top));
    most.setAttribute("aria-valuetext", limits.max_usd === null ? "no limit" : `at most USD ${limits.max_usd}`);
    most.firstElementChild.textContent = limits.max_usd === null ? "no limit" : `≤ ${limits.max_usd}`;
    most.classList.toggle("unset", limits.max_usd === null);
    most.classList.toggle("at-end", across > 0.9);
  }
}

const rounded = (value, digits) => String(Number(value.toFixed(digits)));

function moveRecall(value) {
  setLimit("min_recall", rounded(Math.min(Math.max(value, 0.001), 1), 3));
}

function moveUsd(view, share) {
  if (share >= 1) setLimit("max_usd", "");
  else setLimit("max_usd", rounded(Math.max(valueAt(view.axis.cost, Math.max(share, 0)), 0.01), 2));
}

const DRAG = 4;

function draggable(line, move, step) {
  let from = null;
  line.addEventListener("pointerdown", (event) => {
    // A finger drags by the label: elsewhere it scrolls the page.
    if (event.pointerType === "touch" && !event.target.closest(".line-name")) return;
    line.setPointerCapture(event.pointerId);
    from = [event.clientX, event.clientY];
    line.dataset.dragged = "";
    line.focus({ preventScroll: true });
  });
  line.addEventListener("pointermove", (event) => {
    if (!line.hasPointerCapture(event.pointerId)) return;
    if (!line.dataset.dragged && Math.hypot(event.clientX - from[0], event.clientY - from[1]) < DRAG) return;
    line.dataset.dragged = "yes";
    move(event);
  });
  line.addEventListener("keydown", (event) => {
    const steps = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 };
    if (event.key in steps) step(steps[event.key]);
    else if (event.key === "Home") step(-Infinity);
    else if (event.key === "End") step(Infinity);
    else return;
    event.preventDefault();
  });
}

function inside(view, event) {
  const box = view.svg.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * view.width;
  const y = ((event.clientY - box.top) / box.height) * view.height;
  return [x, y];
}

function addOverlay(view) {
  const recall = make("div", "", { class: "line line-recall", role: "slider", tabindex: "0", "aria-label":
    `Least lower bound of ${data.quality}`, "aria-valuemin": "0", "aria-valuemax": "1", "aria-orientation": "vertical" });
  recall.append(make("span", "", { class: "line-name" }));
  draggable(recall, (event) => {
    moveRecall(valueAt(view.axis.quality, 1 - (inside(view, event)[1] - view.top) / view.inner[1]));
  }, (steps) => moveRecall(Number.isFinite(steps) ? (limits.min_recall ?? 0) + steps * 0.001 : steps < 0 ? 0.001 : 1));
  const ring = make("div", "", { class: "ring", hidden: "" });
  ring.append(make("span", "", { class: "line-name" }));
  view.overlay.append(ring, recall);
  if (view.name === "usd_per_month") {
    const most = make("div", "", { class: "line line-usd", role: "slider", tabindex: "0", "aria-label":
      "Most USD per month", "aria-valuemin": "0", "aria-valuemax": rounded(view.axis.cost.high, 2), "aria-orientation": "horizontal" });
    most.append(make("span", "", { class: "line-name" }));
    const share = () => (limits.max_usd === null ? 1 : fraction(view.axis.cost, Number(limits.max_usd)));
    draggable(most, (event) => moveUsd(view, (inside(view, event)[0] - view.left) / view.inner[0]),
      (steps) => moveUsd(view, Number.isFinite(steps) ? share() + steps * 0.005 : steps < 0 ? 0 : 1));
    view.overlay.append(most);
  }
  view.overlay.hidden = false;
}
