"""A pod's two streams without an engine: the gate, the probe's events, the log, and every way in which a run ends."""

from __future__ import annotations

import io
import json
import queue
import re
import subprocess
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from buildproof.box import Box
from buildproof.engine import Attachment, ContainerSpec, ContainerState, Engine, Happening, RlimitRefused
from buildproof.errors import EngineError, Trouble
from buildproof.evidence import Stop
from buildproof.limits import Limits
from buildproof.logs import Log
from buildproof.patience import VARIABLE
from buildproof.pod import Ending, Pod, PodSpec
from buildproof.pod import pod as room
from buildproof.pod.gate import gate_argv, shell_argv
from buildproof.timeline import Timeline

HELLO = {"event": "hello", "accounting_refused": None, "host_swap": 0}
LIMITS = {"event": "limits", "found": True, "cgroup_version": 2, "cgroup": {"memory": 1 << 30}, "mounts": []}


def state(**changes: Any) -> dict[str, Any]:
    return {"event": "state", "final": False, "at_s": 1.0, **changes}


class Line:
    """One attached container: what it is told, and what it answers."""

    def __init__(self, on_send: Callable[[bytes], None] = lambda _data: None) -> None:
        self.sent: list[bytes] = []
        self.closed = False
        self.on_send = on_send

    def send(self, data: bytes) -> None:
        self.sent.append(data)
        self.on_send(data)

    def chunks(self) -> Iterator[bytes]:
        return iter(())

    def close(self) -> None:
        self.closed = True


class FakeEngine:
    """Creates and starts in name only; a build ends with `code` when it is killed or asked how it is."""

    def __init__(self) -> None:
        self.refused_rlimits: dict[str, str] = {}
        self.refuse: list[str] = []
        self.refuse_at_attach = False
        self.specs: list[ContainerSpec] = []
        self.killed: list[str] = []
        self.removed: list[str] = []
        self.renamed: dict[str, str] = {}
        self.code = 0
        self.ends = True
        self.lines: list[Line] = []

    def create(self, spec: ContainerSpec) -> str:
        self.specs.append(spec)
        return f"c{len(self.specs)}"

    def put(self, _container: str, _folder: str, _tar: object) -> None:
        """Nothing to keep."""

    def attach(self, container: str) -> Line:
        if self.refuse_at_attach:
            self._refuse(container)
        self.lines.append(Line())
        return self.lines[-1]

    def start(self, container: str) -> None:
        self._refuse(container)

    def _refuse(self, container: str) -> None:
        if self.refuse and container != "the-probe":
            raise RlimitRefused(self.refuse.pop(0), "operation not permitted: it lacks CAP_SYS_RESOURCE")

    def state(self, _container: str) -> ContainerState:
        return ContainerState(running=False, exit_code=self.code, oom_flag=False, error="")

    def wait(self, _container: str, _timeout_s: float) -> int | None:
        return self.code if self.ends else None

    def witness(self, _labels: dict[str, str], _tell: object) -> Line:
        return Line()

    def kill(self, container: str) -> None:
        self.killed.append(container)

    def rename(self, container: str, name: str) -> None:
        self.renamed[container] = name

    def remove(self, container: str) -> None:
        self.removed.append(container)


class Messages:
    """The pod's queue: what waits now, what comes later, and a clock that moves on when nothing waits."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waiting: list[tuple[str, Any]] = []
        self.later: list[tuple[float, str, Any]] = []
        self.reports_until = 0.0  # a probe that watches reports every second
        self.reported = self.now

    def _let_the_probe_report(self) -> None:
        if self.now - self.reported >= 1.0 and self.now < self.reports_until:
            self.reported = self.now
            self.waiting.append(("probe", b'{"event": "sample"}'))

    def put(self, message: tuple[str, Any]) -> None:
        self.waiting.append(message)

    def empty(self) -> bool:
        return not self.waiting

    def get(self, *, timeout: float) -> tuple[str, Any]:
        """The next message, or the end of the wait: the clock then stands where it was waited for."""
        self._let_the_probe_report()
        if self.waiting:
            return self.waiting.pop(0)
        until = self.now + timeout
        if self.later and self.later[0][0] <= until:
            at, kind, body = self.later.pop(0)
            self.now = max(self.now, at)
            return kind, body
        self.now = until
        raise queue.Empty


class Bench:
    """A pod whose messages the test puts into its queue."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **spec: Any) -> None:
        self.messages = Messages()
        self.engine, self.file, self.timeline = FakeEngine(), io.BytesIO(), io.StringIO()
        monkeypatch.setattr(room, "time", SimpleNamespace(monotonic=lambda: self.messages.now))
        fields: dict[str, Any] = {
            "build_id": "app-linux", "image": "builder", "probe_image": "probe", "command": "make",
            "workdir": "/buildproof/src", "environment": {}, "limits": Limits(memory=1 << 30),
            "time_limit_s": 60.0,
        }  # fmt: skip
        pod_spec = PodSpec(**{**fields, **spec})
        self.pod = Pod(cast("Engine", self.engine), pod_spec, log=Log(self.file), timeline=Timeline(self.timeline))
        self.pod._lines._messages = cast("Any", self.messages)
        # The test plays the readers' part.
        monkeypatch.setattr(self.pod._lines, "_in_background", lambda line, _reader: self.pod._lines._open.append(line))
        self.probe, self.build = Line(), Line()
        self.pod._probe_line = cast("Attachment", self.probe)
        self.pod._build_line = cast("Attachment", self.build)
        self.pod._containers.build, self.pod._containers.probe = "the-build", "the-probe"

    def say(self, kind: str, body: Any = None, at: float | None = None) -> None:
        """A message now, or at a moment of the clock."""
        body = json.dumps(body).encode() if isinstance(body, dict) else body
        if at is None:
            self.messages.put((kind, body))
        else:
            self.messages.later.append((at, kind, body))

    def take_all(self) -> None:
        while self.messages.waiting:
            self.pod._next(self.messages.now)

    def written(self) -> bytes:
        return self.file.getvalue()

    def run(self, *, reports_until: float = 1e9) -> Ending:
        """Let the command go, beside a probe that reports every second until `reports_until`."""
        self.pod._gate.is_reached = True
        self.messages.reports_until = reports_until
        self.say("probe", {"event": "started"})
        return self.pod.run()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


