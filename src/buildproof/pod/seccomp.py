"""What a build may ask of the kernel where its builder says `user-namespaces`."""

from __future__ import annotations

import json

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
_ARCHITECTURES = {
    "SCMP_ARCH_X86_64": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "SCMP_ARCH_AARCH64": ["SCMP_ARCH_ARM"],
}


def namespaces_allowed() -> str:
    """The security option for an engine: a seccomp(2) profile under which a build may make namespaces.

    A profile goes to the engine as JSON; names that its libseccomp does not know are passed over.
    """
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "archMap": [{"architecture": native, "subArchitectures": others} for native, others in _ARCHITECTURES.items()],
        "syscalls": [{"names": list(_REFUSED), "action": "SCMP_ACT_ERRNO"}],
    }
    return f"seccomp={json.dumps(profile, separators=(',', ':'))}"
