/* Limits: typed, and what they recommend, in words. */

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