# -- single messages ------------------------------------------------------------------------------------------------


def test_the_probes_events_are_observed_and_go_into_the_timeline(bench: Bench) -> None:
    bench.say("probe", HELLO)
    bench.say("probe", state(exited=3))
    bench.say("probe", state(exited=4, final=True))
    bench.take_all()
    bench.pod._timeline.close()
    assert bench.pod.observation.hello == HELLO
    assert bench.pod.observation.state["exited"] == 4
    assert [json.loads(line) for line in bench.timeline.getvalue().splitlines()] == [HELLO, state(exited=4, final=True)]


def test_what_the_probe_says_in_no_event_goes_to_the_log(bench: Bench) -> None:
    bench.say("probe", b"Traceback (most recent call last):")
    bench.take_all()
    assert bench.written() == b"[probe] Traceback (most recent call last):\n"
    assert bench.timeline.getvalue() == ""


@pytest.mark.parametrize("cut", range(1, 34))
def test_the_gates_mark_is_seen_in_whatever_pieces_it_comes_and_never_logged(bench: Bench, cut: int) -> None:
    stream = b"entrypoint says hello\n" + bench.pod._gate.token.encode() + b"\nand more"
    at = stream.index(b"\nbuildproof-gate") + cut
    bench.say("log", stream[:at])
    bench.take_all()
    bench.say("log", stream[at:])
    bench.take_all()
    assert bench.pod._gate.is_reached
    assert bench.written() == b"entrypoint says hello\nand more"


def test_before_the_gate_nothing_of_the_output_is_lost(bench: Bench) -> None:
    said = b"sh: 1: ulimit: error setting limit (Operation not permitted)\n" * 3
    for start in range(0, len(said), 7):
        bench.say("log", said[start : start + 7])
    bench.say("build-gone")
    bench.take_all()
    assert not bench.pod._gate.is_reached
    assert bench.written() == said


def test_after_the_gate_output_is_logged_at_once_even_if_it_looks_like_the_mark(bench: Bench) -> None:
    mark = bench.pod._gate.token.encode() + b"\n"
    bench.say("log", mark)
    bench.say("log", b"a " + mark)
    bench.say("log", mark[:10])
    bench.take_all()
    assert bench.written() == b"a " + mark + mark[:10]


def test_marks_of_two_pods_differ(monkeypatch: pytest.MonkeyPatch, bench: Bench) -> None:
    assert Bench(monkeypatch).pod._gate.token != bench.pod._gate.token


def test_the_probes_lines_are_put_together_from_chunks(bench: Bench) -> None:
    line = Line()
    line.chunks = lambda: iter([b'{"event": "he', b'llo"}\n{"event"', b': "started"}\nlast words'])  # type: ignore[method-assign]
    bench.pod._lines._probe(cast("Attachment", line))
    assert bench.messages.waiting == [
        ("probe", b'{"event": "hello"}'),
        ("probe", b'{"event": "started"}'),
        ("probe-gone", b"last words"),
    ]


def test_the_builds_output_ends_with_a_message(bench: Bench) -> None:
    line = Line()
    line.chunks = lambda: iter([b"a", b"b"])  # type: ignore[method-assign]
    bench.pod._lines._build(cast("Attachment", line))
    assert bench.messages.waiting == [("log", b"a"), ("log", b"b"), ("build-gone", None)]


def test_the_last_line_of_a_build_needs_no_end_to_be_told(bench: Bench) -> None:
    bench.pod._gate.is_reached = True
    bench.say("log", b"collect2: fatal error: ld terminated with signal 7 [Bus error]")
    bench.say("build-gone")
    bench.take_all()
    assert [finding.kind for finding in bench.pod._log.findings()] == ["sigbus"]
    assert len(bench.pod._log.last_lines) == 1


# -- before the build -----------------------------------------------------------------------------------------------


def test_both_containers_are_prepared_and_the_limits_read_back(bench: Bench) -> None:
    for body in (HELLO, LIMITS):
        bench.say("probe", body)
    bench.say("log", bench.pod._gate.token.encode() + b"\n")
    limits = bench.pod.prepare()
    assert limits["memory"].in_force
    assert limits == bench.pod.limits
    probe, _build = bench.engine.lines
    assert [json.loads(sent) for sent in probe.sent] == [
        {"do": "watch", "container": "the-build", "disk_limit": None}, {"do": "limits"},
    ]  # fmt: skip


