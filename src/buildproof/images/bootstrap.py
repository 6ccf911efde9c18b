"""A Debian base image where no registry can be reached: made from packages with mmdebstrap(1)."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from buildproof import labels
from buildproof.engine import Engine
from buildproof.errors import ImageError
from buildproof.ownership import scratch_folder

_DEBIAN = re.compile(r"^(?:docker\.io/)?(?:library/)?debian:(?P<suite>[a-z]+)(?:-\d+)?(?:-slim)?$")
_SOURCES = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d"))
_MIRROR = re.compile(r"^(?:deb\s+(?:\[[^\]]*\]\s+)?|URIs:\s*)(https?://\S+/debian)/?(?:\s|$)", re.MULTILINE)
_KEEP_LAST = 20


def suite_of(reference: str) -> str | None:
    """`trixie` for debian:trixie-slim; None for what cannot be made from packages."""
    found = _DEBIAN.match(reference)
    return found["suite"] if found else None


def host_mirror() -> str | None:
    """The Debian mirror that the host's own apt uses, in sources.list(5) or deb822 form; None on other systems."""
    for place in _SOURCES:
        for file in sorted(place.glob("*")) if place.is_dir() else [place]:
            try:
                found = _MIRROR.search(file.read_text(errors="replace"))
            except OSError:
                continue
            if found:
                return found[1]
    return None


def bootstrap(engine: Engine, suite: str, reference: str, progress: Callable[[str], None]) -> None:
    """Make and import a minimal Debian `suite` as `reference`; ImageError says what is missing."""
    program = shutil.which("mmdebstrap")
    if not program:
        raise ImageError(
            f"no registry answers, and mmdebstrap, which would make a Debian {suite} image from packages, is missing",
            next_step="`apt-get install mmdebstrap`, or give the engine a registry that has debian:" + suite,
        )
    mirror = host_mirror()
    with scratch_folder() as folder:
        tar = Path(folder) / "root.tar"
        command = [program, "--variant=minbase", "--include=ca-certificates", suite, str(tar)]
        command += [mirror] if mirror else []
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            said: list[str] = []
            for line in process.stdout or ():
                said = [*said[1 - _KEEP_LAST :], line.rstrip()]
                progress(line.rstrip())
        if process.returncode:
            raise ImageError(f"{' '.join(command)} failed with status {process.returncode}:\n" + "\n".join(said))
        changes = ["ENV LANG=C.UTF-8", 'CMD ["bash"]']
        engine.import_image(tar, reference, changes, labels.of_image(reference))
