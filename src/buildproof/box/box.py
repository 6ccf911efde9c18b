"""What a container that runs a project's own code may do, and whose it is. Pure; docs/security.md says what for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from buildproof.box.seccomp import namespaces_allowed
from buildproof.builder import Builder
from buildproof.layout import WORK
from buildproof.limits import Limits

_USER = "1000:1000"
_ROOT = "0:0"
# What installers, tar(1) and package managers need of root, see capabilities(7): to own, read and write the image's
# files, and to become somebody else. The engine's default set has eight more, among them MKNOD, NET_RAW and SYS_CHROOT.
_FOR_ROOT = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETGID", "SETUID")
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 (the build's, not ours)
_MOST_PROCESSES = 4096
_LARGEST_FILE = 16 << 30
_MOST_ON_DISK = 32 << 30


@dataclass(frozen=True, kw_only=True)
class Box:
    """One box. `user` is `uid:gid`; `read_only` is about the image's own files."""

    user: str = _USER
    read_only: bool = True
    user_namespaces: bool = False

    @classmethod
    def of(cls, builder: Builder) -> Box:
        """The box of a builder's builds."""
        user = _ROOT if builder.root else builder.user or _USER
        return cls(
            user=user if ":" in user else f"{user}:{user}",
            read_only=builder.writable_image is None,
            user_namespaces=builder.user_namespaces,
        )

    @property
    def owner(self) -> tuple[int, int]:
        """The user and group that sources, home and temporary files belong to."""
        user, _, group = self.user.partition(":")
        return int(user), int(group)

    @property
    def cap_add(self) -> tuple[str, ...]:
        """The capabilities that are left of all: none, but for root."""
        return _FOR_ROOT if self.owner[0] == 0 else ()

    @property
    def security(self) -> tuple[str, ...]:
        """Security options: no program gives rights away, and the engine's own seccomp(2) profile or ours."""
        return ("no-new-privileges", *((namespaces_allowed(),) if self.user_namespaces else ()))

    def scratch(self, tmpfs: dict[str, str]) -> tuple[str, ...]:
        """Where volumes take what is written, unless a `tmpfs` of the builder's does."""
        return (str(WORK), *(point for point in _TEMPORARY if point not in tmpfs))


def bounded(limits: Limits) -> Limits:
    """The same limits, with bounds on processes, the size of a file and the disk where the builder says nothing."""
    return replace(
        limits,
        pids=_MOST_PROCESSES if limits.pids is None else limits.pids,
        disk=_MOST_ON_DISK if limits.disk is None else limits.disk,
        rlimits={"fsize": (_LARGEST_FILE, _LARGEST_FILE), **limits.rlimits},
    )