def test_a_build_that_takes_more_of_the_disk_than_it_may_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, limits=Limits(memory=1 << 30, disk=1 << 20))
    bench.say("probe", HELLO)
    bench.say("probe", state(disk_used=1 << 20), at=101.0)
    bench.say("probe", state(disk_used=(1 << 20) + 1), at=102.0)
    bench.say("build-gone", at=102.5)
    ending = bench.run()
    assert (ending.stopped, ending.exit_code) == (Stop.DISK_LIMIT, None)
    assert bench.engine.killed == ["the-build"]


def test_the_rights_of_the_box_are_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    rights = {"Uid": "1000\t1000\t1000\t1000", "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "0"}
    for body in (HELLO, {**LIMITS, "rights": rights}):
        bench.say("probe", body)
    bench.say("log", bench.pod._gate.token.encode() + b"\n")
    states = bench.pod.prepare()
    in_force = {name: states[name].in_force for name in ("user", "capabilities", "no_new_privileges", "seccomp")}
    assert in_force == {"user": True, "capabilities": True, "no_new_privileges": True, "seccomp": False}


def test_an_rlimit_that_the_engine_refuses_is_left_out_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(rlimits={"memlock": (1, 1), "nofile": (9, 9)})
    bench = Bench(monkeypatch, limits=limits)
    bench.engine.refuse = ["memlock"]
    for body in (
        HELLO,
        {**LIMITS, "rlimits": "Max open files            9                    9                    files\n"},
    ):
        bench.say("probe", body)
    bench.say("log", bench.pod._gate.token.encode() + b"\n")
    states = bench.pod.prepare()
    assert bench.engine.specs[-1].limits.rlimits == {"nofile": (9, 9)}
    assert bench.engine.removed == ["the-build"]
    assert states["ulimit memlock"].in_force is None
    assert "operation not permitted" in str(states["ulimit memlock"].why)
    assert states["ulimit nofile"].in_force is True


def test_podman_refuses_an_rlimit_when_it_is_attached_to(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, limits=Limits(rlimits={"memlock": (1, 1), "nofile": (9, 9)}))
    bench.engine.refuse, bench.engine.refuse_at_attach = ["memlock"], True
    bench.say("probe", HELLO)
    bench.say("log", bench.pod._gate.token.encode() + b"\n")
    bench.say("probe", LIMITS)
    states = bench.pod.prepare()
    assert bench.engine.specs[-1].limits.rlimits == {"nofile": (9, 9)}
    assert "it lacks CAP_SYS_RESOURCE" in str(states["ulimit memlock"].why)


def test_an_engine_that_may_not_set_the_rlimits_it_adds_itself_is_asked_for_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, limits=Limits(rlimits={"memlock": (1, 1), "nofile": (9, 9)}))
    bench.engine.refuse = ["nofile", "nofile"]
    bench.say("probe", HELLO)
    bench.say("log", bench.pod._gate.token.encode() + b"\n")
    bench.say("probe", LIMITS)
    states = bench.pod.prepare()
    assert bench.engine.specs[-1].limits.rlimits == {}
    assert "it lacks CAP_SYS_RESOURCE" in str(states["ulimit memlock"].why)


@pytest.mark.parametrize("refuse", [["memlock", "memlock"], ["stack", "stack"]])
def test_an_engine_that_goes_on_refusing_is_an_engine_error(monkeypatch: pytest.MonkeyPatch, refuse: list[str]) -> None:
    bench = Bench(monkeypatch, limits=Limits(rlimits={"memlock": (1, 1)}))
    bench.engine.refuse = refuse
    bench.say("probe", HELLO)
    with pytest.raises(RlimitRefused):
        bench.pod.prepare()


def test_a_probe_that_says_nothing_is_an_engine_error_in_time(bench: Bench) -> None:
    with pytest.raises(EngineError, match="the probe did not report within 30 s"):
        bench.pod.prepare()
    assert bench.messages.now == pytest.approx(130.0)


def test_a_probe_that_ends_at_once_tells_its_last_words(bench: Bench) -> None:
    bench.engine.code = 1
    bench.say("probe", b"ModuleNotFoundError: No module named 'probe'")
    bench.say("probe-gone", b"")
    with pytest.raises(EngineError) as error:
        bench.pod.prepare()
    assert str(error.value) == (
        "the probe did not report: its container ended with exit code 1: "
        "[probe] ModuleNotFoundError: No module named 'probe'"
    )


def test_a_build_that_ends_before_its_gate_tells_what_it_printed(bench: Bench) -> None:
    bench.engine.code = 125
    bench.say("probe", HELLO)
    bench.say("log", b"sh: ulimit: cannot modify limit\n")
    bench.say("build-gone")
    with pytest.raises(EngineError) as error:
        bench.pod.prepare()
    assert str(error.value) == (
        "the build container did not reach its gate: its container ended with exit code 125: "
        "sh: ulimit: cannot modify limit"
    )


def test_a_pod_whose_processes_the_probe_cannot_see_is_an_engine_error(bench: Bench) -> None:
    for body in (HELLO, {**LIMITS, "found": False}):
        bench.say("probe", body)
    bench.say("log", bench.pod._gate.token.encode() + b"\n")
    with pytest.raises(EngineError, match="cannot find the build's processes"):
        bench.pod.prepare()


# -- the run --------------------------------------------------------------------------------------------------------


