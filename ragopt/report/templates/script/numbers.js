/* The run's numbers, and how they are printed. Every text comes in through textContent. */

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
