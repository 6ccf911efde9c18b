"""A process that is told to end, and one whose parent is gone, take down what they have begun."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

# env(1): whoever runs the tests may ignore a signal, as nohup(1) does SIGHUP, and a child would ignore it with them.
_AT_DEFAULT = ("env", "--default-signal=HUP,TERM")
_AT_WORK = """\
import time
from buildproof.interrupts import as_interrupts, with_its_parent
as_interrupts()
{more}
try:
    print("at work", flush=True)
    time.sleep(60)
except KeyboardInterrupt as told:
    {then}
    print("took down, for", told, flush=True)
"""
_PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_a_process_is_an_interrupt(number: signal.Signals) -> None:
    command = [*_AT_DEFAULT, sys.executable, "-c", _AT_WORK.format(more="", then="")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "at work\n"
        process.send_signal(number)
        assert process.communicate(timeout=30)[0] == f"took down, for {number.name}\n"
    assert process.returncode == 0


def test_a_process_is_interrupted_when_its_parent_is_killed_and_not_again_by_execnet() -> None:
    work = _AT_WORK.format(more="with_its_parent()", then="import os; os.kill(os.getpid(), 2)")
    with subprocess.Popen(
        [*_AT_DEFAULT, sys.executable, "-c", _PARENT, work], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == "at work\n"
        parent.kill()
        assert parent.communicate(timeout=30)[0] == "took down, for SIGTERM\n"