def test_a_build_that_ends_by_itself_has_its_exit_code(bench: Bench) -> None:
    bench.engine.code = 3
    bench.say("log", b"compiling\n", at=110.0)
    bench.say("probe", state(final=True), at=112.0)
    bench.say("log", b"last line\n", at=112.1)
    bench.say("build-gone", at=112.2)
    ending = bench.run()
    assert ending == Ending(exit_code=3, stopped=None, stopped_at_s=None, wall_s=12.0, oom_flag=False, probe_lost=None)
    assert bench.written() == b"compiling\nlast line\n"
    assert [json.loads(sent) for sent in bench.probe.sent] == [{"do": "go"}]
    assert bench.build.sent == [b"\n", b"\n"]
    assert bench.engine.killed == []


@pytest.mark.parametrize(
    ("command", "code", "is_lost"),
    [
        ({"exit_code": 0}, 143, True),
        ({"exit_code": 3}, 137, True),
        ({"exit_code": 3}, 3, False),
        ({"exit_code": 143}, 143, False),
        ({"exit_code": None, "signal": 9}, 137, False),
        ({"exit_code": 0}, 139, False),  # its main thread had ended before a signal came: the record has that one's
    ],
)
def test_a_shell_that_is_killed_after_the_commands_end_tells_no_status_of_it(
    bench: Bench, command: dict[str, int], code: int, *, is_lost: bool
) -> None:
    bench.engine.code = code
    bench.say("probe", HELLO)
    bench.say("probe", state(final=True, command=command), at=112.0)
    bench.say("build-gone", at=112.2)
    ending = bench.run()
    assert ending.exit_code == (None if is_lost else code)
    assert ending.probe_lost == (
        "the shell around the command was killed 12.0 s into the build, before it told its status" if is_lost else None
    )


def test_at_the_time_limit_the_counters_are_read_once_more_and_the_build_is_killed(bench: Bench) -> None:
    bench.say("probe", state(at_s=1.0), at=101.0)
    summed_up = (160.4, "probe", json.dumps(state(at_s=60.3, exited=77, answers=1)).encode())
    bench.probe.on_send = lambda data: bench.messages.later.insert(0, summed_up) if b"sum-up" in data else None
    bench.say("log", b"still here\n", at=159.0)
    bench.say("build-gone", at=161.0)
    ending = bench.run()
    assert (ending.exit_code, ending.stopped) == (None, Stop.TIME_LIMIT)
    assert ending.stopped_at_s == ending.wall_s == pytest.approx(60.4)
    assert bench.pod.observation.state["exited"] == 77
    assert bench.engine.killed == ["the-build"]
    assert bench.build.sent == [b"\n"]


def test_a_probe_that_does_not_sum_up_does_not_hold_the_time_limit_up_for_long(bench: Bench) -> None:
    bench.say("build-gone", at=170.0)
    ending = bench.run()
    assert ending.stopped is Stop.TIME_LIMIT
    assert ending.wall_s == pytest.approx(65.0)


@pytest.mark.parametrize("said_at", [160.2, 164.0])
def test_a_command_that_ended_in_time_of_which_we_hear_late_was_in_time(bench: Bench, said_at: float) -> None:
    """A busy machine: the probe has the files to count at the end, and its word waits behind others."""
    last = state(at_s=61.5, final=True, command={"elapsed_s": 59.4})
    bench.say("probe", last, at=said_at)
    bench.say("build-gone", at=said_at + 0.1)
    ending = bench.run()
    assert (ending.exit_code, ending.stopped) == (0, None)
    assert bench.engine.killed == []


def test_what_the_probe_told_by_itself_just_before_is_no_answer(bench: Bench) -> None:
    """It comes late, and the command's end right behind it."""
    bench.say("probe", state(at_s=58.9), at=160.1)
    bench.say("probe", state(at_s=60.0, final=True, command={"elapsed_s": 59.8}), at=160.2)
    bench.say("build-gone", at=160.3)
    ending = bench.run()
    assert (ending.exit_code, ending.stopped) == (0, None)


def test_a_command_that_ended_too_late_was_late(bench: Bench) -> None:
    bench.say("probe", state(at_s=60.6, final=True, command={"elapsed_s": 60.4}), at=160.8)
    bench.say("build-gone", at=161.0)
    ending = bench.run()
    assert (ending.exit_code, ending.stopped) == (None, Stop.TIME_LIMIT)


def test_a_container_that_has_ended_is_not_at_its_time_limit(bench: Bench) -> None:
    bench.say("build-gone", at=159.0)
    bench.say("probe", state(at_s=63.0, final=True), at=163.0)
    ending = bench.run()
    assert ending.stopped is None


def test_what_was_printed_and_comes_late_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, silent_limit_s=10.0)
    late = [(110.1, "log", b"compiling\n"), (110.2, "probe", json.dumps(state(at_s=10.1, answers=1)).encode())]

    def summed_up(data: bytes) -> None:
        if b"sum-up" in data:
            bench.messages.later[:0] = late
            late.clear()

    bench.probe.on_send = summed_up
    bench.say("probe", state(final=True, at_s=15.0), at=115.0)
    bench.say("build-gone", at=115.1)
    assert bench.run().stopped is None


