"use strict";
// Elements, and the words in them. Texts of a project become text nodes and nothing else.

const SVG = "http://www.w3.org/2000/svg";

function make(space, tag, attributes, children) {
  const element = space ? document.createElementNS(space, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}
const h = (tag, attributes, ...children) => make(null, tag, attributes, children);
const s = (tag, attributes, ...children) => make(SVG, tag, attributes, children);
const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// `Words` between backticks are code, as the sentences of verdicts have them.
const prose = (words) => words.split("`").length % 2 ? words.split("`").map((part, i) => i % 2 ? h("code", {}, part) : part) : words;

// Bytes and seconds in the words of buildproof/units.py.
function size(count) {
  if (count === null || count === undefined) return "unknown";
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (Math.abs(count) < 1024) return `${Math.abs(count) < 1000 ? +count.toPrecision(3) : Math.round(count)} ${unit}`;
    count /= 1024;
  }
  return `${+count.toPrecision(3)} TiB`;
}
const evenly = (number) => number % 1 === 0.5 ? 2 * Math.round(number / 2) : Math.round(number); // as Python's round()
function moment(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = evenly(seconds), two = (n) => String(n).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor(whole % 3600 / 60))} min`;
}

function section(title, ...content) {
  const there = content.flat(Infinity).filter(Boolean);
  return there.length ? h("section", {}, h("h2", {}, title), there) : null;
}

function table(caption, heads, lines, kind = "") {
  if (!lines.length) return null;
  const scope = (head) => h("th", { scope: "col", class: head.endsWith("#") ? "number" : null }, head.replace("#", ""));
  return h("div", { class: "scroll" }, h("table", { class: kind }, caption ? h("caption", {}, caption) : null,
    h("thead", {}, h("tr", {}, heads.map(scope))),
    h("tbody", {}, lines.map((cells) => h("tr", {}, cells.map((cell, i) => h("td", { class: heads[i].endsWith("#") ? "number" : null, "data-head": heads[i].replace("#", "") }, cell)))))));
}

const pairs = (lines) => lines.length ? h("dl", {}, lines.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])) : null;
const key_ = (name) => h("kbd", {}, name);

const clipped = (words, pixels) => {
  const most = Math.max(8, Math.floor(pixels / 6.4));
  return words.length <= most ? words : `${words.slice(0, most - 1)}…`;
};
