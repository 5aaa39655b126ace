/* The frontier's switches, filter, details and limits. Every text comes in through textContent; without this script the
   page shows the same numbers as tables. `decide` repeats ragopt.choose.decide; a test holds both against each other. */
"use strict";
(() => {
const data = JSON.parse(document.getElementById("run-data").textContent);
const trials = data.trials;
const byId = (id) => document.getElementById(id);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function make(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function usdText(cents) {
  const whole = String(Math.floor(cents / 100)).replace(/\B(?=(\d{3})+$)/g, ",");
  return `${whole}.${String(cents % 100).padStart(2, "0")}`;
}

const grouped = (whole) => String(whole).replace(/\B(?=(\d{3})+$)/g, ",");

/* Rounded by Python already, so that every form of the report prints the same digits. */
function qualityText(name, [value, low, high, n]) {
  return `${name} ${value.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}], n = ${grouped(n)}`;
}

function bytesText(bytes) {
  if (Number.isInteger(bytes)) return `${grouped(bytes)} B`;
  const [whole, part] = bytes.toFixed(2).split(".");
  return `${grouped(whole)}.${part.replace(/0+$/, "")} B`;
}

const fullName = (trial) => `${data.space[trial.space]} | ${trial.name}`;

/* ---- the decision ---- */

const measured = (trial) => trial.status !== "unsuitable" && "value" in trial;

function misses(trial, limits) {
  if (!measured(trial)) return [Infinity];
  const found = [];
  if (limits.min_recall !== null && trial.low < limits.min_recall) found.push(1 - trial.low / limits.min_recall);
  if (limits.min_ndcg_ratio !== null) {
    const short = trial.ndcg_short[data.ratios.indexOf(limits.min_ndcg_ratio)];
    if (short > 0) found.push(short);
  }
  if (limits.max_p99_ms !== null) {
    if (!("p99_ms" in trial)) found.push(Infinity);
    else if (trial.p99_ms > limits.max_p99_ms) found.push(trial.p99_ms / limits.max_p99_ms - 1);
  }
  if (limits.max_usd !== null) {
    if (!("usd_cents" in trial)) found.push(Infinity);
    // "0.29e2" is read as exactly 29: money is compared without a rounding of its own.
    else if (trial.usd_cents > Number(`${limits.max_usd}e2`)) {
      found.push(trial.usd_cents / 100 / Number(limits.max_usd) - 1);
    }
  }
  if (!trial.confirmed && trial.upper_bound) found.push(0);
  return found;
}

const usd = (trial) => ("usd_cents" in trial ? trial.usd_cents : Infinity);

function rest(trial) {
  if (!("ram_bytes" in trial) || !("value" in trial)) return [Infinity, Infinity, 0, trial.place];
  return [trial.ram_bytes, trial.disk_bytes, -trial.value, trial.place];
}

function compare(a, b) {
  for (let i = 0; i < a.length; i += 1) {
    if (a[i] < b[i]) return -1;
    if (a[i] > b[i]) return 1;
  }
  return 0;
}

function ordered(rows, objective) {
  if (objective === "ram") {
    const key = (row) => [rest(trials[row])[0], usd(trials[row]), ...rest(trials[row])];
    return [...rows].sort((a, b) => compare(key(a), key(b)));
  }
  const key = (row) => [usd(trials[row]), ...rest(trials[row])];
  let left = [...rows].sort((a, b) => compare(key(a), key(b)));
  const found = [];
  while (left.length) {
    const least = usd(trials[left[0]]);
    // Bills within 1 % of the least are ties, in whole cents.
    const ties = left.filter((row) => usd(trials[row]) === least || usd(trials[row]) * 100 <= least * 101);
    found.push(...[...ties].sort((a, b) => compare(rest(trials[a]), rest(trials[b]))));
    left = left.slice(ties.length);
  }
  return found;
}

const sameLimit = (name, one, other) => one === other
  || (name === "max_usd" && one !== null && other !== null && Number(one) === Number(other));
const sameLimits = (limits) => Object.keys(data.limits).every((name) => sameLimit(name, data.limits[name], limits[name]));

function decide(limits) {
  const rows = trials.map((_, row) => row);
  const missed = trials.map((trial) => misses(trial, limits));
  const fits = rows.filter((row) => missed[row].length === 0);
  const kept = sameLimits(limits) ? fits.filter((row) => trials[row].status !== "dropped") : fits;
  const compressed = kept.some((row) => !trials[row].exact);
  const fitting = ordered(compressed ? kept : fits, limits.objective);
  const counts = { n_fitting: fits.length, n_measured: trials.filter(measured).length };
  if (fitting.length) return { status: "ok", row: fitting[0], ...counts };
  const sum = (row) => missed[row].reduce((total, one) => total + one, 0);
  let closest = null;
  for (const row of ordered(rows.filter((one) => Object.keys(trials[one].qualities).length), limits.objective)) {
    if (closest === null || sum(row) < sum(closest)) closest = row;
  }
  return { status: "nothing_fits", row: closest, ...counts };
}

/* ---- limits: typed, dragged, or moved with the arrow keys ---- */

const limits = { ...data.limits };
const fields = {
  min_recall: { low: 0, high: 1, option: "--min-recall" },
  min_ndcg_ratio: { low: 0, high: 1, option: "--min-ndcg-ratio" },
  max_p99_ms: { low: 0, high: 1e9, option: "--max-p99-ms" },
  max_usd: { low: 0, high: 1e12, option: "--max-usd" },
};

function readLimit(name, text) {
  const trimmed = text.trim();
  // The command has a least recall by default; only a run made from Python can be without one.
  if (trimmed === "") return name === "min_recall" && data.limits.min_recall !== null ? undefined : null;
  if (!/^(\d+\.?\d*|\.\d+)$/.test(trimmed)) return undefined;
  const value = Number(trimmed);
  if (!(value > fields[name].low && value <= fields[name].high)) return undefined;
  return name === "max_usd" ? trimmed : value;
}

const refused = new Map();

function showRefused() {
  const box = byId("limits-error");
  box.hidden = refused.size === 0;
  const told = [...refused.values()].join(" ");
  box.textContent = refused.size ? `${told} What stands below is for the limits before.` : "";
  byId("what-if-answer").classList.toggle("stale", refused.size > 0);
}

function setLimit(name, text) {
  const input = byId(`limit-${name}`);
  const value = name === "objective" ? text : readLimit(name, text);
  input.setAttribute("aria-invalid", value === undefined ? "true" : "false");
  if (value === undefined) {
    const { low, high, option } = fields[name];
    refused.set(name, `${option} ${text.trim() || "(empty)"}: give a number above ${low}, at most ${high}, with a decimal point.`);
    showRefused();
    return;
  }
  refused.delete(name);
  showRefused();
  limits[name] = value;
  if (input.value !== text) input.value = text;
  showAnswer();
}

function command() {
  if (limits.min_recall === null) {
    // The command has a least recall by default; only Python can leave it out.
    const given = Object.entries(limits).filter(([, value]) => value !== null);
    const named = given.map(([name, value]) => `${name}=${name === "objective" ? `"${value}"` : name === "max_usd" ? `Decimal("${value}")` : value}`);
    return `ragopt.recommend(RUN, ${["min_recall=None", ...named].join(", ")})`;
  }
  const words = ["ragopt recommend RUN"];
  for (const [name, { option }] of Object.entries(fields)) {
    if (limits[name] !== null) words.push(`${option} ${limits[name]}`);
  }
  if (limits.objective !== "usd") words.push(`--objective ${limits.objective}`);
  return words.join(" ");
}

function facts(trial) {
  const found = [];
  const bound = trial.upper_bound && !trial.confirmed ? ", an upper bound" : "";
  const state = trial.status === "estimated" ? "" : `${trial.status}; `;
  found.push(["Status", `${state}${trial.confirmed ? "measured on a built index" : `estimated${bound}`}`]);
  found.push(["Quality", Object.entries(trial.qualities).map(([name, one]) => qualityText(name, one)).join("\n")]);
  if ("usd_cents" in trial) found.push(["Bill", `USD ${usdText(trial.usd_cents)} per month on ${trial.target}`]);
  if ("ram_bytes" in trial) {
    found.push(["Bytes", `${bytesText(trial.ram_bytes)} of codes per vector, ${bytesText(trial.disk_bytes)} for rescoring`]);
  }
  found.push(["Latency", trial.latency || "not measured"]);
  if ("reason" in trial) found.push(["Reason", data.reasons[trial.reason]]);
  return found;
}

function describe(box, trial) {
  box.replaceChildren(make("strong", fullName(trial), { class: "trial" }));
  const list = make("dl", "");
  for (const [name, value] of facts(trial)) list.append(make("dt", name), make("dd", value));
  box.append(list);
}

function missWords(trial) {
  if (!measured(trial)) return ["it was not measured"];
  const found = [];
  if (limits.min_recall !== null && trial.low < limits.min_recall) {
    found.push(`${data.quality} is at least ${trial.qualities[data.quality][1].toFixed(4)}, not ${limits.min_recall}`);
  }
  if (limits.min_ndcg_ratio !== null && trial.ndcg_short[data.ratios.indexOf(limits.min_ndcg_ratio)] > 0) {
    found.push(`nDCG@10 over exact search's may be below ${limits.min_ndcg_ratio}`);
  }
  if (limits.max_p99_ms !== null && !("p99_ms" in trial)) found.push("its p99 latency was not measured");
  else if (limits.max_p99_ms !== null && trial.p99_ms > limits.max_p99_ms) {
    found.push(`its p99 latency is above ${limits.max_p99_ms} ms`);
  }
  if (limits.max_usd !== null && !("usd_cents" in trial)) found.push("it was not billed");
  else if (limits.max_usd !== null && trial.usd_cents > Number(`${limits.max_usd}e2`)) {
    found.push(`it costs more than USD ${limits.max_usd} a month`);
  }
  if (!trial.confirmed && trial.upper_bound) found.push("its recall is only an upper bound until it is built");
  return found;
}

function besideBaseline(trial) {
  const base = data.baselines[data.model[trial.space]];
  if (base === null || !("usd_cents" in trial)) return "";
  const gap = base - trial.usd_cents;
  if (gap === 0) return `The same as float32 of the same model, USD ${usdText(base)}.`;
  return `USD ${usdText(Math.abs(gap))} ${gap > 0 ? "less" : "more"} than float32 of the same model, USD ${usdText(base)}.`;
}

function notes(found, trial) {
  const told = [besideBaseline(trial)];
  if (!trial.confirmed) told.push("No index of it was built: its figures are estimates from shared candidates.");
  if (found.status !== "ok") told.push(`It misses: ${missWords(trial).join("; ")}.`);
  if (data.scale) told.push(data.scale);
  return told.filter(Boolean);
}

function showAnswer() {
  const found = decide(limits);
  const answer = byId("what-if-answer");
  answer.dataset.status = found.status;
  answer.dataset.row = found.row === null ? "" : found.row;
  if (found.row === null) {
    answer.replaceChildren(make("p", "No trial of this run was measured."));
    return;
  }
  const trial = trials[found.row];
  const own = sameLimits(limits);
  const same = found.row === data.recommended && found.status === data.status;
  const count = `${found.n_fitting} of ${found.n_measured} trials meet these limits`;
  const said = found.status === "ok"
    ? `${count}. ${same ? "The recommendation stays" : "The recommendation becomes"}:`
    : `${count}. The closest is:`;
  const box = make("div", "");
  describe(box, trial);
  const built = found.status === "ok" && trial.confirmed;
  answer.replaceChildren(make("p", said, { class: built ? "status" : "status bad" }), box);
  for (const one of notes(found, trial)) answer.append(make("p", one));
  if (!own && data.n_dropped) {
    answer.append(make("p", `This run was raced for other limits: ${data.n_dropped} trials left it early, estimated `
      + "on fewer queries, so that some may meet these limits without showing it. Sweep again to find out: what is "
      + "stored is used.", { class: "muted" }));
  }
  answer.append(make("p", `The same without this page: ${command()}`, { class: "muted" }));
  place();
}

/* ---- places in the charts ---- */

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

/* ---- details of a trial: pointed at, or walked to with the arrow keys ---- */

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

/* ---- filter: spaces and codecs that are picked are shown alone ---- */

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

/* ---- start ---- */

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
})();
