"""The golden file: what each failing fault's verdict says, word by word, without what differs from run to run.

`verdicts.md` is made from real builds: `UPDATE_GOLDEN=1 ./verify tests/faults` writes it, and a person reads it aloud.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from filelock import FileLock

from buildproof.record import BuildRecord
from buildproof.units import duration, size
from buildproof.verdict import Verdict

FILE = Path(__file__).with_name("verdicts.md")
UPDATE = bool(os.environ.get("UPDATE_GOLDEN"))
TITLE = """\
# What the faults' verdicts say

Made from real builds of `fixtures/faults` by `UPDATE_GOLDEN=1 ./verify tests/faults`, and compared with them by every other run.
Process ids, moments, sizes and counts that were measured are left out; limits, budgets and what follows from them are not.
`or` stands before what is said in place of the line above it on another machine, or on one with other work to do.
"""  # noqa: E501

# What differs from run to run, and what is left of it. What is a limit or a budget of the build `_Normaliser` keeps.
_SIZE = r"\d+(?:\.\d+)? (?:B|KiB|MiB|GiB)\b"
_TIME = r"(?:\d+ min )?\d+(?:\.\d+)? (?:s|min|h)\b"
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), left)
    for pattern, left in (
        (r"\bpid \d+", "pid N"),
        (r"\b0x[0-9a-f]+", "0xN"),
        (r"\(pid N\) and 1 more died", "(pid N) died"),  # mold forks: whether its child is dead in time is chance
        (r"\b\d+ bytes", "N bytes"),
        (r"(?<!\S)\./(?=\w)", ""),  # of a program whose command line was not met in time only the name is known
        (r",? \(?core dumped\)?", ""),  # whether cores are dumped is the engine's rlimit, and systemd lifts it
        (r"-[0-9a-f]{16}\b", "-HASH"),  # cargo's name for a version of a crate
        (r"(buildproof/[a-z-]+):[0-9a-f]+", r"\1:HASH"),
        (r"\b\d+ times?\b", "N times"),
        (r"\blog line \d+", "log line N"),
        (r"\b\d+ (pages|major faults)", r"N \1"),
        (rf"((?:demand|charged) peak|\(pid N\)|had mapped) {_SIZE}", r"\1 N MiB"),
        (rf"(with|by|if|stat\(2\):|`disk-limit` above) {_SIZE}", r"\1 N MiB"),
        (rf"(after|killed|ended by \w+ after|SIGBUS|SIGSEGV|SIGKILL|\(pid N\)) {_TIME}( into|$|,| \()", r"\1 N s\2"),
        (rf"{_TIME} of CPU time in {_TIME}(?:, throttled for {_TIME})?", "N s of CPU time in N s"),
        (rf"(major faults in|and stopped) {_TIME}", r"\1 N s"),
        (r", with (?:/bin/)?(?:sh|sleep) [^“”]* \(pid N\) the largest at work", ""),  # all small: it is chance
        (r"(at the demand peak: [^,]*), .*", r"\1"),  # who else held a little
        (r"\b\d+% of its CPUs", "N% of its CPUs"),
    )
)
_LOAD_OF_THE_HOST = re.compile(r"^/proc/stat: ")  # said only where the engine's host has other work to do


def told(record: BuildRecord) -> str:
    """A build's verdict as paragraphs of text, normalised."""
    verdict = record.verdict
    if verdict is None:
        raise ValueError(f"{record.id} has no verdict")
    normal = _Normaliser(record)
    lines = [f"**{verdict.outcome}** ({verdict.cause}, grade {verdict.grade}): {normal(verdict.summary)}", ""]
    lines += [f"- {_label(verdict, normal, index)}" for index in range(len(verdict.evidence)) if _kept(verdict, index)]
    lines += [f"- *but* {normal(contradiction)}" for contradiction in verdict.contradictions]
    lines += [f"- *next* {normal(advice)}" for advice in verdict.advice]
    return "\n".join(line for line, _same in groupby(lines))  # how many died alike may be chance


def _kept(verdict: Verdict, index: int) -> bool:
    return not _LOAD_OF_THE_HOST.match(verdict.evidence[index].text)


def _label(verdict: Verdict, normal: _Normaliser, index: int) -> str:
    clue = verdict.evidence[index]
    return f"{clue.grade}{'' if clue.at_s is None else ', N s'}: {normal(clue.text)}"


class _Normaliser:
    """Leaves out of a text what was measured, as far as it is no limit or budget of this build."""

    def __init__(self, record: BuildRecord) -> None:
        budget = record.budget
        sizes = [record.memory.limit, budget.peak_memory, *(space.size for space in record.space.values())]
        bounds = [limit.requested for limit in record.limits.values()]
        sizes += [int(bound) for bound in bounds if isinstance(bound, int | float)]
        self._sizes = {size(value) for value in sizes if value} | {"0 B", "8 KiB"}
        self._times = {duration(value) for value in (budget.time_limit, budget.silent_limit) if value}

    def __call__(self, text: str) -> str:
        for pattern, left in _RULES:
            text = pattern.sub(left, text)
        text = re.sub(_SIZE, lambda match: match[0] if match[0] in self._sizes else "N MiB", text)
        return re.sub(_TIME, lambda match: match[0] if match[0] in self._times else "N s", text)


def read() -> dict[str, str]:
    """The golden texts by the fault's name."""
    text = FILE.read_text("utf-8") if FILE.is_file() else ""
    sections = re.findall(r"^## (\S+)\n\n(.*?)\s*(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return dict(sections)


def fitting(record: BuildRecord, golden: str) -> list[str]:
    """The golden text's lines, with those of its ways to say a thing that this build's verdict took."""
    said = told(record).splitlines()
    lines = []
    for index, ways in enumerate(_alternatives(golden)):
        taken = (way for way in map(_bare(record), ways) if index < len(said) and way == said[index])
        lines.append(next(taken, ways[0]))
    return lines


def _alternatives(golden: str) -> list[list[str]]:
    found: list[list[str]] = []
    for line in golden.splitlines():
        if line.startswith("  or ") and found:
            item = "- " if found[-1][0].startswith("- ") else ""
            found[-1].append(item + line.removeprefix("  or "))
        else:
            found.append([line])
    return found


def _bare(record: BuildRecord) -> Callable[[str], str]:
    """Calls a process by its bare name where it was gone before its command line could be read."""
    processes = record.processes
    ends = [*processes.signalled, *processes.failed]
    unmet = {end.comm for end in ends if end.cmdline is None}
    patterns = [(re.compile(rf"(?<!\S){re.escape(comm)}(?: [^()]*)? \(pid N\)"), comm) for comm in unmet]

    def bare(line: str) -> str:
        for pattern, comm in patterns:
            line = pattern.sub(f"{comm} (pid N)", line)
        return line

    return bare


def update(name: str, record: BuildRecord) -> None:
    """Write one fault's text into the file, which other workers write too; a text that fits is left as it is."""
    with FileLock(FILE.with_name(".verdicts.lock")):
        texts, said = read(), told(record)
        if fitting(record, texts.get(name, "")) != said.splitlines():
            texts[name] = said
        sections = (f"## {name}\n\n{text}\n" for name, text in sorted(texts.items()))
        FILE.write_text(TITLE + "\n" + "\n".join(sections), encoding="utf-8")
