// Small charts of one build over its runs, side by side: the same runs in all, and one of them chosen in all.

const SMALL = { left: 70, right: 12, top: 14, bottom: 24, height: 168 };
const KIB = 1024;
// What each figure is called, and how many bytes or seconds its number means.
const FIGURES = {
  peak: { name: "memory demanded", means: (kib) => kib * KIB, words: size, ticks: byteTicks },
  time: { name: "wall time", means: (tenths) => tenths / 10, words: moment, ticks: secondTicks },
  size: { name: "output size", means: (bytes) => bytes, words: size, ticks: byteTicks },
  charged: { name: "memory charged", means: (kib) => kib * KIB, words: size, ticks: byteTicks },
  cpu: { name: "CPU time", means: (tenths) => tenths / 10, words: moment, ticks: secondTicks },
};
const LEAST_RANGE = 0.3; // of the largest value: noise is not blown up to the whole height

// Round numbers of the largest unit that there is, and their words: `1.2 GiB` stands over `1 GiB`.
function byteTicks(low, high) {
  const power = Math.max(0, Math.min(4, Math.floor(Math.log(Math.max(1, high)) / Math.log(KIB))));
  const unit = KIB ** power, word = ["B", "KiB", "MiB", "GiB", "TiB"][power];
  const steps = [0.01, 0.1, 1, 10, 100, 1000].flatMap((ten) => [ten, 2 * ten, 5 * ten]);
  return ticks(low / unit, high / unit, steps).map((value) => [value * unit, value ? `${+value.toFixed(2)} ${word}` : "0"]);
}
function secondTicks(low, high) {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200];
  return ticks(low, high, steps).map((value) => [value, clock(value)]);
}
function ticks(low, high, steps) {
  const step = steps.find((size) => Math.floor(high / size) - Math.ceil(low / size) <= 3) ?? high;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.max(0, Math.floor(high / step) - first + 1) }, (_, i) => (first + i) * step);
}
// Seconds as buildproof/units.py has them for tables; those below a minute may be tenths.
function clock(seconds) {
  if (seconds < 60) return `${+seconds.toFixed(1)} s`;
  const two = (n) => String(n).padStart(2, "0"), hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds % 3600 / 60);
  return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(Math.round(seconds % 60))}`;
}

// From where to where the axis goes, as buildproof/trend/spark.py has it.
function range(values) {
  let low = Math.min(...values), high = Math.max(...values);
  const missing = Math.max(LEAST_RANGE * Math.abs(high), 1e-9) - (high - low);
  if (missing > 0) [low, high] = [low - missing / 2, high + missing / 2];
  return [Math.max(0, low), high];
}

// The charts of one build; `choose(index)` is told which run a person points at, null when at none.
function chartsOf(data, choose) {
  const charts = Object.keys(FIGURES).filter((name) => data.figures[name].some((value) => value !== null)).map((name) => smallChart(data, name, choose));
  const group = h("div", { class: "charts", tabindex: 0, role: "group", "aria-label": `${data.at.length} runs in ${charts.length} charts. Arrow keys go from run to run; the table below has them all.` },
    charts.map((chart) => chart.figure));
  return { group, point: (index) => charts.forEach((chart) => chart.point(index)) };
}

function smallChart(data, name, choose) {
  const { name: title, means, words } = FIGURES[name], values = scaled(data.figures[name], means);
  const [before, least, most, bound] = (data.band[name] ?? [[], [], [], []]).map((series) => scaled(series, means));
  const marks = data.marks.filter(([, kind, , , of]) => kind === "failed" || of.includes(name));
  const now = h("b", {}), than = h("small", {}), canvas = h("div", { class: "canvas small" });
  const figure = h("figure", { class: "chart" }, h("h3", {}, title, " ", now), than, canvas);
  const chart = { data, name, values, before, least, most, bound, marks, at: null };
  new ResizeObserver(() => draw(chart, canvas, choose)).observe(canvas);
  return { figure, point: (index) => {
    chart.at = index;
    now.textContent = values[index] === null ? "unknown" : words(values[index]);
    than.textContent = compared(chart, index, words);
    cursor(chart);
  } };
}
const scaled = (series, means) => series.map((value) => value === null ? null : means(value));

function compared({ before, least, most, values }, index, words) {
  const was = before[index], is = values[index];
  if (was === undefined) return "not compared";
  if (was === null) return "nothing before it";
  const change = is === null || !was ? "" : ` (${is >= was ? "+" : "−"}${Math.abs(100 * (is / was - 1)).toFixed(1)}%)`;
  return `before ${words(was)}${change}${least[index] === null ? ", spread unknown" : `, ${words(most[index] - least[index])} apart`}`;
}

function draw(chart, canvas, choose) {
  const { data, name, values, before, least, most, bound, marks } = chart;
  const width = Math.max(220, canvas.clientWidth), floor = SMALL.height - SMALL.bottom, count = values.length;
  const failed = new Set(data.marks.filter(([, kind]) => kind === "failed").map(([index]) => index));
  const passed = values.filter((value, index) => value !== null && !failed.has(index));
  // What a run that failed held on its way is drawn at the edge: it must not press the others flat.
  const [low, high] = range(passed.length ? [...passed, ...least, ...most, ...bound].filter((value) => value !== null) : values.filter((value) => value !== null));
  const x = (index) => SMALL.left + (width - SMALL.left - SMALL.right) * (index + 0.5) / count;
  const y = (value) => Math.round(10 * (floor - (floor - SMALL.top) * (Math.max(low, Math.min(high, value)) - low) / (high - low))) / 10;
  const point = (index, value) => `${x(index).toFixed(1)} ${y(value)}`;
  const known = values.map((_, index) => index).filter((index) => values[index] !== null);
  const svg = s("svg", { width, height: SMALL.height, "aria-hidden": true },
    s("g", { class: "grid" }, FIGURES[name].ticks(low, high).map(([value, word]) => [
      s("line", { x1: SMALL.left, x2: width - SMALL.right, y1: y(value), y2: y(value) }),
      s("text", { x: SMALL.left - 8, y: y(value) + 4, "text-anchor": "end" }, word)])),
    days(data, x, floor, width),
    s("path", { class: "band", d: area(most, least, point) }),
    s("path", { class: "bound", d: line(bound, point) }),
    s("path", { class: "median", d: line(before, point) }),
    s("path", { class: "run", d: known.filter((index) => !failed.has(index)).map((index, i) => `${i ? "L" : "M"}${point(index, values[index])}`).join("") }),
    count <= 80 ? known.filter((index) => !failed.has(index)).map((index) => s("circle", { class: "run", cx: x(index), cy: y(values[index]), r: 2 })) : null,
    marks.filter(([index]) => values[index] !== null).map(([index, kind]) => s("path", { class: `mark ${kind}`, d: shape(kind, x(index), y(values[index])) })),
    named(chart, x, y, width),
    s("g", { class: "cursor" }));
  const at = (event) => Math.max(0, Math.min(count - 1, Math.floor((event.clientX - svg.getBoundingClientRect().left - SMALL.left) / (width - SMALL.left - SMALL.right) * count)));
  svg.addEventListener("pointermove", (event) => choose(at(event)));
  svg.addEventListener("pointerdown", (event) => choose(at(event), true));
  svg.addEventListener("pointerleave", () => choose(null));
  canvas.replaceChildren(svg);
  Object.assign(chart, { x, y, floor, svg });
  cursor(chart);
}

// A line with gaps where nothing is known; what is kept of one is the same for all.
function line(series, point) {
  let path = "", pen = "M";
  series.forEach((value, index) => {
    if (value === null) { pen = "M"; return; }
    path += pen + point(index, value);
    pen = "L";
  });
  return path;
}
function area(most, least, point) {
  let path = "", from = null;
  const close = (to) => {
    if (from === null) return;
    const there = [], back = [];
    for (let index = from; index < to; index++) { there.push(point(index, most[index])); back.unshift(point(index, least[index])); }
    path += `M${there.join("L")}L${back.join("L")}Z`;
    from = null;
  };
  most.forEach((value, index) => { if (value === null) close(index); else from ??= index; });
  close(most.length);
  return path;
}

// Shapes differ as well as colours: a triangle that points up, a cross.
const shape = (kind, x, y) => kind === "grew" ? `M${x - 5} ${y + 4}h10l-5-9Z` : `M${x - 4} ${y - 4}l8 8m0-8l-8 8`;

function days(data, x, floor, width) {
  const last = data.at.length - 1, most = Math.max(1, Math.floor((width - SMALL.left) / 110));
  const places = [...new Set(Array.from({ length: Math.min(most, last + 1) }, (_, i) => Math.round(last * i / Math.max(1, Math.min(most, last + 1) - 1))))];
  const isOneDay = stamp(data.at[0]).slice(0, 10) === stamp(data.at[last]).slice(0, 10);
  const word = (minutes) => isOneDay ? stamp(minutes).slice(11, 16) : stamp(minutes).slice(0, 10);
  return s("g", { class: "days" }, places.map((index, i) => s("text", { x: last ? x(index) : x(0), y: floor + 18,
    "text-anchor": !last ? "middle" : i === 0 ? "start" : i === places.length - 1 ? "end" : "middle" }, word(data.at[index]))));
}
const stamp = (minutes) => new Date(minutes * 60000).toISOString();

// Who grew stands at the newest mark: the crate or the program's work, without the program where there is both.
function named({ marks, values, name }, x, y, width) {
  const mark = marks.findLast(([index, , , who]) => who && values[index] !== null);
  if (!mark) return null;
  const at = x(mark[0]), isRight = at > (width + SMALL.left) / 2, high = y(values[mark[0]]);
  return s("text", { class: `who ${mark[1]}`, x: at + (isRight ? -10 : 10), y: Math.max(12, high + (high < 40 ? 4 : -8)), "text-anchor": isRight ? "end" : "start" },
    clipped(mark[3].replace(/^\S+ --crate-name /, ""), (isRight ? at - SMALL.left : width - at) - 24));
}

function cursor({ svg, x, y, floor, values, at }) {
  if (!svg || at === null) return;
  find(".cursor", svg).replaceChildren(s("line", { x1: x(at), x2: x(at), y1: SMALL.top - 6, y2: floor }),
    values[at] === null ? "" : s("circle", { cx: x(at), cy: y(values[at]), r: 6.5 }));
}
