"""The pod: a build container and the probe that is PID 1 of its PID namespace. See docs/design.md, "The pod"."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Generator
from types import TracebackType
from typing import IO, Any, Self

from buildproof import labels
from buildproof.box import rights_in_force
from buildproof.engine import Attachment, ContainerState, Engine, Happening, Witness
from buildproof.errors import EngineError, Trouble
from buildproof.evidence import SHELL_SIGNAL_BASE, Stop
from buildproof.in_force import compare
from buildproof.limits import LimitState
from buildproof.logs import Log
from buildproof.observation import Observation
from buildproof.patience import patient
from buildproof.pod.containers import Containers
from buildproof.pod.gate import GateMark, gate_argv
from buildproof.pod.heartbeat import Heartbeat
from buildproof.pod.lines import Lines
from buildproof.pod.outsiders import Outsiders, removal_told
from buildproof.pod.spec import Ending, PodSpec
from buildproof.pod.stopwatch import Stopwatch
from buildproof.timeline import Timeline

HELLO_S = 30.0
GATE_S = 60.0
LAST_COUNTERS_S = 5.0
ENDING_S = 60.0
MOST_PAUSED_S = 600.0
PROBE_SILENT_S = 30.0  # it reports every second: a probe that was stopped or starved watches nothing
PROBE_DEADLINE_GRACE_S = 120.0
_LISTEN_S = 0.2
_STATUS_OF_A_KILL = frozenset(
    SHELL_SIGNAL_BASE + number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM)
)


class Pod:
    """One build container with its probe. Leaving the context ends and removes both, whatever happened."""

    def __init__(self, engine: Engine, spec: PodSpec, *, log: Log, timeline: Timeline) -> None:
        self._engine, self._spec, self._log, self._timeline = engine, spec, log, timeline
        self._lines, self._gate = Lines(), GateMark()
        gate = gate_argv(spec.command, token=self._gate.token, address_space=spec.limits.address_space)
        self._containers = Containers(engine, spec, gate)
        self._began: float | None = None
        self._left: float | None = None
        self._stopwatch = Stopwatch(0.0)
        self._printed_s = 0.0  # when the build was last heard
        self._asked = 0  # how often the probe was asked to sum up
        self._witness: Witness | None = None
        self._outsiders = Outsiders()
        self._is_ending = False
        self.observation = Observation()
        self.on_progress: Callable[[Observation, float], None] | None = None
        self.limits: dict[str, LimitState] = {}
        self._probe_line: Attachment
        self._build_line: Attachment
        self._build_gone = self._probe_gone = False

    def __enter__(self) -> Self:
        try:
            deadline_s = self._spec.time_limit_s + MOST_PAUSED_S + patient(PROBE_DEADLINE_GRACE_S)
            self._containers.create(deadline_s=deadline_s)
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        self._timeline.close()
        self._is_ending, self._left = True, time.monotonic()
        if self._witness:
            self._witness.close()
        self._lines.close()
        self._containers.remove()

    @property
    def container(self) -> str:
        """The build container's id, for those who want to look into its volumes."""
        return self._containers.build

    @property
    def image(self) -> str:
        """The builder's image."""
        return self._spec.image

    @property
    def running_s(self) -> float | None:
        """Seconds since the command was let go, until the pod was left; None before that."""
        return None if self._began is None else (self._left or time.monotonic()) - self._began

    @property
    def paused_s(self) -> float:
        """Seconds of it that do not count."""
        return round(self._stopwatch.stopped_s, 2)

    def put(self, folder: str, tar: IO[bytes] | bytes) -> None:
        """Unpack a tar into the build container, which waits at its gate after `prepare`."""
        self._engine.put(self._containers.build, folder, tar)

    def get(self, path: str) -> Generator[bytes] | None:
        """A path of the ended build container as a tar stream, to be closed; None when nothing is there."""
        return self._engine.get(self._containers.build, path)

    def hold(self, is_over: Callable[[], bool]) -> None:
        """Keep the build at its gate, and listen to both containers, until `is_over` or one of them is gone."""
        while not (is_over() or self._probe_gone or self._build_gone):
            self._next(time.monotonic() + _LISTEN_S)

    def keep(self, name: str) -> None:
        """Leave the build container and its volumes, ended, under this name; the pod's end removes it no more."""
        self._containers.give_away(name)

    # -- before the build ---------------------------------------------------------------------------

    def prepare(self) -> dict[str, LimitState]:
        """Start both containers, the build held at its gate, and read the limits back from the kernel."""
        mark = {labels.BUILD: self._spec.build_id}
        self._witness = self._engine.witness(mark, self._lines.hear)
        self._probe_line = self._engine.attach(self._containers.probe)
        self._lines.read_probe(self._probe_line)
        self._engine.start(self._containers.probe)
        self._expect(lambda: self.observation.hello is not None, patient(HELLO_S), "the probe did not report")
        self._build_line = self._containers.start_build(self._lines.read_build)
        self._expect(lambda: self._gate.is_reached, patient(GATE_S), "the build container did not reach its gate")
        self._tell_probe(do="watch", container=self._containers.build, disk_limit=self._spec.limits.disk)
        self._tell_probe(do="limits")
        self._expect(
            lambda: self.observation.limits is not None, patient(HELLO_S), "the probe did not report the limits"
        )
        report = self.observation.limits or {}
        if not report.get("found"):
            raise EngineError(
                "the probe cannot find the build's processes: the engine made no cgroup for their container, "
                "or the pod's PID namespace is not shared",
                next_step="`buildproof doctor` says what the engine lacks",
            )
        host_swap = (self.observation.hello or {}).get("host_swap")
        self.limits = compare(self._spec.limits, report, host_swap=host_swap, refused=self._containers.refused)
        self.limits |= rights_in_force(self._spec.box, report.get("rights"))
        return self.limits

    def _tell_probe(self, **command: Any) -> None:
        self._probe_line.send(json.dumps(command).encode() + b"\n")

    def _expect(self, reached: Callable[[], bool], within_s: float, complaint: str) -> None:
        deadline = time.monotonic() + within_s
        while not reached():
            kind = self._next(deadline)
            if kind in {"probe-gone", "build-gone"} and not reached():
                raise EngineError(f"{complaint}: {self._last_words(kind)}")
            if kind is None:
                raise EngineError(f"{complaint} within {within_s:.0f} s")

    def _last_words(self, kind: str) -> str:
        container, name = (
            (self._containers.probe, "probe") if kind == "probe-gone" else (self._containers.build, "build")
        )
        with removal_told(name):
            state = self._engine.state(container)
        words = " / ".join(self._log.last_lines) or state.error or "it said nothing"
        return f"its container ended with exit code {state.exit_code}: {words}"

    # -- the messages of both containers ------------------------------------------------------------

    def _next(self, deadline: float) -> str | None:
        """Take in one message; its kind, or None when none came until `deadline` (monotonic seconds)."""
        message = self._lines.take(deadline - time.monotonic())
        self._stopwatch.look(time.monotonic())  # before the probe's word, which is judged by whether we ran
        if message is None:
            return None
        kind, body = message
        if kind == "probe":
            self._take_event(body)
        elif kind == "log":
            self._printed_s = self._stopwatch.running_s(time.monotonic())
            self._log_what(self._gate.without(body))
        elif kind == "probe-gone":
            self._probe_gone = True
        elif kind == "build-gone":
            self._build_gone = True
            self._log_what(self._gate.rest())
            self._log.end()
        elif kind == "engine":
            self._take_happening(body)
        return kind

    def _take_happening(self, happening: Happening | None) -> None:
        """What others did. EngineError when they removed a container of the pod, or when the engine went."""
        if self._is_ending:
            return
        if happening is None:
            if not self._engine.state(self._containers.build).running and not self.observation.final:
                raise EngineError(
                    "the engine was restarted, and ended the build's container with itself", trouble=Trouble.UNREACHABLE
                )
            return
        self._outsiders.take(
            happening,
            build=self._containers.build,
            probe=self._containers.probe,
            stopwatch=self._stopwatch,
            now=time.monotonic(),
        )

    def _take_event(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            self._log.write(b"[probe] " + line + b"\n")
            return
        self.observation.feed(event)
        self._timeline.take(event)
        if event.get("at_s") is not None:
            self._stopwatch.beat(event["at_s"])

    def _log_what(self, output: bytes) -> None:
        if output:
            self._log.write(output)

    # -- the build ----------------------------------------------------------------------------------

    def run(self) -> Ending:
        """Let the command go and follow it to its end, or to a limit of the harness."""
        self._tell_probe(do="go")
        self._expect(lambda: self.observation.started, patient(HELLO_S), "the probe did not start its clock")
        self._began = time.monotonic()
        self._stopwatch, self._printed_s = Stopwatch(self._began), 0.0
        self._build_line.send(b"\n")
        stopped = self._follow()
        wall_s = time.monotonic() - self._began
        probe_lost = None
        if stopped is None:
            with contextlib.suppress(EngineError):  # the gate may be dead already: then the container ends by itself
                self._build_line.send(b"\n")
            probe_lost = self._what_became_of_the_gate(wall_s)
        elif stopped is Stop.PROBE_LOST:
            probe_lost = self._how_it_was_lost(wall_s)
        if probe_lost:
            self._hear_of_others()
            probe_lost = self._outsiders.kill(wall_s) or probe_lost
        if stopped or probe_lost:
            self.observation.is_being_ended = True
            self._engine.kill(self._containers.build)
        state = self._await_end()
        own_end = stopped is None and probe_lost is None and not state.running
        return Ending(
            exit_code=state.exit_code if own_end else None,
            stopped=stopped,
            stopped_at_s=wall_s if stopped else None,
            wall_s=wall_s,
            oom_flag=state.oom_flag,
            probe_lost=probe_lost,
            paused_s=self.paused_s,
        )

    def _hear_of_others(self) -> None:
        """The engine tells of a kill after it: listen until that is heard. EngineError when a removal follows it."""
        deadline = time.monotonic() + patient(LAST_COUNTERS_S)
        while self._next(deadline):
            pass

    def _what_became_of_the_gate(self, wall_s: float) -> str | None:
        """What a build did to its gate, if it did something; waits for the container's end."""
        if not self.observation.final and not self.observation.memory().oom_kills:
            waited_s = patient(PROBE_SILENT_S)
            return f"the build's container ended, and the probe told of no end of the command within {waited_s:.0f} s"
        if self._gate_was_killed():
            return f"the shell around the command was killed {wall_s:.1f} s into the build, before it had ended"
        with removal_told("build"):
            has_ended = self._has_ended()
        if not has_ended:
            return "the shell around the command did not go on after it: something in the build stopped it"
        if self._gate_was_ended_late():
            return f"the shell around the command was killed {wall_s:.1f} s into the build, before it told its status"
        return None

    def _gate_was_killed(self) -> bool:
        """Whether the gate died first: then the probe saw no end of the command, and nobody knows what it still did.

        Where the kernel killed for lack of memory that is what happened, and the counters tell of it.
        """
        seen = self.observation
        accounted = seen.hello is not None and seen.accounting_refused is None and seen.accounting_gap is None
        return accounted and seen.final and not seen.state.get("command") and not seen.memory().oom_kills

    def _gate_was_ended_late(self) -> bool:
        """Whether the container has the status of somebody's kill, and the command had ended otherwise."""
        own = self.observation.own_exit_code
        if own is None or self.observation.memory().oom_kills:
            return False
        with removal_told("build"):
            return self._engine.state(self._containers.build).exit_code in _STATUS_OF_A_KILL

    def _how_it_was_lost(self, wall_s: float) -> str:
        if self._probe_gone:
            return f"the probe ended {wall_s:.1f} s into the build: {self._last_words('probe-gone')}"
        if self._stopwatch.is_paused:
            return f"somebody paused the pod through the engine, and did not let it go on for {MOST_PAUSED_S:.0f} s"
        silent_s = patient(PROBE_SILENT_S)
        return f"the probe fell silent: nothing came from it for {silent_s:.0f} s, {wall_s:.0f} s into the build"

    def _follow(self) -> Stop | None:
        began = self._began or time.monotonic()
        watch, heartbeat = self._stopwatch, Heartbeat(began, silent_s=patient(PROBE_SILENT_S))
        ending: float | None = None
        while not self.observation.final:
            now = time.monotonic()
            left_s = (self._spec.time_limit_s - watch.running_s(now)) if ending is None else ending - now
            kind = self._next(now + min(max(0.0, left_s), 0.5))
            now = time.monotonic()
            if self._build_gone and ending is None:
                ending = now + patient(PROBE_SILENT_S)
            is_heard = kind == "probe" or watch.is_paused
            if self._probe_gone or heartbeat.is_lost(now, heard=is_heard) or watch.paused_for_s(now) > MOST_PAUSED_S:
                return Stop.PROBE_LOST
            if self.on_progress:
                self.on_progress(self.observation, now - began)
            if ending is not None:
                if now >= ending:
                    return None
            elif (reason := self._limit_passed(now)) and self._is_so(reason):
                return reason
        return None

    def _limit_passed(self, now: float) -> Stop | None:
        """The limit that the build has passed, as far as it was heard of by now."""
        running_s, silent_s = self._stopwatch.running_s(now), self._spec.silent_limit_s
        if self.observation.is_over_disk(self._spec.limits.disk):
            return Stop.DISK_LIMIT
        if running_s >= self._spec.time_limit_s:
            return Stop.TIME_LIMIT
        is_quiet = self._lines.is_quiet and not self._stopwatch.is_catching_up(now)
        if silent_s is not None and running_s - self._printed_s >= silent_s and is_quiet:
            return Stop.SILENT
        return None

    def _is_so(self, reason: Stop) -> bool:
        """Have the counters read once more before the build is killed; False when it turns out that it need not be.

        What was said before may come late: that the command ended in time, or what it printed.
        """
        printed_s, seen = self._printed_s, self.observation
        self._asked += 1  # what the probe told by itself just before is no answer
        if not seen.final:
            self._tell_probe(do="sum-up", number=self._asked)
        deadline = time.monotonic() + patient(LAST_COUNTERS_S)
        while not seen.final and seen.state.get("answers") != self._asked and self._next(deadline):
            pass
        if seen.final:
            return self._ran_s() >= self._spec.time_limit_s
        return reason is not Stop.SILENT or self._printed_s == printed_s

    def _ran_s(self) -> float:
        """How long the ended command ran, by the kernel's clock or the probe's."""
        state = self.observation.state
        ran_s: float = (state.get("command") or {}).get("elapsed_s", state["at_s"])
        return ran_s - self._stopwatch.stopped_s

    def _has_ended(self) -> bool:
        """Wait until the container is over and its last output was taken in; False when that took too long."""
        deadline = time.monotonic() + patient(ENDING_S)
        while not self._build_gone and self._next(deadline):
            pass
        return self._build_gone and self._engine.wait(self._containers.build, patient(ENDING_S)) is not None

    def _await_end(self) -> ContainerState:
        with removal_told("build"):
            if not self._has_ended():
                raise EngineError(f"the build container did not end within {patient(ENDING_S):.0f} s of being told to")
            return self._engine.state(self._containers.build)