def test_what_ends_when_the_harness_ends_the_build_is_not_the_builds(bench: Bench) -> None:
    end = {
        "event": "signalled", "pid": 7, "ppid": 6, "comm": "cc1", "cmdline": None, "at_s": 60.2, "duration_s": 1.0,
        "signal": 7, "exit_code": None, "core_dumped": False, "cut_files": [],
    }  # fmt: skip
    told = [(160.2, end), (160.3, state(at_s=60.3, answers=1)), (160.4, {**end, "pid": 8, "at_s": 59.9})]
    bench.probe.on_send = lambda data: (
        bench.messages.later.__setitem__(slice(0, 0), [(at, "probe", json.dumps(event).encode()) for at, event in told])
        if b"sum-up" in data
        else None
    )
    bench.say("build-gone", at=161.0)
    assert bench.run().stopped is Stop.TIME_LIMIT
    assert [end.pid for end in bench.pod.observation.processes().signalled] == [7]


def test_silence_is_counted_from_the_last_output(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, silent_limit_s=10.0)
    bench.say("log", b"a\n", at=108.0)
    for second in range(109, 119):
        bench.say("probe", state(at_s=float(second)), at=float(second))
    bench.say("build-gone", at=130.0)
    ending = bench.run()
    assert ending.stopped is Stop.SILENT
    assert ending.stopped_at_s == pytest.approx(18.0, abs=6)
    assert ending.stopped_at_s is not None
    assert ending.stopped_at_s >= 18.0


def test_a_build_that_keeps_talking_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, silent_limit_s=10.0)
    for second in range(105, 155, 5):
        bench.say("log", b".", at=float(second))
    bench.say("probe", state(final=True), at=155.0)
    bench.say("build-gone", at=155.1)
    assert bench.run().stopped is None


def test_a_lost_probe_ends_the_build_and_is_told(bench: Bench) -> None:
    bench.engine.code = 137
    bench.say("log", b"line\n", at=101.0)
    bench.say("probe-gone", b"", at=107.5)
    bench.say("build-gone", at=107.6)
    ending = bench.run()
    assert (ending.exit_code, ending.stopped, ending.stopped_at_s) == (None, Stop.PROBE_LOST, 7.5)
    assert ending.probe_lost == ("the probe ended 7.5 s into the build: its container ended with exit code 137: line")
    assert bench.engine.killed == ["the-build"]


def test_a_probe_that_falls_silent_ends_the_build_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, time_limit_s=600.0)
    bench.say("build-gone", at=150.0)
    ending = bench.run(reports_until=112.0)
    assert (ending.exit_code, ending.stopped) == (None, Stop.PROBE_LOST)
    assert ending.stopped_at_s == pytest.approx(11.0 + room.PROBE_SILENT_S, abs=1.0)
    told = re.fullmatch(
        r"the probe fell silent: nothing came from it for 30 s, (\d+) s into the build", str(ending.probe_lost)
    )
    assert told
    assert int(told[1]) == pytest.approx(ending.stopped_at_s, abs=1.0)
    assert bench.engine.killed == ["the-build"]
    assert bench.build.sent == [b"\n"]


def test_a_slow_engine_s_probe_may_be_silent_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "3")
    bench = Bench(monkeypatch, time_limit_s=600.0)
    bench.say("build-gone", at=250.0)
    ending = bench.run(reports_until=112.0)
    assert ending.stopped_at_s == pytest.approx(11.0 + 3 * room.PROBE_SILENT_S, abs=1.0)
    assert "nothing came from it for 90 s" in str(ending.probe_lost)


def test_a_build_that_prints_does_not_speak_for_its_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, time_limit_s=600.0, silent_limit_s=10.0)
    for second in range(101, 145):
        bench.say("log", b".", at=float(second))
    bench.say("build-gone", at=145.0)
    ending = bench.run(reports_until=0)
    assert ending.stopped is Stop.PROBE_LOST
    assert ending.stopped_at_s == pytest.approx(room.PROBE_SILENT_S, abs=1.0)


def test_a_probe_that_reports_now_and_then_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, time_limit_s=600.0)
    for step in range(1, 10):
        bench.say("probe", state(at_s=step * 29.0), at=100.0 + step * 29.0)
    bench.say("probe", state(final=True), at=385.0)
    bench.say("build-gone", at=385.1)
    ending = bench.run(reports_until=0)
    assert (ending.exit_code, ending.stopped, ending.probe_lost) == (0, None, None)


def test_a_probe_that_reports_every_second_is_never_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, time_limit_s=600.0)
    bench.say("probe", state(final=True), at=400.0)
    bench.say("build-gone", at=400.1)
    ending = bench.run()
    assert (ending.stopped, ending.probe_lost) == (None, None)
    assert ending.wall_s == pytest.approx(300.0, abs=1.0)


def test_a_probe_that_fell_silent_before_the_time_limit_makes_no_time_limit_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, time_limit_s=room.PROBE_SILENT_S)
    bench.say("build-gone", at=150.0)
    assert bench.run(reports_until=0).stopped is Stop.PROBE_LOST


def test_a_build_that_prints_all_the_time_does_not_hide_a_silent_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, time_limit_s=600.0)
    for step in range(1, 400):
        bench.say("log", b"compiling\n", at=100.0 + step * 0.1)
    bench.say("build-gone", at=140.1)
    ending = bench.run(reports_until=0)
    assert ending.stopped is Stop.PROBE_LOST
    assert ending.stopped_at_s == pytest.approx(room.PROBE_SILENT_S, abs=1.0)


