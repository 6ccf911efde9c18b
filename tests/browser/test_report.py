"""The report as a person uses it: found, opened, read, with the mouse and without, on a desk and on a phone."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.browser.chromium import Tab
from tests.browser.conftest import RUN as FOLDER

from buildproof.plugin_live import say
from buildproof.record import RunRecord, dump, load
from buildproof.report import read_runs, write
from buildproof.report.sources import RECORD
from buildproof.units import duration, size
from buildproof.verdict import Outcome

RUN = load(FOLDER / RECORD)
KILLED = next(build for build in RUN.builds if build.verdict and build.verdict.outcome is Outcome.OUT_OF_MEMORY)
BUS_ERROR = next(build for build in RUN.builds if build.verdict and build.verdict.outcome is Outcome.SIGBUS)
SHOWN = """[...document.querySelectorAll('#builds tbody tr')].filter(row => !row.hidden)
           .map(row => row.querySelector('a').textContent)"""


def ids(tab: Tab) -> list[str]:
    """The builds that the overview shows, from the top."""
    return list(tab.eval(SHOWN))


@pytest.fixture
def opened(tab: Tab, page: Path) -> Iterator[Tab]:
    tab.open(page)
    yield tab


def test_the_page_says_what_became_of_all_and_lists_every_build(opened: Tab) -> None:
    assert opened.text("h1") == "4 of 6 builds failed, 1 proved nothing, 2 not run"
    assert sorted(ids(opened)) == sorted(build.id for build in RUN.builds)
    assert "failed" in opened.eval("document.title")


def test_builds_are_filtered_by_words_and_by_outcome(opened: Tab) -> None:
    opened.click("#text")
    opened.press(*"OUT-OF limit")
    assert ids(opened) == [KILLED.id]
    assert opened.text("#count") == f"1 of {len(RUN.builds)} builds"
    opened.press("Escape")
    assert len(ids(opened)) == len(RUN.builds)
    opened.click("[data-outcome=sigbus].chip")
    assert ids(opened) == [BUS_ERROR.id]
    opened.click("[data-outcome=out-of-memory].chip")
    assert set(ids(opened)) == {BUS_ERROR.id, KILLED.id}
    opened.click("#text")
    opened.press(*"no such build")
    assert ids(opened) == []
    assert opened.text("#count") == f"0 of {len(RUN.builds)} builds"


def test_builds_are_sorted_by_any_column_both_ways(opened: Tab) -> None:
    peaks = {build.id: build.memory.demand_peak or -1 for build in RUN.builds}
    by_peak = sorted(peaks.values(), reverse=True)
    opened.click("th[data-key=demand] button")
    assert [peaks[name] for name in ids(opened)] == by_peak
    assert opened.eval("document.querySelector('th[data-key=demand]').ariaSort") == "descending"
    opened.click("th[data-key=demand] button")
    assert [peaks[name] for name in ids(opened)] == by_peak[::-1]
    opened.click("th[data-key=name] button")
    assert ids(opened) == sorted(peaks)


def test_a_build_opens_to_its_verdict_with_all_that_it_rests_on(opened: Tab) -> None:
    opened.click(f"a[href='#{KILLED.id}']")
    opened.until("!document.querySelector('#build').hidden")
    assert KILLED.verdict
    assert opened.text("#build h1") == KILLED.id
    assert opened.text(".summary") == KILLED.verdict.summary
    shown = opened.text("#build")
    for told in (*KILLED.verdict.advice, *(clue.text for clue in KILLED.verdict.evidence), "SIGKILL", "in force"):
        assert told.replace("`", "") in shown, told
    assert opened.eval("document.activeElement.tagName") == "H1"
    opened.eval("history.back()")
    opened.until("document.querySelector('#build').hidden")
    assert opened.eval("document.activeElement.textContent") == KILLED.id, "where the reader was before"


def test_the_chart_shows_the_curve_its_limit_and_the_moment_of_death(opened: Tab) -> None:
    opened.click(f"a[href='#{KILLED.id}']")
    opened.until("document.querySelector('.chart svg .mark')")
    assert f"limit {size(KILLED.memory.limit)}" in opened.text(".chart svg")
    assert f"peak {size(KILLED.memory.demand_peak)}" in opened.text(".chart svg")
    assert "SIGKILL" in opened.text(".mark.death")
    across = "document.querySelector('{}').getBoundingClientRect()"
    curve, death = (
        opened.eval(f"{across.format(of)}.toJSON()") for of in (".chart g.demand .line", ".mark.death line")
    )
    assert curve["width"] > 600
    assert curve["height"] > 60
    assert curve["left"] < death["left"] <= curve["right"] + 30


def test_the_chart_is_read_moment_by_moment_with_the_keyboard(opened: Tab) -> None:
    opened.click(f"a[href='#{KILLED.id}']")
    opened.until("document.querySelector('.chart svg')")
    opened.eval("document.querySelector('.chart svg').focus()")
    opened.press("Home")
    first = opened.text(".readout")
    opened.press("End")
    last = opened.text(".readout")
    assert "demanded" in first
    assert first != last
    opened.press("ArrowLeft")
    assert opened.text(".readout") not in {first, last}


def test_a_moment_of_the_evidence_is_shown_in_the_chart(opened: Tab) -> None:
    opened.click(f"a[href='#{KILLED.id}']")
    opened.until("document.querySelector('.evidence .moment')")
    opened.click(".evidence .moment")
    assert opened.eval("document.querySelectorAll('.chart .cursor line').length") == 1


def test_the_telling_line_of_the_log_is_marked_and_reached_from_the_verdict(opened: Tab) -> None:
    opened.click(f"a[href='#{BUS_ERROR.id}']")
    opened.until("document.querySelector('.log .line.mark')")
    marked = opened.eval("[...document.querySelectorAll('.log .line.mark .n')].map(number => +number.textContent)")
    assert marked == sorted({finding.line for finding in BUS_ERROR.findings})
    followed = opened.text(".evidence a").removeprefix("log line ")
    seen = f"""(box => [...box.querySelectorAll('.mark')].filter(line => {{
        const [outer, inner] = [box, line].map(e => e.getBoundingClientRect());
        return inner.top >= outer.top && inner.bottom <= outer.bottom; }})
        .some(line => line.querySelector('.n').textContent === '{followed}'))(document.querySelector('.log'))"""
    assert opened.eval(seen), "the log stands at the line that the verdict names"
    opened.click(".evidence a")
    opened.until("document.querySelector('.line.here')")
    assert opened.text(".line.here .n") == followed
    assert "ld terminated with signal 7 [Bus error]" in opened.text(".line.here")
    assert opened.eval("document.activeElement.className").split() == ["line", "mark", "here"]
    assert opened.eval("(r => r.top >= 0 && r.bottom <= innerHeight)(document.activeElement.getBoundingClientRect())")


def test_the_address_leads_back_to_a_build_and_a_line(tab: Tab, page: Path) -> None:
    tab.open(page)
    line = BUS_ERROR.findings[0].line
    tab.eval(f"location.hash = '{BUS_ERROR.id}:{line}'")
    tab.until("document.querySelector('.line.here')")
    tab.call("Page.reload")
    tab.until("document.readyState === 'complete' && document.querySelector('.line.here')")
    assert tab.text("#build h1") == BUS_ERROR.id
    tab.eval("location.hash = 'no-such-build'")
    tab.until("document.querySelector('#build').hidden")


def test_everything_is_done_without_a_mouse(opened: Tab) -> None:
    order = ids(opened)
    opened.press("/", *BUS_ERROR.id, "ArrowDown")
    assert opened.eval("document.activeElement.textContent") == BUS_ERROR.id
    opened.press("Enter")
    opened.until("!document.querySelector('#build').hidden")
    assert opened.text("#build h1") == BUS_ERROR.id
    opened.press("n")
    opened.until("document.querySelector('.line.here')")
    opened.press("Escape")
    opened.until("document.querySelector('#build').hidden")
    opened.press("Escape", "ArrowUp", "ArrowDown", "ArrowDown")
    opened.eval("document.activeElement.blur()")
    opened.press("j", "j", "k", "Enter")
    opened.until("!document.querySelector('#build').hidden")
    assert opened.text("#build h1") == order[0]
    opened.press("j")
    opened.until(f"document.querySelector('#build h1').textContent === '{order[1]}'")
    opened.press("Tab", "Enter")
    assert opened.eval("document.activeElement.closest('#build section') !== null"), (
        "the heading is where reading goes on"
    )


@pytest.mark.parametrize("width", [390, 320])
def test_nothing_is_wider_than_a_phone(opened: Tab, width: int) -> None:
    opened.look(width, 800)
    wider = "document.documentElement.scrollWidth > innerWidth"
    assert not opened.eval(wider)
    for build in RUN.builds:
        opened.eval(f"location.hash = '{build.id}'")
        opened.until(f"document.querySelector('#build h1')?.textContent === '{build.id}'")
        assert not opened.eval(wider), build.id


def test_on_a_phone_what_is_told_of_a_build_has_one_left_edge_and_its_figures(opened: Tab) -> None:
    opened.look(390, 800)
    row = "document.querySelector('#builds tbody tr')"
    left = f"(part) => {row}.querySelector(part).getBoundingClientRect().left"
    assert len(set(opened.eval(f"['.outcome i', '.name a', '.bar svg'].map({left})"))) == 1
    shown = opened.eval(f"[...{row}.cells].filter((cell) => cell.offsetParent).map((cell) => cell.innerText)")
    assert [words for words in shown if words[:1].isdigit()] == ["4.95 MiB", "0:01"]


def test_how_a_program_ended_and_how_it_was_started_are_two_words(opened: Tab) -> None:
    opened.eval("location.hash = 'packer-windows'")
    opened.until("document.querySelector('#build article .yes')")
    assert " s wine " in opened.text("#build article .yes").replace("\n", " ")


def test_ink_and_ground_change_with_the_colours_that_a_person_prefers(opened: Tab) -> None:
    def brightness(of: str) -> int:
        numbers = opened.eval(f"getComputedStyle(document.body).{of}.match(/\\d+/g).map(Number)")
        return sum(numbers[:3])

    assert brightness("backgroundColor") > brightness("color")
    opened.look(1400, 900, dark=True)
    assert brightness("backgroundColor") < brightness("color")


def test_sizes_and_moments_are_worded_as_everywhere_else(opened: Tab) -> None:
    counts = [0, 1, 999, 1000, 1023, 1024, 10_000, 1 << 20, 1016 << 20, 1023 << 20, 3 << 29, 5 << 40, None]
    assert opened.eval(f"{json.dumps(counts)}.map(size)") == [size(count) for count in counts]
    moments = [0.0, 0.125, 9.97, 59.9, 60.0, 61.2, 3599.4, 3600.0, 7325.0, 60.5, 88.5, 89.5]
    assert opened.eval(f"{json.dumps(moments)}.map(moment)") == [duration(seconds) for seconds in moments]


# -- a thousand builds --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real builds over and over under other names, their files with them."""
    folder = tmp_path_factory.mktemp("thousand")
    builds = []
    for index in range(1000):
        build = RUN.builds[index % len(RUN.builds)]
        (folder / str(index)).mkdir()
        files = {name: Path(str(index), Path(str(name)).name) for name in (build.log, build.timeline) if name}
        for old, new in files.items():
            shutil.copy(FOLDER / old, folder / new)
        log, timeline = (files[name].as_posix() if name else None for name in (build.log, build.timeline))
        other = replace(build, id=f"{build.id}-{index:04}", project=f"{build.project}-{index // 8}")
        builds.append(replace(other, log=log, timeline=timeline))
    record: RunRecord = replace(RUN, builds=tuple(builds))
    (folder / RECORD).write_bytes(dump(record))
    return write(read_runs([folder]), folder / "report.html")


def test_a_thousand_builds_are_found_by_typing(tab: Tab, thousand: Path, pytestconfig: pytest.Config) -> None:
    began = time.monotonic()
    tab.open(thousand)
    tab.press("/", *"0777")
    assert [name[-4:] for name in ids(tab)] == ["0777"]
    filtered_s = time.monotonic() - began
    tab.press("Enter")
    tab.until("document.querySelector('#build h1')")
    opened_s = time.monotonic() - began
    usable_ms = tab.eval("performance.getEntriesByName('usable')[0].startTime")
    told = f"{thousand.stat().st_size / 1e6:.1f} MB with 1,000 builds: usable after {usable_ms:.0f} ms,"
    say(pytestconfig, f"{told} filtered by typing after {filtered_s:.2f} s, one opened after {opened_s:.2f} s")
    assert tab.text("#build h1").endswith("-0777")


def test_a_normal_run_is_a_small_file(page: Path) -> None:
    assert page.stat().st_size < 5_000_000
