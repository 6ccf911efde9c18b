// The memory of one build over time, drawn at the width that there is, so that its words keep their size.

const BOX = { left: 66, right: 14, top: 42, bottom: 40, height: 320, strip: 12 };

function chartView(data) {
  const readout = h("p", { class: "readout", "aria-live": "polite" });
  const canvas = h("div", { class: "canvas" });
  const figure = h("figure", { class: "chart" }, readout, canvas, legend(data));
  const chart = { data, canvas, readout, at: null };
  new ResizeObserver(() => drawChart(chart)).observe(canvas);
  figure.pointTo = (seconds) => point(chart, nearest(data.t, seconds), true);
  return figure;
}

const nearest = (times, seconds) => {
  let best = 0;
  for (let i = 1; i < times.length; i++) if (Math.abs(times[i] - seconds) < Math.abs(times[best] - seconds)) best = i;
  return best;
};
const shade = (index) => `holder h${index < 7 ? index : "x"}`;

function legend(data) {
  const named = data.holders.names.slice(0, 7).map((name, index) => h("li", {}, h("span", { class: `key ${shade(index)}` }), name));
  if (data.holders.names.length > 7) named.push(h("li", {}, h("span", { class: `key ${shade(7)}` }), othersIn(data)));
  return h("figcaption", {},
    h("ul", { class: "legend" },
      h("li", {}, h("span", { class: "key demand" }), "demanded: cannot be reclaimed"),
      h("li", {}, h("span", { class: "key charged" }), "charged: with page cache")),
    named.length ? h("ul", { class: "legend", "aria-label": "who held most memory" }, h("li", { class: "of" }, "held most:"), named) : null);
}

const othersIn = ({ holders: { names } }) => names.length === 8 ? names[7] : `${names.length - 7} others`;

function drawChart(chart) {
  const { data, canvas } = chart;
  const width = Math.max(280, canvas.clientWidth);
  const inner = width - BOX.left - BOX.right, floor = BOX.height - BOX.bottom, high = floor - BOX.top;
  const x = (seconds) => BOX.left + inner * Math.min(1, seconds / data.end);
  const y = (bytes) => floor - high * Math.min(1, bytes / data.top);
  Object.assign(chart, { x, y, floor });
  const label = `Memory over ${moment(data.end)}: ${data.peak ? data.peak.text : "no peak known"}, ` +
    data.lines.map((line) => line.text).concat(data.marks.map((mark) => mark.text)).join(", ");
  const svg = s("svg", { width, height: BOX.height, role: "img", tabindex: 0, "aria-label": `${label}. Arrow keys read it moment by moment.` },
    grid(data, x, y, width, floor),
    area(data, data.charged, "charged", x, y, floor), area(data, data.demand, "demand", x, y, floor),
    thresholds(data, y, width), strip(data, x, floor), peak(data, x, y, width), marks(data, x, floor, width),
    s("g", { class: "cursor" }));
  svg.addEventListener("pointermove", (event) => point(chart, at(chart, event)));
  svg.addEventListener("pointerdown", (event) => point(chart, at(chart, event)));
  svg.addEventListener("pointerleave", () => point(chart, null));
  svg.addEventListener("keydown", (event) => keyed(chart, event));
  canvas.replaceChildren(svg);
  point(chart, chart.at);
}

function grid(data, x, y, width, floor) {
  const least = 52; // pixels between two moments, so that their words do not touch
  const every = Math.ceil(least / Math.max(1, data.x.length > 1 ? x(data.x[1][0]) - x(0) : least));
  return s("g", { class: "grid" },
    data.y.map(([bytes, word]) => [
      s("line", { x1: BOX.left, x2: width - BOX.right, y1: y(bytes), y2: y(bytes) }),
      s("text", { x: BOX.left - 8, y: y(bytes) + 4, "text-anchor": "end" }, word)]),
    data.x.filter((_, index) => index % every === 0).map(([seconds, word]) =>
      s("text", { x: x(seconds), y: floor + BOX.strip + 22, "text-anchor": seconds ? "middle" : "start" }, word)));
}

function area(data, series, kind, x, y, floor) {
  const points = series.map((kib, i) => kib === null ? null : [x(data.t[i]).toFixed(1), y(kib * 1024).toFixed(1)]).filter(Boolean);
  if (!points.length) return null;
  const line = points.map((point) => point.join(" ")).join("L");
  return s("g", { class: kind },
    s("path", { class: "fill", d: `M${points[0][0]} ${floor}L${line}L${points.at(-1)[0]} ${floor}Z` }), s("path", { class: "line", d: `M${line}` }));
}

