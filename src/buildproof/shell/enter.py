"""Enter a build's box: the container that a run kept, as its build left it, or a fresh one with its sources."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from buildproof import labels
from buildproof.engine import Engine, Thing
from buildproof.leftovers import is_kept
from buildproof.ownership import scratch_folder
from buildproof.plan import Build
from buildproof.pod import Pod, shell_argv
from buildproof.runfolder import RunFolder
from buildproof.runner import Heir
from buildproof.session import Session
from buildproof.shell.console import handed_over, is_terminal


def enter(build: Build, *, fresh: bool, ca_bundle: Path | None, say: Callable[[str], None]) -> int:
    """Give a person a shell in a build's box, its limits in force; the shell's exit code.

    The box is a pod like that of a build, whose command is never let go: it ends with the shell, and when this process
    is killed. Of a container that was kept a copy is entered, without what was in a tmpfs. Raises EngineError and all
    else that keeps a build from its start.
    """
    with scratch_folder() as scratch:
        session = Session(RunFolder(Path(scratch) / f"shell-{secrets.token_hex(4)}"), ca_bundle=ca_bundle, say=say)
        try:
            session.prepare([build])
            kept = None if fresh else newest_kept(session.engine, build.id)
            say(f"{build.id}: as {kept.names[0]} was left" if kept else f"{build.id}: fresh, with its sources in place")
            say(f"its command: {build.command}")
            with _heir(session.engine, kept) as heir:
                return session.runner().enter(build, lambda pod: _talk(session.engine, build, pod), heir)
        finally:
            session.close()


def newest_kept(engine: Engine, build_id: str) -> Thing | None:
    """The container of a build that was kept last; names begin with the run's, and so with its time."""
    found = filter(is_kept, engine.things(f"{labels.BUILD}={build_id}"))
    return max(found, key=lambda thing: thing.names, default=None)


def _talk(engine: Engine, build: Build, pod: Pod) -> int:
    argv = shell_argv(address_space=build.builder.limits.address_space)
    command = engine.run_inside(pod.container, argv, terminal=is_terminal())
    with handed_over(command) as over:
        pod.hold(over.is_set)
    return command.exit_code() or 0


@contextlib.contextmanager
def _heir(engine: Engine, kept: Thing | None) -> Iterator[Heir | None]:
    """An image of what the kept container changed in its own, for as long as it is needed."""
    if kept is None:
        yield None
        return
    reference = f"buildproof/kept:{kept.id[:12]}-{secrets.token_hex(4)}"
    engine.commit(kept.id, reference, labels.of_image(reference))
    try:
        yield Heir(image=reference, container=kept.id)
    finally:
        engine.remove_image(reference)
