// One build, opened: the verdict first, then what it rests on.

let numbered = new Map(), marked = [], markAt = -1;

function buildView(data, key) {
  const verdict = data.verdict, chart = data.chart ? chartView(data.chart) : null;
  const log = logView(data, key); // first: it knows which lines can be gone to
  return [
    navigation(),
    h("header", {}, h("h1", { tabindex: -1 }, data.id),
      verdict ? h("p", { class: `badge ${verdict.family}` }, h("i", { "aria-hidden": true }), verdict.outcome, verdict.cause && verdict.cause !== verdict.outcome ? h("small", {}, verdict.cause) : "") : null),
    verdict ? verdictView(verdict, key, chart) : h("p", {}, "This build was not run to its end: there is no verdict."),
    section("Memory over time", chart ?? h("p", { class: "none" }, data.untold), figures(data.figures), phases(data.phases)),
    section("Earlier tries", table("", ["phase", "ran#", "trouble", "what", "waited#"], data.attempts)),
    section("Log", log),
    section("Processes", deaths("ended by a signal", data.casualties, chart), processes("largest", data.largest, true),
      processes("still alive when the command had ended", data.leftover, false), deaths("ended with a status other than 0", data.failed, chart)),
    section("Artifacts", data.artifacts.map(artifact)),
    section("Space", mounts(data)),
    section("Limits", limits(data.limits)),
    section("What was claimed", claims(data.claims)),
    section("Run it by hand", data.reproduce ? h("pre", { class: "paste", tabindex: 0 }, data.reproduce) : null, pairs([["run", data.run], ...data.origin])),
    h("p", { class: "keys" }, key_("Esc"), " all builds ", key_("j"), " ", key_("k"), " next, previous ", key_("n"), " ", key_("p"), " telling lines of the log"),
  ];
}
function verdictView(verdict, key, chart) {
  const clue = ({ grade, at, moment: when, text, line }) => h("tr", {},
    h("td", { class: "grade" }, grade),
    h("td", { class: "number" }, when && chart ? momentButton(when, at, chart) : when),
    h("td", {}, numbered.has(line) ? [h("a", { href: `#${key}:${line}` }, `log line ${line}`), text.replace(/^log line \d+/, "")] : text));
  return h("section", { class: `verdict ${verdict.family}` },
    h("p", { class: "summary" }, prose(verdict.summary)),
    verdict.evidence.length ? h("table", { class: "evidence", "aria-label": "what that rests on" }, h("tbody", {}, verdict.evidence.map(clue)))
      : h("p", { class: "sub" }, `grade ${verdict.grade}`),
    verdict.contradictions.map((words) => h("p", { class: "but" }, h("b", {}, "But "), prose(words))),
    verdict.advice.length ? h("div", { class: "next" }, h("b", {}, "Next"), h("ol", {}, verdict.advice.map((words) => h("li", {}, prose(words))))) : null);
}

const momentButton = (words, at, chart) => h("button", { type: "button", class: "moment", title: "show in the chart", onclick: () => chart.pointTo(at) }, words);

const figures = (lines) => h("dl", { class: "figures" }, lines.map(([name, value, beside]) => h("div", {}, h("dt", {}, name), h("dd", {}, value, beside ? h("small", {}, beside) : ""))));

function phases(lines) {
  if (!lines.length) return null;
  const bar = h("div", { class: "phases", "aria-hidden": true });
  for (const [name, seconds] of lines) {
    const part = h("span", { class: `phase ${name}` });
    part.style.flexGrow = Math.max(seconds, 0.001);
    bar.append(part);
  }
  return [h("h3", {}, "Where the time went"), bar, h("ul", { class: "legend" }, lines.map(([name, , words]) => h("li", {}, h("span", { class: `key phase ${name}` }), `${name} ${words}`)))];
}

function deaths(caption, ends, chart) {
  return table(caption, ["at#", "process", "how it ended", "lived#", "pid#", "parent#"], ends.map((end) => [
    chart ? momentButton(end.moment, end.at, chart) : end.moment, command(end), [end.how, end.cut.map((cut) => h("small", {}, cut))], end.lived, String(end.pid), String(end.parent)]));
}

function processes(caption, lines, share) {
  const bar = (process) => {
    const filled = s("rect", { class: "demand", width: `${process.share * 100}%`, height: 8, rx: 2 });
    return s("svg", { width: "100%", height: 8, "aria-hidden": true }, filled);
  };
  return table(caption, ["process", ...share ? [""] : [], "resident#", "address space#", "pid#"],
    lines.map((process) => [command(process), ...share ? [bar(process)] : [], process.rss, process.address_space, String(process.pid)]), share ? "bars" : "");
}

function command({ work, command: line }) {
  return line && line !== work ? h("details", { class: "command" }, h("summary", {}, work), h("code", {}, line)) : work;
}

function limits(lines) {
  return table("", ["limit", "asked#", "kernel#", "", "why"], lines.map(([name, asked, got, state, why]) =>
    [name, asked, got, h("span", { class: state === "in force" ? "yes" : "no" }, state), prose(why)]), "limits");
}