def test_a_client_that_was_stopped_for_a_while_does_not_take_its_probe_for_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, time_limit_s=600.0)

    def stopped_and_continued(_seen: object, _seconds: float) -> None:
        bench.pod.on_progress = None
        bench.messages.now += 60.0
        bench.say("log", b"printed meanwhile\n")
        bench.say("probe", state(at_s=61.0))

    bench.pod.on_progress = stopped_and_continued
    bench.say("probe", state(final=True), at=170.0)
    bench.say("build-gone", at=170.1)
    assert bench.run().stopped is None


def test_a_container_that_ends_without_last_counters_leaves_nothing_proved(bench: Bench) -> None:
    bench.engine.code = 137
    bench.say("build-gone", at=110.0)
    ending = bench.run()
    assert (ending.exit_code, ending.stopped) == (None, None)
    assert ending.probe_lost == ("the build's container ended, and the probe told of no end of the command within 30 s")
    assert ending.wall_s == pytest.approx(40.0)


def test_a_container_that_ends_without_last_counters_after_a_kill_for_lack_of_memory_had_too_little(
    bench: Bench,
) -> None:
    bench.engine.code = 137
    bench.say("probe", state(counters_at_start={"oom_kills": 0}, counters={"oom_kills": 1}))
    bench.say("build-gone", at=110.0)
    ending = bench.run()
    assert (ending.exit_code, ending.stopped, ending.probe_lost) == (137, None, None)


def test_last_counters_after_the_containers_end_are_taken_in(bench: Bench) -> None:
    bench.say("build-gone", at=110.0)
    bench.say("probe", state(final=True, exited=5), at=111.0)
    ending = bench.run()
    assert bench.pod.observation.final
    assert ending.wall_s == pytest.approx(11.0)


