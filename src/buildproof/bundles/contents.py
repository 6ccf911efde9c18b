"""One pass through a package: what is in it, what is wrong with that, and its executables, taken out to be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from buildproof.artifacts.file import MAGIC, appearance_of, starts_of
from buildproof.artifacts.neighbours import kind_of
from buildproof.bundles.archives import deb_members, tar_members, zip_members
from buildproof.bundles.library import library_members
from buildproof.bundles.member import BrokenError, Member, NotOpenedError
from buildproof.bundles.rpm import rpm_members
from buildproof.bundles.streams import most_unpacked
from buildproof.targets import Kind, Target

READERS: dict[str, Callable[[Path], Iterator[Member]]] = {
    ".zip": zip_members,
    ".tar": tar_members,
    ".tar.gz": tar_members,
    ".tgz": tar_members,
    ".tar.xz": tar_members,
    ".txz": tar_members,
    ".tar.bz2": tar_members,
    ".tar.zst": tar_members,
    ".tzst": tar_members,
    ".deb": deb_members,
    ".rpm": rpm_members,
    ".a": library_members,
    ".lib": library_members,
}
LIBRARIES = (".a", ".lib")
_SUFFIXES = tuple(READERS)
MOST_MEMBERS = 100_000
_ALWAYS_MEMBERS, _SMALLEST_MEMBER = 10_000, 50  # and more than so many not, unless each takes so many bytes
MOST_EXECUTABLES = 5000
_FOREIGN = (*MAGIC.values(), b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe")  # the last are those of Mach-O
_CHUNK = 1 << 20
_SMALLEST = 52  # bytes: the header of an ELF file for 32 bits


@dataclass(kw_only=True)
class Contents:
    """What the pass found. `broken` says why it did not come to the end, `closed` why it was not begun."""

    names: list[str] = field(default_factory=list)
    files: int = 0
    size: int = 0  # bytes of all regular members
    unsafe: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    executables: dict[str, Path] = field(default_factory=dict)
    unexamined: list[str] = field(default_factory=list)
    broken: str | None = None
    closed: str | None = None

    def add(self, size: int, most: int) -> None:
        """So many more bytes of members; BrokenError where they are too many."""
        self.size += size
        if self.size > most:
            raise BrokenError(f"it unpacks to more than {most >> 20} MiB")


def suffix_of(name: str) -> str | None:
    """Which of READERS a file of this name is for."""
    lower = name.lower()
    if not lower.endswith(_SUFFIXES):
        return None
    return max((suffix for suffix in READERS if lower.endswith(suffix)), key=len)


def is_appimage(name: str) -> bool:
    """Whether a file of this name is called an AppImage."""
    return name.lower().endswith(".appimage")


def read_contents(
    members: Iterator[Member], size: int, target: Target, folder: Path, kind: Kind | None = None
) -> Contents:
    """Go through the members of a package of `size` bytes; `kind` is what all of them are, or their names tell.

    Executables for `target` are written to `folder`, under numbers for names.
    """
    contents = Contents()
    most = most_unpacked(size)
    most_members = min(MOST_MEMBERS, _ALWAYS_MEMBERS + size // _SMALLEST_MEMBER)
    known: set[str] = set()
    try:
        for member in members:
            if len(contents.names) >= most_members:
                contents.broken = f"it has over {most_members} members"
                break
            contents.names.append(member.name)
            if why := _unsafe(member):
                contents.unsafe.append(f"{member.name} {why}")
            elif member.regular:
                if member.name in known:
                    contents.twice.append(member.name)
                known.add(member.name)
                starts = starts_of(target.binary_format, kind or kind_of(member.name))
                if head := _take(member, contents, starts, folder, most):
                    contents.unexamined += _unexamined(member.name, head, target, kind)
    except BrokenError as error:
        contents.broken = str(error)
    except NotOpenedError as error:
        contents.closed = str(error)
    return contents


def _take(member: Member, contents: Contents, starts: tuple[bytes, ...], folder: Path, most: int) -> bytes | None:
    """Read a member to its end, and keep it in `folder` where it starts like an executable; otherwise its start."""
    contents.files += 1
    if not member.size:
        contents.empty.append(member.name)
    try:
        with member.open() as content, ExitStack() as stack:
            head = chunk = content.read(_CHUNK) or b""
            place = out = None
            if head.startswith(starts) and len(contents.executables) < MOST_EXECUTABLES:
                place = folder / str(contents.files)
                out = stack.enter_context(place.open("wb"))
            while chunk:
                contents.add(len(chunk), most)
                if out:
                    out.write(chunk)
                chunk = content.read(_CHUNK) or b""
    except BrokenError:
        raise
    except Exception as error:
        # zipfile and tarfile raise their own errors, those of the compressors, OSError, ValueError and others.
        raise BrokenError(f"{member.name} cannot be read: {type(error).__name__}: {error}") from error
    if place:
        contents.executables[member.name] = place
        return None
    return head


def _unexamined(name: str, head: bytes, target: Target, kind: Kind | None) -> Iterator[str]:
    """Why something that may well be executable is not judged."""
    if kind is Kind.OBJECT:
        yield f"{name} is no object for {target}, but looks like {appearance_of(head)}"
    elif suffix_of(name) is not None or is_appimage(name):
        yield f"{name} is a package in the package, which is not opened"
    elif len(head) >= _SMALLEST and head.startswith(MAGIC[target.binary_format]):
        yield f"{name} is one of over {MOST_EXECUTABLES} executables"
    elif len(head) >= _SMALLEST and head.startswith(_FOREIGN):
        yield f"{name} looks like {appearance_of(head)}, which is nothing for {target}"


def _unsafe(member: Member) -> str | None:
    """Why unpacking this member would touch what is outside of the folder that it is unpacked to."""
    if "\0" in member.name or not _stays_inside(member.name):
        return "would be written outside of the folder"
    if member.special:
        return "is a device or a pipe"
    if member.link is not None:
        home = PurePosixPath(member.name).parent
        absolute = member.link.startswith("/")
        # In a package for a whole system a link may be absolute; it is nothing that unpacking writes through.
        if not absolute and not _stays_inside(str(home / member.link)):
            return f"is a link to {member.link}, outside of the folder"
    return None


def _stays_inside(name: str) -> bool:
    if name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":"):
        return False
    depth = 0
    for part in name.replace("\\", "/").split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return False
    return True
