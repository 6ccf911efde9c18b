"""Scratch folders and files on this host, whose names say whose they are."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from buildproof.ownership.judgement import Here, why_dead
from buildproof.ownership.mark import Keep, Mark, Process
from buildproof.ownership.process import this_process

_NAME = re.compile(r"buildproof-(?P<pid>\d+)-(?P<started>\d+)-(?P<host>[0-9a-f]{12})-")


def scratch_prefix() -> str:
    """How the name of what this process makes for itself alone begins."""
    own = this_process()
    return f"buildproof-{own.pid}-{own.started}-{_digest(own.host)}-"


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder in the system's place for such, gone at the end of its context."""
    return tempfile.TemporaryDirectory(prefix=scratch_prefix())


def abandoned(folder: Path, here: Here) -> Iterator[Path]:
    """What dead processes left in `folder`; nothing of another host or PID namespace, which may share it."""
    for path in folder.glob("buildproof-*"):
        told = _NAME.match(path.name)
        if told and here.host and told["host"] == _digest(here.host):
            owner = Process(pid=int(told["pid"]), started=int(told["started"]), host=here.host)
            if why_dead(Mark(process=owner, deadline=here.now, keep=Keep.NONE), here):
                yield path


def _digest(host: str) -> str:
    return hashlib.sha256(host.encode()).hexdigest()[:12]
