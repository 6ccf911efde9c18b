"""The trend as a person uses it: found by typing, opened, read run by run, on a desk and on a phone."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.browser.chromium import Tab
from tests.unit.test_baseline import BEGAN, MIB, ONE, RUSTC
from tests.unit.test_report import HOSTILE

from buildproof.baseline import History, Measured, Metric, parse_thresholds
from buildproof.hostile import harmless
from buildproof.plugin_live import say
from buildproof.trend import draw
from buildproof.units import duration, size
from buildproof.verdict import Outcome

FAIL_ON = parse_thresholds(["peak:10%,time:25%,size:5%"])
DAYS = 30
GREW_FROM, DIED_ON = 28, 12
SHOWN = """[...document.querySelectorAll('#builds tbody tr')].filter(row => !row.hidden)
           .map(row => row.querySelector('a').textContent)"""


def runs(build: str, *, days: int = DAYS, seed: int = 0) -> list[Measured]:
    """Runs that differ by no more than noise."""
    noise = random.Random(seed)  # noqa: S311 (no secret)
    base = noise.randint(80, 900)
    return [
        replace(
            ONE, build=build, run=f"{build}-{day}", at=BEGAN + timedelta(days=day), commit=f"{day:040x}",
            peak=round(base * MIB * noise.uniform(0.99, 1.01)), charged=2 * base * MIB,
            time=round(noise.uniform(58, 62), 1), cpu=round(noise.uniform(88, 92), 1), size=5 * MIB + day,
            held={RUSTC: 60 * MIB},
        )
        for day in range(days)
    ]  # fmt: skip


STEADY = runs("steady-linux", seed=1)
REFUSED = {Metric.PEAK: "peak:10%"}
HUNGRY = [
    replace(line, peak=round((line.peak or 0) * 1.35), held={RUSTC: 130 * MIB}, over=REFUSED)
    if day >= GREW_FROM
    else line
    for day, line in enumerate(runs("hungry-linux", seed=2))
]
DIED = [
    replace(line, outcome=Outcome.OUT_OF_MEMORY, culprit=f"{RUSTC} (pid 7)", peak=6144 * MIB, size=None)
    if day == DIED_ON
    else line
    for day, line in enumerate(runs("died-linux", seed=3))
]
STRANGE = replace(ONE, build=HOSTILE, image=HOSTILE, run=HOSTILE, held={HOSTILE: 1})


@pytest.fixture(scope="session")
def trend(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a history with a build that grew, one that died once, one that did neither, and a strange one."""
    file = tmp_path_factory.mktemp("trend") / "trend.html"
    file.write_text(draw(History([*STEADY, *HUNGRY, *DIED, STRANGE]), FAIL_ON), "utf-8")
    return file


@pytest.fixture
def opened(tab: Tab, trend: Path) -> Iterator[Tab]:
    tab.open(trend)
    yield tab


def ids(tab: Tab) -> list[str]:
    """The builds that the overview shows, from the top."""
    return list(tab.eval(SHOWN))


def see(tab: Tab, build: str) -> None:
    """Open a build, and wait for its charts."""
    tab.eval(f"location.hash = '{build}'")
    tab.until("document.querySelectorAll('.charts svg').length === 5")


def test_what_grew_stands_first_with_who_grew(opened: Tab) -> None:
    assert opened.text("h1") == "1 of 4 builds grew"
    assert ids(opened) == ["hungry-linux", harmless(HOSTILE), "died-linux", "steady-linux"]
    row = opened.text("#builds tbody tr")
    for told in ("grew", size(HUNGRY[-1].peak), f"{RUSTC}: 130 MiB, before 60 MiB", "30", "2026-03-30"):
        assert told in row, told
    assert opened.eval("document.querySelectorAll('#builds tbody tr')[0].querySelectorAll('.dot.grew').length") == 1


def test_builds_are_filtered_by_words_and_by_where_they_stand(opened: Tab) -> None:
    opened.press("/", *"heavy before")
    assert ids(opened) == ["hungry-linux"]
    opened.press("Escape")
    opened.click("[data-outcome='as before'].chip")
    assert ids(opened) == ["died-linux", "steady-linux"]
    assert opened.text("#count") == "2 of 4 builds"


def test_builds_are_sorted_by_how_much_they_changed(opened: Tab) -> None:
    opened.click("th[data-key=peak] button")
    assert ids(opened)[0] == "hungry-linux"
    opened.click("th[data-key=runs] button")
    opened.click("th[data-key=runs] button")
    assert ids(opened)[0] == harmless(HOSTILE)


def test_a_build_opens_to_its_charts_with_the_mark_at_what_grew(opened: Tab) -> None:
    opened.click("a[href='#hungry-linux']")
    opened.until("document.querySelectorAll('.charts svg').length === 5")
    assert opened.text("#build h1") == "hungry-linux"
    assert opened.text(".verdict").splitlines()[-1] == f"who grew: {RUSTC}: 130 MiB, before 60 MiB"
    assert opened.eval("[...document.querySelectorAll('.charts h3')].map(head => head.textContent)") == [
        f"memory demanded {size(HUNGRY[-1].peak)}", f"wall time {duration(HUNGRY[-1].time)}",
        f"output size {size(HUNGRY[-1].size)}", f"memory charged {size(HUNGRY[-1].charged)}",
        f"CPU time {duration(HUNGRY[-1].cpu)}",
    ]  # fmt: skip
    peak = "document.querySelector('.charts figure')"
    assert opened.eval(f"{peak}.querySelectorAll('.mark.grew').length") == DAYS - GREW_FROM
    assert opened.eval(f"{peak}.querySelector('.who').textContent") == "heavy"
    assert opened.eval("document.querySelectorAll('.charts .mark').length") == DAYS - GREW_FROM, "nothing else grew"
    box = "getBoundingClientRect()"
    mark, line = (f"{peak}.querySelector('{of}').{box}" for of in ("path.mark", "path.run"))
    assert opened.eval(f"{mark}.left > {line}.left + {line}.width * 0.8 && {line}.height > 40")


