"""What a build may ask of the kernel where its builder says `user-namespaces`."""

from __future__ import annotations

import json
from typing import Any

# The engine's own profile refuses unshare(2), setns(2), mount(2) and clone(2) with CLONE_NEWUSER for fear of bugs in
# the kernel; the capabilities that a process has in a user namespace of its own reach no further, user_namespaces(7).
# That profile is a list of what is allowed, and another one with every version of the engine. Here stands what is
# refused: the calls that an ordinary build is refused as well (https://docs.docker.com/engine/security/seccomp/) and
# that no sandbox needs. Most of them ask for a capability of the host, and would be refused anyway.
_REFUSED = (
    "acct",
    "add_key",
    "bpf",
    "clock_adjtime",
    "clock_settime",
    "create_module",
    "delete_module",
    "finit_module",
    "get_kernel_syms",
    "init_module",
    "ioperm",
    "iopl",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "lookup_dcookie",
    "nfsservctl",
    "open_by_handle_at",
    "perf_event_open",
    "query_module",
    "quotactl",
    "quotactl_fd",
    "reboot",
    "request_key",
    "settimeofday",
    "stime",
    "swapoff",
    "swapon",
    "syslog",
    "userfaultfd",
    "vhangup",
    "vm86",
    "vm86old",
)
# Two doors that full capabilities in a user namespace of one's own open, and behind which lies the measurement.
# First, cap_safe_nice() of security/commoncap.c compares sets of capabilities, whosesoever namespace they are of:
# such a process may slow down every other of its user, the probe too, which is process 1 of its pod.
_PROCESS_1_AS = {
    "setpriority": 1,  # the number of the argument that names a process
    "ioprio_set": 1,
    "sched_setaffinity": 0,
    "sched_setattr": 0,
    "sched_setparam": 0,
    "sched_setscheduler": 0,
}
_ALL_OF_A_USER = {"setpriority": 2, "ioprio_set": 3}  # PRIO_USER, IOPRIO_WHO_USER
# Second, in a cgroup namespace of its own it may mount its cgroup, and write its limits, which its user owns.
_CLONE_NEWCGROUP = 0x02000000
_INT = 0xFFFFFFFF  # the kernel takes no more of an argument that is an int
_ENOSYS = 38
_ARCHITECTURES = {
    "SCMP_ARCH_X86_64": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "SCMP_ARCH_AARCH64": ["SCMP_ARCH_ARM"],
}


def _refuse(*names: str, argument: int | None = None, mask: int = 0, value: int = 0) -> dict[str, Any]:
    """A rule: with EPERM, where the numbered argument's bits under `mask` are `value`; always where there is none."""
    rule: dict[str, Any] = {"names": list(names), "action": "SCMP_ACT_ERRNO"}
    if argument is not None:
        rule["args"] = [{"index": argument, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}]
    return rule


def namespaces_allowed() -> str:
    """The security option for an engine: a seccomp(2) profile under which a build may make namespaces.

    A profile goes to the engine as JSON; names that its libseccomp does not know are passed over.
    """
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "archMap": [{"architecture": native, "subArchitectures": others} for native, others in _ARCHITECTURES.items()],
        "syscalls": [
            _refuse(*_REFUSED),
            *(_refuse(name, argument=index, mask=_INT, value=1) for name, index in _PROCESS_1_AS.items()),
            *(_refuse(name, argument=0, mask=_INT, value=kind) for name, kind in _ALL_OF_A_USER.items()),
            _refuse("clone", "unshare", argument=0, mask=_CLONE_NEWCGROUP, value=_CLONE_NEWCGROUP),
            # Its flags lie in memory, out of a filter's sight. The C library then takes clone(2).
            {**_refuse("clone3"), "errnoRet": _ENOSYS},
        ],
    }
    return f"seccomp={json.dumps(profile, separators=(',', ':'))}"
