"""The ledger: one file for each build that waits for a promise or holds one, in a folder that all runs share.

Each file is locked, flock(2), by the process whose build it is, for as long as it lives: the kernel drops the lock with
the process, however that ends, and a file without a lock counts for nothing. Nobody has to clean up after a killed run.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter, ValidationError

from buildproof.budget.allowance import Allowance
from buildproof.budget.ticket import Ticket, in_the_way
from buildproof.errors import EngineError, Trouble
from buildproof.facts import EngineFacts

VARIABLE = "BUILDPROOF_LEDGER"
_FORMAT = "v1"  # another one when an older buildproof could not read the tickets
_SUFFIX = ".ticket"
_TICKET = TypeAdapter(Ticket)
_SHARED = 0o1777  # all users of the machine, each with files of their own, as in /tmp


class Ledger:
    """The promises of one machine, in `folder`. Raises EngineError where that cannot be used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, engine: EngineFacts) -> Self:
        """The ledger of the machine that an engine runs on: two engines of one machine share it.

        It is on this side of the connection: runs on other computers with the same engine know nothing of it.
        """
        named = os.environ.get(VARIABLE)
        machine = "\0".join((engine.name, engine.kernel, str(engine.memory), str(engine.cores)))
        key = hashlib.sha256(machine.encode()).hexdigest()[:12]
        return cls((Path(named) if named else _root()) / f"{_FORMAT}-{key}")

    def draw(self, *, run: str, build: str, memory: int, cpus: float, sequential: bool) -> Entry:
        """Take a ticket at the end of the queue; it is void when the entry is closed or this process ends."""
        with self.locked():
            number = max((int(path.stem) for path in self._files() if path.stem.isdecimal()), default=0) + 1
            ticket = Ticket(
                number=number, run=run, build=build, pid=os.getpid(), memory=memory, cpus=cpus,
                sequential=sequential, granted=False, since=time.time(),
            )  # fmt: skip
            return Entry(self, ticket, self.folder / f"{number:08}{_SUFFIX}")

    def tickets(self) -> tuple[Ticket, ...]:
        """Everybody's, in the order of the queue."""
        with self.locked():
            return tuple(self.alive())

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else reads or writes meanwhile: the folder itself is what is locked, so that any user can."""
        with self.told():
            _make_shared(self.folder.parent)
            _make_shared(self.folder)
            folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            with self.told():
                fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Say of an OSError which folder it is about, and what to do."""
        try:
            yield
        except OSError as error:
            raise EngineError(
                f"the ledger of promised memory in {self.folder} cannot be kept: {error.strerror}",
                next_step=f"name a folder that can be written to with {VARIABLE}",
                trouble=Trouble.OWN_DISK if error.errno in {errno.ENOSPC, errno.EDQUOT} else None,
            ) from error

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{_SUFFIX}"))

    def alive(self) -> Iterator[Ticket]:
        """Those whose process lives; files of others are removed. To be called while locked."""
        for path in self._files():
            try:
                file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except OSError:
                continue  # it was given back right now
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                with contextlib.suppress(ValidationError):  # not written by us: the folder's name has our format
                    yield _TICKET.validate_json(os.pread(file, 1 << 16, 0))
            else:
                with contextlib.suppress(OSError):  # another user's
                    path.unlink()
            finally:
                os.close(file)


class Entry:
    """A ticket of this process. Made by `Ledger.draw`, while it is locked."""

    def __init__(self, ledger: Ledger, ticket: Ticket, path: Path) -> None:
        self._ledger, self.ticket, self._path = ledger, ticket, path
        with ledger.told():
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(path, flags, 0o644)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._write()
            except BaseException:
                self.close()
                raise

    def claim(self, allowance: Allowance) -> tuple[Ticket, ...]:
        """Take what the ticket asks for if it is to be had now; whose end it has to wait for otherwise."""
        with self._ledger.locked():
            others = [ticket for ticket in self._ledger.alive() if ticket.number != self.ticket.number]
            blockers = in_the_way(self.ticket, others, allowance)
            if not blockers:
                self.ticket = replace(self.ticket, granted=True, since=time.time())
                with self._ledger.told():
                    self._write()
            return blockers

    def _write(self) -> None:
        os.pwrite(self._file, _TICKET.dump_json(self.ticket).ljust(os.fstat(self._file).st_size), 0)

    def close(self) -> None:
        """Give back what was promised, or leave the queue."""
        with contextlib.suppress(OSError):  # without its lock it counts for nothing, and the next one removes it
            self._path.unlink()
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _root() -> Path:
    """The first of the usual folders that every user of this machine can write to, so that all choose the same."""
    usual = (Path("/run/lock"), Path("/tmp"))  # noqa: S108 (made with a mode, opened without following links)
    for folder in usual:
        with contextlib.suppress(OSError):
            if folder.stat().st_mode & stat.S_IWOTH:
                return folder / "buildproof"
    return Path(tempfile.gettempdir()) / "buildproof"


def _make_shared(folder: Path) -> None:
    """Make a folder for all users unless it is there; its parent has to exist or to be makeable."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(_SHARED)
