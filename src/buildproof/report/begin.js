// The page begins when all that it is made of was read.

for (const hidden of ["#filters", ".keys"]) find(hidden).hidden = false;
text.addEventListener("input", filter);
find("#filters").addEventListener("submit", (event) => event.preventDefault());
for (const chip of chips) chip.addEventListener("click", () => { chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true")); filter(); });
for (const head of all("#builds thead th")) find("button", head).addEventListener("click", () => sort(head));
body.addEventListener("click", (event) => {
  const row = event.target.closest("tr");
  if (row && !event.target.closest("a") && !getSelection().toString()) goTo(keyOf(row));
});
addEventListener("hashchange", route);
filter();
route();
performance.mark("usable");