def test_charts_are_read_run_by_run_without_a_mouse(opened: Tab) -> None:
    see(opened, "hungry-linux")
    opened.eval("document.querySelector('.charts').focus()")

    def chosen() -> tuple[str, str, int]:
        head = opened.text(".charts h3").removeprefix("memory demanded ")
        return opened.text(".chosen"), head, opened.eval("document.querySelectorAll('.cursor line').length")

    for keys, day in ((["Home"], 0), (["ArrowRight", "ArrowRight"], 2), (["ArrowLeft"], 1), (["End", "ArrowLeft"], 28)):
        opened.press(*keys)
        told, head, cursors = chosen()
        assert f"run hungry-linux-{day}, commit {f'{day:040x}'[:10]}" in told
        assert (head, cursors) == (size(HUNGRY[day].peak), 5)
    assert f"who grew: {RUSTC}" in opened.text(".chosen")


def test_marks_are_gone_to_one_after_the_other(opened: Tab) -> None:
    see(opened, "died-linux")
    opened.press("n")
    opened.until(f"document.querySelector('.chosen').textContent.includes('died-linux-{DIED_ON}')")
    assert f"failed out-of-memory: {RUSTC} (pid 7)" in opened.text(".chosen")
    assert opened.eval("location.hash") == f"#died-linux:died-linux-{DIED_ON}"
    assert opened.text(".charts h3") == "memory demanded 6 GiB"
    across = "document.querySelector('.charts path.run').getBoundingClientRect().height"
    assert opened.eval(across) > 5, "what it held presses nothing flat"


def test_the_table_has_every_run_and_leads_to_it(opened: Tab) -> None:
    see(opened, "died-linux")
    rows = opened.eval(
        "[...document.querySelectorAll('.runs-table tbody tr')].map(row => [...row.cells].map(c => c.textContent))"
    )
    assert len(rows) == DAYS
    assert [row[1] for row in rows] == [line.run for line in reversed(DIED)]
    for row, line in zip(rows, reversed(DIED), strict=True):
        assert row[3:8] == [
            size(line.peak),
            size(line.charged),
            duration(line.time),
            duration(line.cpu),
            size(line.size),
        ]
    opened.click(f"a[href='#died-linux:died-linux-{DIED_ON}']")
    opened.until(f"document.querySelector('.chosen').textContent.includes('died-linux-{DIED_ON}')")
    assert opened.eval("document.activeElement.className") == "charts"


def test_a_run_is_chosen_by_pointing_and_kept_by_clicking(opened: Tab) -> None:
    see(opened, "steady-linux")
    opened.click(".charts figure:nth-child(2) svg")
    kept = opened.text(".chosen")
    assert f"run steady-linux-{DAYS - 1}," not in kept
    opened.call("Input.dispatchMouseEvent", type="mouseMoved", x=3, y=3)
    assert opened.text(".chosen") == kept


def test_texts_of_a_project_stay_texts(opened: Tab) -> None:
    opened.click("tr[data-outcome=new] a")
    opened.until("document.querySelector('#build h1')")
    assert opened.text("#build h1") == harmless(HOSTILE)
    assert harmless(HOSTILE) in opened.text(".runs-table")
    assert opened.eval("document.querySelectorAll('img').length") == 0


@pytest.mark.parametrize("width", [400, 320])
def test_nothing_is_wider_than_a_phone(opened: Tab, width: int) -> None:
    opened.look(width, 800)
    wider = "document.documentElement.scrollWidth > innerWidth"
    assert not opened.eval(wider)
    for build in ("hungry-linux", "died-linux", "steady-linux"):
        see(opened, build)
        assert not opened.eval(wider), build


def test_ink_and_ground_change_with_the_colours_that_a_person_prefers(opened: Tab) -> None:
    def brightness(of: str) -> int:
        return sum(opened.eval(f"getComputedStyle(document.body).{of}.match(/\\d+/g).map(Number)")[:3])

    assert brightness("backgroundColor") > brightness("color")
    opened.look(1400, 900, dark=True)
    assert brightness("backgroundColor") < brightness("color")


def test_a_thousand_builds_with_two_hundred_runs_each_are_found_by_typing(
    tab: Tab, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    page = tmp_path / "trend.html"
    history = History(line for n in range(1000) for line in runs(f"build-{n:04}-linux", days=200, seed=n))
    began = time.monotonic()
    page.write_text(draw(history, FAIL_ON), "utf-8")
    drawn_s = time.monotonic() - began
    began = time.monotonic()
    tab.open(page)
    tab.press("/", *"0777")
    assert ids(tab) == ["build-0777-linux"]
    filtered_s = time.monotonic() - began
    tab.press("Enter")
    tab.until("document.querySelectorAll('.charts svg').length === 5")
    opened_s = time.monotonic() - began
    usable_ms = tab.eval("performance.getEntriesByName('usable')[0].startTime")
    drawn = f"{page.stat().st_size / 1e6:.1f} MB with 200,000 runs, drawn in {drawn_s:.0f} s"
    told = f"usable after {usable_ms:.0f} ms, filtered by typing after {filtered_s:.2f} s"
    say(pytestconfig, f"{drawn}: {told}, one opened after {opened_s:.2f} s")
    assert tab.eval("document.querySelectorAll('.runs-table tbody tr').length") == 200