function thresholds(data, y, width) {
  let above = 0;
  return data.lines.map(({ kind, at, text, beyond }) => {
    if (beyond) return s("text", { class: `threshold ${kind}`, x: BOX.left + 130 * above++, y: 12 }, `↑ ${text}`);
    return s("g", { class: `threshold ${kind}` }, s("line", { x1: BOX.left, x2: width - BOX.right, y1: y(at), y2: y(at) }),
      s("text", { x: BOX.left + 6, y: y(at) - 5 }, text));
  });
}

function strip(data, x, floor) {
  return s("g", { class: "strip" }, data.holders.spans.map(([from, to, name, rss]) =>
    s("rect", { class: shade(name), x: x(from), y: floor + 3, width: Math.max(1, x(to) - x(from)), height: BOX.strip - 3 },
      s("title", {}, `${data.holders.names[name]}, up to ${rss}: ${moment(from)} to ${moment(to)}`))));
}

function peak(data, x, y, width) {
  if (!data.peak) return null;
  const at = x(data.peak.at), height = y(data.peak.bytes), right = at > width - 120;
  const isCrowded = data.lines.some((line) => !line.beyond && Math.abs(y(line.at) - height) < 24) || height < BOX.top + 20;
  return s("g", { class: "peak" }, s("circle", { cx: at, cy: height, r: 3.5 }),
    s("text", { x: at + (right ? -8 : 8), y: height + (isCrowded ? 20 : -7), "text-anchor": right ? "end" : "start" }, data.peak.text));
}

function marks(data, x, floor, width) {
  const first = data.marks.find((mark) => mark.is_culprit) ?? data.marks[0];
  return data.marks.map((mark) => {
    const at = x(mark.at), right = at > width / 2;
    return s("g", { class: `mark ${mark.kind}` }, s("title", {}, `${moment(mark.at)}: ${mark.text}`),
      s("line", { x1: at, x2: at, y1: BOX.top - 10, y2: floor }),
      s("path", { d: `M${at - 4} ${BOX.top - 18}l8 8m0 -8l-8 8` }),
      mark === first ? s("text", { x: at + (right ? -9 : 9), y: BOX.top - 10, "text-anchor": right ? "end" : "start" },
        clipped(mark.text, (right ? at - BOX.left : width - at) - 20)) : null);
  });
}
// -- reading it moment by moment -----------------------------------------------------------------------------------

const at = (chart, event) => {
  const left = event.currentTarget.getBoundingClientRect().left;
  return nearest(chart.data.t, (event.clientX - left - BOX.left) / (chart.x(chart.data.end) - BOX.left) * chart.data.end);
};

function keyed(chart, event) {
  const last = chart.data.t.length - 1, from = chart.at ?? -1;
  const to = { ArrowRight: Math.min(last, from + 1), ArrowLeft: Math.max(0, from - 1), Home: 0, End: last,
    PageDown: Math.min(last, from + 20), PageUp: Math.max(0, from - 20) }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  point(chart, to);
}

function point(chart, index, scroll = false) {
  chart.at = index;
  const { data, canvas, readout } = chart, cursor = find(".cursor", canvas);
  if (!cursor) return;
  cursor.replaceChildren();
  if (index === null) {
    readout.replaceChildren(h("span", { class: "hint" }, "Point at the chart, or move with the arrow keys."));
    return;
  }
  const seconds = data.t[index], bytes = (series) => series[index] === null ? null : series[index] * 1024;
  const span = data.holders.spans.findLast(([from]) => from <= seconds);
  const held = span && span[1] >= seconds ? data.holders.names[span[2]] : null;
  cursor.append(s("line", { x1: chart.x(seconds), x2: chart.x(seconds), y1: BOX.top, y2: chart.floor }),
    ...[data.charged, data.demand].filter((series) => series[index] !== null).map((series) =>
      s("circle", { cx: chart.x(seconds), cy: chart.y(bytes(series)), r: 3 })));
  readout.replaceChildren(h("b", {}, moment(seconds)), ` demanded ${size(bytes(data.demand))}`, data.charged[index] === null ? "" : `, charged ${size(bytes(data.charged))}`,
    held ? h("span", { class: "held" }, h("span", { class: `key ${shade(span[2])}` }), held) : "");
  if (scroll) canvas.scrollIntoView({ block: "center" });
}

// Free space of a mount: a line without axes, its floor is zero and its ceiling the mount's size.
function sparkline(times, free, bytes) {
  const end = times.at(-1) || 1, points = free.map((kib, i) => kib === null ? null :
    `${(times[i] / end * 100).toFixed(1)} ${(24 - 24 * Math.min(1, kib * 1024 / bytes)).toFixed(1)}`).filter(Boolean);
  return s("svg", { class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": true },
    s("path", { class: "fill", d: `M0 24L${points.join("L")}L100 24Z` }), s("path", { class: "line", d: `M${points.join("L")}` }));
}