def test_a_gate_that_does_not_go_on_is_ended_and_leaves_nothing_proved(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(_container: str) -> None:
        bench.say("build-gone")
        bench.engine.ends, bench.engine.code = True, 137

    bench.engine.ends = False
    monkeypatch.setattr(bench.engine, "kill", kill)
    bench.say("probe", HELLO)
    bench.say("probe", state(final=True, command={"elapsed_s": 1.0}), at=101.0)
    ending = bench.run()
    assert str(ending.probe_lost).startswith("the shell around the command did not go on after it")
    assert ending.exit_code is None


def test_a_container_that_does_not_end_is_an_engine_error(bench: Bench) -> None:
    bench.say("probe", state(final=True), at=101.0)
    with pytest.raises(EngineError, match="did not end within 60 s"):
        bench.run()


def test_a_probe_that_does_not_start_its_clock_is_an_engine_error(bench: Bench) -> None:
    with pytest.raises(EngineError, match="the probe did not start its clock within 30 s"):
        bench.pod.run()
    assert bench.build.sent == []


def test_progress_is_told_while_the_build_runs(bench: Bench) -> None:
    told: list[float] = []
    bench.pod.on_progress = lambda _seen, seconds: told.append(seconds)
    bench.say("probe", state(final=True), at=102.0)
    bench.say("build-gone", at=102.1)
    bench.run(reports_until=0)
    assert told == [0.5, 1.0, 1.5, 2.0]


def test_running_time_is_unknown_before_the_command_was_let_go(bench: Bench) -> None:
    assert bench.pod.running_s is None
    bench.say("probe", state(final=True), at=102.0)
    bench.say("build-gone", at=102.1)
    bench.run()
    bench.messages.now = 107.0
    assert bench.pod.running_s == pytest.approx(7.0)


def test_leaving_a_pod_hangs_up_and_removes_both_containers(bench: Bench) -> None:
    bench.pod._containers.build = bench.pod._containers.probe = ""
    with pytest.raises(KeyboardInterrupt), bench.pod as pod:
        line = Line()
        pod._lines.read_probe(cast("Attachment", line))
        raise KeyboardInterrupt
    assert line.closed
    assert bench.engine.removed == ["c2", "c1"]
    probe, build = bench.engine.specs
    assert build.pid_namespace_of == "c1"
    assert (probe.cap_drop, build.cap_add, build.network) == (("ALL",), (), "none")
    assert build.scratch == ("/buildproof", "/tmp", "/var/tmp")
    assert (build.user, build.cap_drop, build.read_only) == ("1000:1000", ("ALL",), True)


def test_a_gate_that_died_before_its_command_leaves_nothing_proved(bench: Bench) -> None:
    bench.engine.code = 137
    bench.say("probe", HELLO)
    bench.say("probe", state(final=True, command=None), at=103.0)
    bench.say("build-gone", at=103.1)
    ending = bench.run()
    assert ending.probe_lost == "the shell around the command was killed 3.0 s into the build, before it had ended"
    assert ending.exit_code is None


@pytest.mark.parametrize(
    ("hello", "last"),
    [
        (HELLO, state(final=True, command={"elapsed_s": 2.0})),
        ({**HELLO, "accounting_refused": "acct(2): no"}, state(final=True, command=None)),
        (HELLO, state(final=True, command=None, accounting_suspended=True)),
        (HELLO, state(final=True, command=None, counters_at_start={"oom_kills": 0}, counters={"oom_kills": 1})),
    ],
    ids=[
        "the command's end is known",
        "no end of any process is known",
        "the kernel suspended accounting",
        "the kernel killed it for lack of memory",
    ],
)
def test_a_gate_that_ended_for_a_known_reason_is_not_called_killed(
    bench: Bench, hello: dict[str, Any], last: dict[str, Any]
) -> None:
    bench.say("probe", hello)
    bench.say("probe", last, at=103.0)
    bench.say("build-gone", at=103.1)
    assert bench.run().probe_lost is None


@pytest.mark.parametrize("allowed", [True, False])
def test_only_a_builder_that_says_so_gets_a_seccomp_profile_of_ours(
    monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    bench = Bench(monkeypatch, box=Box(user_namespaces=allowed))
    bench.pod._containers._create_build()
    security = bench.engine.specs[-1].security
    assert "no-new-privileges" in security
    profiles = [json.loads(option.removeprefix("seccomp=")) for option in security if "seccomp" in option]
    rules = [rule for profile in profiles for rule in profile["syscalls"]]
    refused = {name for rule in rules if "args" not in rule for name in rule["names"]}
    assert bool(profiles) is allowed
    assert not refused & {"unshare", "clone", "setns", "mount", "umount2", "pivot_root"}
    assert not allowed or {"acct", "bpf", "keyctl", "kexec_load", "init_module"} <= refused


# -- kept and held ------------------------------------------------------------------------------------------------


def test_a_kept_build_is_over_has_its_name_and_outlives_its_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.pod.keep("kept-1")
    bench.pod._remove()
    assert bench.engine.killed == ["the-build"]
    assert bench.engine.renamed == {"the-build": "kept-1"}
    assert bench.engine.removed == ["the-probe"]


def test_an_heir_has_the_volumes_of_the_kept_container_and_none_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, heir_of="kept-1", volumes={"fetched": ("/buildproof/cache", False)})
    bench.pod._containers._create_build()
    spec = bench.engine.specs[-1]
    assert (spec.heir_of, spec.volumes, spec.scratch) == ("kept-1", {}, ())


@pytest.mark.parametrize("end", ["said", "probe-gone", "build-gone"])
def test_a_held_pod_listens_until_it_is_told_or_is_gone(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    bench = Bench(monkeypatch)
    bench.say("probe", {"event": "sample", "at_s": 1.0})
    if end != "said":
        bench.say(end, b"", at=105.0)
    bench.pod.hold(lambda: bench.messages.now > (103.0 if end == "said" else 1e9))
    assert bench.pod.observation.sample["at_s"] == 1.0
    assert bench.messages.now == pytest.approx(103.2 if end == "said" else 105.0, abs=0.21)


# -- the gate -------------------------------------------------------------------------------------------------------


MARK = "mark-0"


def test_the_gates_command_is_a_word_of_its_own_never_part_of_the_script() -> None:
    command = "echo '$1' \"; rm -rf /\" {token}"
    argv = gate_argv(command, token=MARK, address_space=None)
    assert argv[:2] == ("/bin/sh", "-c")
    assert argv[-1] == command
    assert "rm -rf" not in argv[2]
    assert "ulimit" not in argv[2]
    assert MARK in argv[2]


def test_the_gate_limits_the_address_space_in_kib_or_gives_up() -> None:
    assert "ulimit -v 6291456 || exit 125\n" in gate_argv("x", token=MARK, address_space=6 << 30)[2]


# -- what others do to it -------------------------------------------------------------------------------------------


def happening(what: str, container: str = "the-build", at_s: float = 0.0, number: int | None = None) -> Happening:
    return Happening(container=container, what=what, at_s=at_s, signal=number)


@pytest.mark.parametrize(("container", "name"), [("the-build", "build"), ("the-probe", "probe")])
def test_a_container_that_somebody_removed_is_told(bench: Bench, container: str, name: str) -> None:
    bench.say("engine", happening("destroy", container), at=103.0)
    with pytest.raises(EngineError, match=f"somebody removed the {name} container") as error:
        bench.run()
    assert error.value.trouble is Trouble.CONTAINER_GONE


def test_what_happens_to_the_containers_of_others_is_not_the_pods(bench: Bench) -> None:
    for what in ("kill", "pause", "destroy"):
        bench.say("engine", happening(what, "the-neighbour"), at=103.0)
    bench.say("probe", state(final=True), at=104.0)
    bench.say("build-gone", at=104.1)
    ending = bench.run()
    assert (ending.exit_code, ending.probe_lost, ending.paused_s) == (0, None, 0.0)


def test_a_build_that_was_killed_through_the_engine_is_told_so(bench: Bench) -> None:
    bench.engine.code = 137
    bench.say("probe", HELLO)
    bench.say("engine", happening("kill", number=9), at=103.0)
    bench.say("probe", state(final=True, command=None), at=103.1)
    bench.say("build-gone", at=103.2)
    assert bench.run().probe_lost == (
        "somebody sent SIGKILL to the build container through the engine, 3.1 s into the build"
    )


def test_a_kill_of_which_the_engine_tells_after_the_end_is_told_all_the_same(bench: Bench) -> None:
    bench.engine.code = 137
    bench.say("probe", HELLO)
    bench.say("probe", state(final=True, command=None), at=103.1)
    bench.say("build-gone", at=103.2)
    bench.say("engine", happening("kill", number=9), at=103.3)
    assert str(bench.run().probe_lost).startswith("somebody sent SIGKILL to the build container")


@pytest.mark.parametrize("container", ["the-build", "the-probe"])
def test_a_removal_of_which_the_engine_tells_after_the_end_is_told_all_the_same(bench: Bench, container: str) -> None:
    bench.say("probe", HELLO)
    bench.say("probe", state(final=True, command=None), at=103.1)
    bench.say("build-gone", at=103.2)
    bench.say("engine", happening("destroy", container), at=103.3)
    with pytest.raises(EngineError, match="somebody removed") as error:
        bench.run()
    assert error.value.trouble is Trouble.CONTAINER_GONE


def test_an_engine_that_was_restarted_under_a_build_is_told(bench: Bench) -> None:
    bench.say("engine", None, at=103.0)
    with pytest.raises(EngineError, match="the engine was restarted") as error:
        bench.run()
    assert error.value.trouble is Trouble.UNREACHABLE


def test_a_stream_of_events_that_breaks_is_no_restart(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    running = ContainerState(running=True, exit_code=0, oom_flag=False, error="")
    ended = bench.engine.state
    monkeypatch.setattr(bench.engine, "state", lambda _container: running)
    bench.pod.on_progress = lambda _seen, _seconds: monkeypatch.setattr(bench.engine, "state", ended)
    bench.messages.waiting.append(("engine", None))
    bench.say("probe", state(final=True), at=103.0)
    bench.say("build-gone", at=103.1)
    assert bench.run().exit_code == 0


def test_an_engine_that_goes_after_the_commands_end_is_not_asked_how_it_ended(bench: Bench) -> None:
    bench.say("probe", state(final=True), at=103.0)
    bench.say("engine", None, at=103.1)
    bench.say("build-gone", at=103.2)
    assert bench.run().exit_code == 0


def test_a_pause_does_not_count_against_the_time_limit_nor_as_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, time_limit_s=60.0, silent_limit_s=20.0)
    bench.say("log", b"working\n", at=110.0)
    bench.say("engine", happening("pause", at_s=5000.0), at=110.0)
    bench.say("engine", happening("unpause", at_s=5090.0), at=200.0)
    bench.say("probe", state(final=True), at=215.0)
    bench.say("build-gone", at=215.1)
    ending = bench.run()
    assert (ending.stopped, ending.exit_code, ending.paused_s) == (None, 0, 90.0)


def test_a_probe_that_is_paused_alone_has_fallen_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The build goes on, and nobody watches it."""
    bench = Bench(monkeypatch, time_limit_s=600.0)
    bench.say("engine", happening("pause", "the-probe", at_s=5000.0), at=111.5)
    bench.say("build-gone", at=150.0)
    ending = bench.run(reports_until=112.0)
    assert (ending.stopped, ending.paused_s) == (Stop.PROBE_LOST, 0.0)
    assert str(ending.probe_lost).startswith("the probe fell silent")


def test_a_pause_without_end_leaves_nothing_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, time_limit_s=60.0)
    bench.say("engine", happening("pause", at_s=5000.0), at=110.0)
    bench.say("build-gone", at=715.0)
    ending = bench.run()
    assert ending.stopped is Stop.PROBE_LOST
    assert str(ending.probe_lost).startswith("somebody paused the pod through the engine")


def test_a_build_that_ended_in_time_while_we_were_stopped_was_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, time_limit_s=60.0, silent_limit_s=20.0)

    def stopped_and_continued(_seen: object, _seconds: float) -> None:
        bench.pod.on_progress = None
        bench.messages.now += 90.0
        for second in range(1, 31):
            bench.say("probe", state(at_s=float(second)))
        bench.say("probe", state(at_s=30.5, final=True))

    bench.pod.on_progress = stopped_and_continued
    bench.say("build-gone", at=190.6)
    assert bench.run(reports_until=0).stopped is None


def test_a_sleep_of_the_machine_is_noticed_where_the_probes_word_is_the_first_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, time_limit_s=60.0)

    def slept(_seen: object, _seconds: float) -> None:
        bench.pod.on_progress = None
        bench.messages.now += 90.0
        bench.say("probe", state(at_s=91.0))
        bench.say("probe", state(at_s=92.0, final=True))

    bench.pod.on_progress = slept
    bench.say("build-gone", at=192.0)
    ending = bench.run(reports_until=0)
    assert (ending.stopped, ending.paused_s) == (None, 90.0)


def test_a_build_that_was_late_while_we_were_stopped_was_late(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, time_limit_s=60.0)

    def stopped_and_continued(_seen: object, _seconds: float) -> None:
        bench.pod.on_progress = None
        bench.messages.now += 90.0
        for second in range(1, 91):
            bench.say("probe", state(at_s=float(second)))

    bench.pod.on_progress = stopped_and_continued
    bench.say("build-gone", at=199.0)
    assert bench.run(reports_until=0).stopped is Stop.TIME_LIMIT


def test_a_pod_whose_engine_went_is_left_to_the_sweep(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def gone(container: str) -> None:
        asked.append(container)
        raise EngineError("not there", trouble=Trouble.UNREACHABLE)

    monkeypatch.setattr(bench.engine, "remove", gone)
    bench.pod._remove()
    assert asked == ["the-build"]


@pytest.mark.parametrize(("address_space", "told"), [(1 << 30, "1048576"), (None, "unlimited")])
def test_a_persons_shell_has_the_address_space_of_the_build(address_space: int | None, told: str) -> None:
    argv = shell_argv(address_space=address_space)
    done = subprocess.run(argv, input="ulimit -v; exit 3", text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (3, told)