function mounts({ mounts: lines, space }) {
  return table("", ["mount", "free over time", "size#", "least free#", "at#", "inodes left#"], lines.map((mount) => [
    [mount.mount, mount.kind ? h("small", {}, mount.kind) : ""],
    space.free?.[mount.mount] ? sparkline(space.t, space.free[mount.mount], mount.bytes) : h("small", {}, "did not change"),
    mount.size, h("span", { class: mount.used > 0.98 ? "no" : "" }, mount.least), mount.moment, mount.inodes]), "bars");
}

function artifact({ path, size: bytes, sha256, kind, checks, passed, idle, started }) {
  const of = (status) => checks.filter((check) => check.status === status);
  const line = (check) => h("li", { class: check.status }, h("code", {}, check.id), " ", check.message,
    check.values ? h("small", {}, check.values) : "", check.mend ? h("small", { class: "mend" }, prose(check.mend)) : "");
  const sound = `${passed} checks passed, ${idle} do not apply`;
  const quiet = [...of("pass"), ...of("not-applicable")];
  return h("article", {}, h("h3", {}, path), h("p", { class: "sub" }, `${bytes} · ${kind}`, sha256 ? [" · SHA-256 ", h("code", {}, sha256)] : ""),
    h("ul", { class: "checks" }, [...of("fail"), ...of("warning")].map(line)),
    started ? h("p", { class: started.ok ? "yes" : "no" }, started.how, " ", h("small", {}, `${started.command} in ${started.image}`)) : null,
    started?.stdout ? h("pre", {}, started.stdout) : null,
    quiet.length ? h("details", {}, h("summary", {}, sound), h("ul", { class: "checks" }, quiet.map(line))) : h("p", { class: "sub" }, sound));
}

const claims = (lines) => table("", ["claim", "", "why"], lines.map(([claim, answer, why]) => [claim, h("span", { class: { held: "yes", broken: "no" }[answer] ?? "undecided" }, answer), prose(why)]), "claims");

// -- the log -------------------------------------------------------------------------------------------------------

function logView({ log, marks }, key) {
  numbered = new Map();
  marked = Object.keys(marks).map(Number);
  markAt = -1;
  if (!log.parts.length) return log.name ? h("p", { class: "none" }, "The log is empty.") : null;
  let expected = 1;
  const lines = log.parts.map(([from, texts]) => {
    const left = from === null ? 0 : from - expected;
    const block = texts.map((words, i) => {
      const number = from === null ? null : from + i, kinds = marks[number];
      const line = h("div", { class: kinds ? "line mark" : "line", tabindex: kinds ? 0 : null },
        h("span", { class: "n" }, number === null ? "" : String(number)), h("span", {}, words || " "), kinds ? h("span", { class: "kind" }, kinds.join(", ")) : "");
      if (number !== null) numbered.set(number, line);
      return line;
    });
    expected = (from ?? 1) + texts.length;
    return [left > 0 ? h("div", { class: "left" }, `${left.toLocaleString("en")} lines left out`) : "", block];
  });
  marked = marked.filter((number) => numbered.has(number)).sort((a, b) => a - b);
  const about = log.total === null ? "The last lines that the record keeps." : `${log.name}, ${log.total.toLocaleString("en")} lines. `;
  return [h("p", { class: "sub" }, about, log.href ? h("a", { href: log.href }, "the whole file") : ""),
    marked.length ? h("p", { class: "sub" }, "Telling lines: ", marked.map((number) => [h("a", { href: `#${key}:${number}` }, String(number)), " ", h("span", { class: "kind" }, marks[number].join(", ")), " "])) : null,
    h("div", { class: "log", tabindex: 0, role: "region", "aria-label": "the log" }, lines)];
}

// The log stands at the line that the verdict names, else at its first telling line, or at its end.
function viewed({ verdict }) {
  const named = verdict?.evidence.find((clue) => numbered.has(clue.line))?.line;
  const box = find(".log", page), line = numbered.get(named ?? marked[0]);
  if (box) box.scrollTop = line ? line.offsetTop - box.offsetTop - box.clientHeight / 2 : box.scrollHeight;
}

function goToPlace(place) {
  const number = +place, line = numbered.get(number);
  if (!line) return;
  all(".line.here", page).forEach((other) => other.classList.remove("here"));
  line.classList.add("here");
  line.scrollIntoView({ block: "center" });
  line.tabIndex = line.classList.contains("mark") ? 0 : -1;
  line.focus({ preventScroll: true });
  markAt = marked.indexOf(number);
}

function nextMark(by) {
  if (!marked.length) return;
  markAt = (Math.max(markAt, by > 0 ? -1 : 0) + by + marked.length) % marked.length;
  const here = `${open}:${marked[markAt]}`;
  if (location.hash === `#${here}`) goToPlace(marked[markAt]);
  else location.hash = here;
}
