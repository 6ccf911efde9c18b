"""What the builds of one run are promised of the machine: waits for it, says for whom, and gives it back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from buildproof.budget.allowance import Allowance, Asked
from buildproof.budget.comeback import Comeback, wait_for
from buildproof.budget.ledger import Entry, Ledger
from buildproof.budget.ticket import Ticket
from buildproof.facts import EngineFacts
from buildproof.hostile import harmless_line
from buildproof.plan import Build
from buildproof.record import Promised
from buildproof.units import duration, size

POLL_S = 0.2
SIGN_OF_LIFE_S = 30.0


class Promises:
    """The promises to one run's builds. `available` looks how many bytes the engine's host could give now."""

    def __init__(
        self,
        engine: EngineFacts,
        asked: Asked,
        *,
        run: str,
        say: Callable[[str], None],
        available: Callable[[], int | None],
    ) -> None:
        self._ledger, self._run, self._say, self._available = Ledger.of(engine), run, say, available
        self._memory, self._cores = engine.memory, float(engine.cores)
        self._allowance = asked.of(memory=engine.memory, cores=engine.cores)

    @contextlib.contextmanager
    def to(self, build: Build) -> Iterator[Promised]:
        """Wait until a build's limits can be promised; they are until the end of the `with`.

        A builder without a memory limit is promised the whole machine, one without `cpus` all of its cores.
        """
        limits = build.builder.limits
        memory, cpus = limits.memory or self._memory, limits.cpus or self._cores
        began = time.monotonic()
        remarks = tuple(_too_large(limits.memory, memory, cpus, self._allowance))
        for remark in remarks:
            self._say(f"{build.id}: {remark}")
        with self._ledger.draw(
            run=self._run, build=build.id, memory=memory, cpus=cpus, sequential=build.builder.sequential
        ) as entry:
            self._wait_for_turn(entry)
            comeback = self._wait_for_memory(build, memory) if build.builder.sequential else Comeback(available=None)
            yield Promised(
                memory=memory,
                cpus=cpus,
                memory_budget=self._allowance.memory,
                cpu_budget=self._allowance.cpus,
                since=datetime.now(UTC),
                waited_s=round(time.monotonic() - began, 2),
                available=comeback.available,
                remarks=(*remarks, *self._tell(build, comeback, memory)),
            )

    def _wait_for_turn(self, entry: Entry) -> None:
        told: Sequence[Ticket] = ()
        next_sign_s = 0.0
        while blockers := entry.claim(self._allowance):
            now = time.monotonic()
            if now >= next_sign_s or blockers != told:
                self._say(f"{entry.ticket.build}: waits for {self._wanted(entry.ticket)}: {_held(blockers, self._run)}")
                told, next_sign_s = blockers, now + SIGN_OF_LIFE_S
            time.sleep(POLL_S)

    def _wanted(self, ticket: Ticket) -> str:
        memory, cpus = self._allowance.memory, self._allowance.cpus
        wanted = f"{size(ticket.memory)}" + ("" if memory is None else f" of {size(memory)}")
        wanted += f" and {ticket.cpus:g}" + (" CPUs" if cpus is None else f" of {cpus:g} CPUs")
        return wanted + (", after the builds that must not run beside it" if ticket.sequential else "")

    def _wait_for_memory(self, build: Build, memory: int) -> Comeback:
        needed = memory if self._allowance.memory is None else min(memory, self._allowance.memory)
        told = False

        def tell(available: int) -> None:
            nonlocal told
            if not told:
                self._say(
                    f"{build.id}: waits for memory to come back: {size(available)} of {size(needed)} are available"
                )
            told = True

        return wait_for(needed, self._available, on_wait=tell)

    def _tell(self, build: Build, comeback: Comeback, memory: int) -> Iterator[str]:
        if comeback.settled:
            remark = f"{size(comeback.available)} of {size(memory)} were available when it began: {comeback.settled}"
            self._say(f"{build.id}: {remark}")
            yield remark


def _too_large(limit: int | None, memory: int, cpus: float, allowance: Allowance) -> Iterator[str]:
    """Why a build can only run alone, if so."""
    if allowance.memory is not None and memory > allowance.memory:
        what = f"its limit of {size(memory)}" if limit else "without a memory limit it"
        yield f"{what} is beyond the memory budget of {size(allowance.memory)}: it runs when nothing else does"
    if allowance.cpus is not None and cpus > allowance.cpus:
        yield f"its {cpus:g} CPUs are beyond the CPU budget of {allowance.cpus:g}: it runs when nothing else does"


def _held(tickets: Sequence[Ticket], run: str) -> str:
    """Who is waited for: `launcher-linux holds 6 GiB and 2 CPUs for 3 min 05 s`."""

    def told(ticket: Ticket) -> str:
        whose = "" if ticket.run == run else f" of run {ticket.run} (process {ticket.pid})"
        asks = f"{size(ticket.memory)} and {ticket.cpus:g} CPUs"
        if not ticket.granted:
            return f"{ticket.build}{whose} comes first with {asks}"
        return f"{ticket.build}{whose} holds {asks} for {duration(max(0.0, time.time() - ticket.since))}"

    return harmless_line(", ".join(map(told, tickets)))  # the words of other processes
