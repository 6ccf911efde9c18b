// One build, opened: where it stands, its charts, and all its runs in a table.

let view = null, names = null;
const nameOf = (number) => number === null ? "" : (names ??= JSON.parse(find("#names").textContent).names)[number];
const when = (minutes) => stamp(minutes).slice(0, 16).replace("T", " ");

// What the page has is the step from each number to the next.
function summed(steps) {
  let sum = 0;
  return steps.map((step) => step === null ? null : sum += step);
}
const each = (object, change) => Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));

function buildView(told, key) {
  const data = { ...told, ...each({ at: told.at, run: told.run, commit: told.commit }, summed),
    figures: each(told.figures, summed), band: each(told.band, (series) => series.map(summed)) };
  const chosen = h("p", { class: "chosen", "aria-live": "polite" }), last = data.at.length - 1;
  const charts = chartsOf(data, (index, isKept) => {
    if (isKept) view.kept = index;
    point(index ?? view.kept);
  });
  charts.group.addEventListener("keydown", keyed);
  const why = new Map(data.marks.map(([index, kind, words]) => [index, { kind, words }]));
  view = { data, key, charts, chosen, why, marked: data.marks.map(([index]) => index), kept: last, at: last };
  return [
    navigation(),
    h("header", {}, h("h1", { tabindex: -1 }, data.id), h("p", { class: `badge ${data.family}` }, h("i", { "aria-hidden": true }), data.outcome),
      h("p", { class: "sub of" }, `${data.image} · ${data.machine}`)),
    data.why.length ? h("section", { class: `verdict ${data.family}` }, h("p", { class: "summary" }, data.why.join("\n"))) : null,
    h("section", {}, h("h2", {}, "Over its runs"), chosen, charts.group,
      h("ul", { class: "legend" }, h("li", {}, h("span", { class: "key curve" }), "runs that passed"), h("li", {}, h("span", { class: "key median" }), "median of those before"),
        h("li", {}, h("span", { class: "key band" }), "what they lie between"), h("li", {}, h("span", { class: "key bound" }), "above this it grew"),
        h("li", {}, h("span", { class: "key grew" }), "grew"), h("li", {}, h("span", { class: "key failed" }), "failed"), h("li", {}, "No axis begins at zero."))),
    section("Runs", runs(data, key, why)),
    h("p", { class: "keys" }, key_("Esc"), " all builds ", key_("j"), " ", key_("k"), " next, previous ", key_("n"), " ", key_("p"), " runs that are marked ", key_("←"), " ", key_("→"), " run by run"),
  ];
}

function runs(data, key, why) {
  const figure = (name, index) => {
    const value = data.figures[name][index], { means, words } = FIGURES[name];
    return value === null ? "unknown" : words(means(value));
  };
  const lines = data.at.map((minutes, index) => {
    const mark = why.get(index), run = nameOf(data.run[index]), commit = nameOf(data.commit[index]);
    const state = mark ? [h("b", { class: mark.kind }, mark.kind), ` ${mark.words.join("; ")}`] : data.band.peak[0][index] === null && data.band.time[0][index] === null ? "new" : "";
    return [h("a", { href: `#${key}:${encodeURIComponent(run)}` }, when(minutes)), run, commit,
      ...["peak", "charged", "time", "cpu", "size"].map((name) => figure(name, index)), state];
  });
  return table("", ["when (UTC)", "run", "commit", "demanded#", "charged#", "wall time#", "CPU time#", "output#", "what became of it"], lines.reverse(), "runs-table");
}

function point(index) {
  view.at = index;
  view.charts.point(index);
  const { data, chosen, why } = view, mark = why.get(index), commit = nameOf(data.commit[index]);
  chosen.replaceChildren(h("b", {}, when(data.at[index])), ` run ${nameOf(data.run[index])}${commit ? `, commit ${commit}` : ""}`,
    mark && !(index === data.at.length - 1 && data.why.length) ? h("span", { class: "mark" }, h("b", { class: mark.kind }, mark.kind), ` ${mark.words.join("; ")}`) : "");
}

const viewed = () => point(view.kept);

function keyed(event) {
  const last = view.data.at.length - 1;
  const to = { ArrowRight: view.at + 1, ArrowLeft: view.at - 1, Home: 0, End: last, PageDown: view.at + 20, PageUp: view.at - 20 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  view.kept = Math.max(0, Math.min(last, to));
  point(view.kept);
}

function goToPlace(place) {
  const index = view.data.run.findIndex((number) => encodeURIComponent(nameOf(number)) === place);
  if (index < 0) return;
  view.kept = index;
  point(index);
  view.charts.group.focus({ preventScroll: true });
  view.chosen.scrollIntoView({ block: "nearest" });
}

function nextMark(by) {
  const { marked, at, data, key } = view;
  if (!marked.length) return;
  const next = by > 0 ? marked.find((index) => index > at) ?? marked[0] : marked.findLast((index) => index < at) ?? marked.at(-1);
  const run = encodeURIComponent(nameOf(data.run[next]));
  if (location.hash === `#${key}:${run}`) goToPlace(run);
  else location.hash = `${key}:${run}`;
}
