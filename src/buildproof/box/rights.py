"""Whether a box is shut: the rights of its first process as the kernel tells them, against those that it may have."""

from __future__ import annotations

from collections.abc import Mapping

from buildproof.box.box import Box
from buildproof.limits import LimitState, LimitValue

RIGHTS = ("user", "capabilities", "no_new_privileges")
"""What has to be in force before anything of a build is run. An engine without seccomp(2) is told of, and used."""

_FILTERED = 2  # SECCOMP_MODE_FILTER


def rights_in_force(box: Box, status: Mapping[str, str] | None) -> dict[str, LimitState]:
    """The state of each right; `status` are the rows of the first process's /proc/<pid>/status, proc_pid_status(5).

    `user` is a number, `capabilities` the count of those that the process or a child of it could ever have.
    """
    known = status or {}
    users = {int(number) for number in known.get("Uid", "").split()}
    bounding = known.get("CapBnd")
    return {
        "user": _state(box.owner[0], users.pop() if len(users) == 1 else None),
        "capabilities": _state(len(box.cap_add), int(bounding, 16).bit_count() if bounding else None),
        "no_new_privileges": _state(True, _flag(known.get("NoNewPrivs"), 1)),
        "seccomp": _state(True, _flag(known.get("Seccomp"), _FILTERED)),
    }


def _flag(text: str | None, wanted: int) -> bool | None:
    return None if text is None else int(text) == wanted


def _state(asked: LimitValue, got: LimitValue | None) -> LimitState:
    why = "the kernel's value could not be read" if got is None else "the kernel's value differs"
    return LimitState(requested=asked, effective=got, in_force=got == asked, why=None if got == asked else why)
