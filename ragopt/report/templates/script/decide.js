/* The decision, as ragopt.choose.decide takes it; tests hold both against each other. */

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
