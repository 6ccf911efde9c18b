// The overview: filter, sort, choose with the keyboard; and which build the address names. What is seen of a build that
// is open is told by another file: `buildView` makes it, `viewed` comes when it stands in the page, `goToPlace` leads
// to a place in it that the address names, and `nextMark` to the next that is worth a look.

const overview = find("#overview"), page = find("#build");
const body = find("#builds tbody"), rows = all("tr", body);
const text = find("#text"), count = find("#count"), chips = all(".chip");
const linkOf = (row) => find("a", row);
const keyOf = (row) => linkOf(row).getAttribute("href").slice(1);
const shown = () => all("tr", body).filter((row) => !row.hidden);

function filter() {
  const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
  const outcomes = chips.filter((chip) => chip.getAttribute("aria-pressed") === "true").map((c) => c.dataset.outcome);
  let number = 0;
  for (const row of rows) {
    const fits = words.every((word) => (row.words ??= row.textContent.toLowerCase()).includes(word));
    row.hidden = !(fits && (!outcomes.length || outcomes.includes(row.dataset.outcome)));
    number += !row.hidden;
  }
  count.value = number === rows.length ? `${number} builds` : `${number} of ${rows.length} builds`;
}

function sort(head) {
  const key = head.dataset.key;
  const before = head.getAttribute("aria-sort");
  // Figures begin with the largest, names and outcomes with the first.
  const first = key === "name" || key === "rank" ? "ascending" : "descending";
  const order = before ? (before === "ascending" ? "descending" : "ascending") : first;
  for (const other of all("#builds th[aria-sort]")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const value = key === "name" ? (row) => linkOf(row).textContent : (row) => +row.dataset[key];
  const compare = key === "name" ? (a, b) => a.localeCompare(b, "en", { numeric: true }) : (a, b) => a - b;
  body.append(...rows.map((row) => [value(row), row]).sort((a, b) => sign * compare(a[0], b[0])).map(([, row]) => row));
}

function step(by) {
  const visible = shown();
  const at = visible.findIndex((row) => row.contains(document.activeElement));
  const next = visible[at < 0 ? (by > 0 ? 0 : visible.length - 1) : at + by];
  if (next) linkOf(next).focus();
}

// -- which build is open -------------------------------------------------------------------------------------------

// Details come behind this script, in the order of the rows: with a thousand builds the overview need not wait for them.
const places = new Map(rows.map((row, index) => [keyOf(row), index]));
const details = document.getElementsByClassName("details");
let open = null, scrolled = 0;

function addressed() {
  const [key, place] = location.hash.slice(1).split(":");
  return { key: places.has(key) ? key : null, place: place || null };
}
const isRead = (place) => document.readyState !== "loading" || details.length > place + 1;

function route() {
  const { key, place } = addressed();
  if (key !== null && !isRead(places.get(key))) {
    addEventListener("DOMContentLoaded", route, { once: true });
    return;
  }
  if (key !== open) {
    if (open === null) scrolled = scrollY;
    const last = open;
    open = key;
    page.replaceChildren();
    overview.hidden = key !== null;
    page.hidden = key === null;
    document.title = key === null ? titleOfAll : `${decodeURIComponent(key)} · buildproof`;
    if (key === null) {
      const row = rows.find((candidate) => keyOf(candidate) === last);
      scrollTo(0, scrolled);
      if (row) linkOf(row).focus({ preventScroll: true });
    } else {
      const data = JSON.parse(details[places.get(key)].textContent);
      page.append(...buildView(data, key).filter(Boolean));
      viewed(data);
      scrollTo(0, 0);
      find("h1", page).focus({ preventScroll: true });
    }
  }
  if (place) goToPlace(place);
}
const titleOfAll = document.title;

function neighbour(by) {
  const keys = shown().map(keyOf), at = keys.indexOf(open);
  return at < 0 ? null : keys[at + by] ?? null;
}
const goTo = (key) => { if (key !== null) location.hash = key; };

function navigation() {
  const link = (word, to) => to === null ? h("span", { class: "off" }, word) : h("a", { href: `#${to}` }, word);
  return h("nav", {}, link("← all builds", ""), h("span", {}, link("previous", neighbour(-1)), link("next", neighbour(1))));
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const writes = event.target === text;
  const keys = open === null ? {
    "/": () => !writes && text.focus(),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    j: () => !writes && step(1),
    k: () => !writes && step(-1),
    Enter: () => writes && goTo(shown().length ? keyOf(shown()[0]) : null),
    Escape: () => { text.value = ""; filter(); },
  } : {
    Escape: () => goTo(""),
    j: () => goTo(neighbour(1)),
    k: () => goTo(neighbour(-1)),
    n: () => nextMark(1),
    p: () => nextMark(-1),
  };
  // What is not meant here stays what it is: a letter in the field, Enter on a link.
  if (event.key in keys && keys[event.key]() !== false) event.preventDefault();
});
