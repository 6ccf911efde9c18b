"""Can a run on this engine be trusted, and is the host large enough? Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from buildproof.errors import BuildproofError, ExitCode
from buildproof.facts import EngineFacts, HostFacts
from buildproof.limits import Limits
from buildproof.units import size

GIB = 1 << 30

# The memory guide's figures for the host: minimum and recommended.
MINIMUM_HOST, RECOMMENDED_HOST = 8 * GIB, 16 * GIB
MINIMUM_DISK, RECOMMENDED_DISK = 10 * GIB, 20 * GIB
MINIMUM_CORES, RECOMMENDED_CORES = 2, 4
_UNSAID = "the engine does not say; it is read back before each build"
_KEPT_BY_THE_HOST = 0.9  # firmware and kernel take their part of the memory that a machine is sold with


class Level(StrEnum):
    """How a finding stands. A `stop` means that no run could be trusted."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    STOP = "stop"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's table: `what` was looked at, what was `found`, and what to do about it."""

    level: Level
    what: str
    found: str
    mend: str | None = None


class Untrustworthy(BuildproofError):
    """A run on this engine could prove nothing."""

    exit_code = ExitCode.UNMEASURED


def examine_engine(engine: EngineFacts, host: HostFacts, builders: Sequence[tuple[str, Limits]] = ()) -> list[Finding]:
    """Every finding about an engine, its host, and the limits that builders ask of them."""
    if _limits_nothing(engine):  # Podman 4.3 says that it can all the same, and lets every limit fall without a word
        engine = replace(engine, memory_limit=False, swap_limit=False, cpu_limit=False, pids_limit=False)
    return [
        _engine(engine),
        *_podman(engine),
        _cgroup(engine),
        _memory_limit(engine),
        _swap(engine, host),
        _cpu_limit(engine),
        _pids(engine),
        _accounting(host),
        _amount("memory", engine.memory, MINIMUM_HOST, RECOMMENDED_HOST),
        _amount("disk free for the engine", host.disk_free, MINIMUM_DISK, RECOMMENDED_DISK),
        _cores(engine.cores),
        *(_builder(name, limits, engine) for name, limits in builders),
    ]


def stop_if_untrustworthy(findings: Sequence[Finding]) -> None:
    """Raise Untrustworthy with every finding that stops a run."""
    stops = [finding for finding in findings if finding.level is Level.STOP]
    if stops:
        said = "\n".join(f"{finding.what}: {finding.found}" for finding in stops)
        mends = "; ".join(dict.fromkeys(finding.mend for finding in stops if finding.mend))
        raise Untrustworthy(f"a run on this engine could not be trusted\n{said}", next_step=mends or None)


def _engine(engine: EngineFacts) -> Finding:
    found = (
        f"{engine.product} {engine.version}, API {engine.api}{', rootless' if engine.rootless else ''}, "
        f"{engine.operating_system}, kernel {engine.kernel}, {engine.architecture}"
    )
    version = tuple(int(part) for part in engine.api.split(".") if part.isdigit())
    if version and version < (1, 41):
        newer = "Podman 4" if engine.product == "Podman" else "Docker Engine 20.10"
        return Finding(Level.STOP, "engine", found, f"upgrade to {newer} (API 1.41) or newer")
    return Finding(Level.OK, "engine", found)


def _podman(engine: EngineFacts) -> list[Finding]:
    """What holds on Podman's Docker-compatible socket and what does not, as docs/engines.md measured it."""
    if engine.product != "Podman":
        return []
    if engine.rootless:
        return [Finding(Level.NOTE, "podman", "rootless: without process accounting, see docs/engines.md")]
    return [
        Finding(
            Level.NOTE, "podman",
            "limits, counters and process accounting hold (measured: 4.3, 5.4); of tmpfs only `size` and `mode` can be "
            "set, `nr_inodes` is refused; see docs/engines.md",
        )
    ]  # fmt: skip


def _limits_nothing(engine: EngineFacts) -> bool:
    """Whether a rootless engine is on cgroup v1, which cannot be delegated to a user."""
    return engine.rootless and engine.cgroup_version == 1


# On cgroup v2 a rootless engine limits with what systemd delegates to its user: memory and pids by default, cpu is not.
# See docs.docker.com/engine/security/rootless/tips, "Limiting resources".
def _missing(engine: EngineFacts, controller: str, otherwise: str) -> str:
    """What to do about a controller that the engine lacks; `otherwise` is for an engine that runs as root."""
    if not engine.rootless:
        return otherwise
    if _limits_nothing(engine):
        return "boot the engine's host with cgroup v2 (`systemd.unified_cgroup_hierarchy=1`), or use a rootful engine"
    return (
        f"have systemd delegate {controller} to the engine's user (`Delegate=cpu memory pids` in "
        "/etc/systemd/system/user@.service.d/delegate.conf), or use a rootful engine"
    )


def _cgroup(engine: EngineFacts) -> Finding:
    found = f"v{engine.cgroup_version}, driver {engine.cgroup_driver}, storage driver {engine.storage_driver}"
    if _limits_nothing(engine):
        found += ": a rootless engine on cgroup v1 puts no limit in force"
        return Finding(Level.STOP, "cgroup", found, _missing(engine, "", ""))
    if engine.cgroup_version is None or engine.cgroup_driver == "none":
        root = "run it as root, or rootless with systemd and v2"
        return Finding(
            Level.STOP, "cgroup", f"{found}: the engine manages no cgroups", _missing(engine, "cgroups", root)
        )
    return Finding(Level.OK, "cgroup", found)


def _memory_limit(engine: EngineFacts) -> Finding:
    if not engine.memory_limit:
        mend = _missing(engine, "memory", "enable the memory controller (boot with `cgroup_enable=memory`)")
        return Finding(Level.STOP, "memory limit", "the engine cannot limit memory", mend)
    return Finding(Level.OK, "memory limit", "can be set")


def _swap(engine: EngineFacts, host: HostFacts) -> Finding:
    if engine.swap_limit is False:
        mend = _missing(engine, "memory", "boot with `swapaccount=1`; a build may swap unseen")
        return Finding(Level.WARNING, "swap", "the engine cannot limit swap", mend)
    if host.swap == 0:
        return Finding(Level.NOTE, "swap", "none on the host: a builder's swap is not in force, and reported as such")
    if engine.swap_limit is None:
        return Finding(Level.OK, "swap", _UNSAID)
    return Finding(Level.OK, "swap", "can be limited" + (f", {size(host.swap)} on the host" if host.swap else ""))


def _cpu_limit(engine: EngineFacts) -> Finding:
    if engine.cpu_limit is False:
        mend = _missing(engine, "cpu", "enable the cpu controller with CFS bandwidth")
        return Finding(Level.WARNING, "cpu limit", "cannot be set", mend)
    if engine.cpu_limit is None:
        return Finding(Level.OK, "cpu limit", _UNSAID)
    return Finding(Level.OK, "cpu limit", "can be set")


def _pids(engine: EngineFacts) -> Finding:
    if not engine.pids_limit:
        mend = _missing(engine, "pids", "enable the pids controller")
        return Finding(Level.WARNING, "pids limit", "cannot be set", mend)
    return Finding(Level.OK, "pids limit", "can be set")


def _accounting(host: HostFacts) -> Finding:
    what = "process accounting"
    if not host.accounting_tried:
        return Finding(Level.NOTE, what, "not tried: the probe image is made by the first run")
    if host.accounting_refused:
        return Finding(
            Level.WARNING, what, f"refused: {host.accounting_refused}",
            "“no SIGBUS” cannot be proved here; a rootful engine can",
        )  # fmt: skip
    return Finding(Level.OK, what, "acct(2) works: every process's end is seen")


def _amount(what: str, found: int | None, minimum: int, recommended: int) -> Finding:
    if found is None:
        return Finding(Level.NOTE, what, "unknown from here (a remote engine)")
    if found < minimum * _KEPT_BY_THE_HOST:
        return Finding(Level.WARNING, what, size(found), f"the guide's minimum is {size(minimum)}")
    if found < recommended * _KEPT_BY_THE_HOST:
        return Finding(Level.NOTE, what, size(found), f"the guide recommends {size(recommended)}")
    return Finding(Level.OK, what, size(found))


def _cores(cores: int) -> Finding:
    if cores < MINIMUM_CORES:
        return Finding(Level.WARNING, "cores", str(cores), f"the guide's minimum is {MINIMUM_CORES}")
    if cores < RECOMMENDED_CORES:
        return Finding(Level.NOTE, "cores", str(cores), f"the guide recommends {RECOMMENDED_CORES}")
    return Finding(Level.OK, "cores", str(cores))


def _builder(name: str, limits: Limits, engine: EngineFacts) -> Finding:
    what = f"builder {name}"
    if limits.cpus and limits.cpus > engine.cores:
        return Finding(Level.STOP, what, f"asks for {limits.cpus} cpus, the engine has {engine.cores}", "lower `cpus`")
    if limits.cpus and engine.memory_limit and engine.cpu_limit is False:
        # Docker 20.10 then refuses to create the container, where it would only leave out a memory limit.
        mend = "leave out `cpus`, or see to the cpu limit"
        return Finding(Level.STOP, what, f"asks for {limits.cpus} cpus, which the engine cannot limit", mend)
    if limits.memory and limits.memory > engine.memory:
        return Finding(
            Level.WARNING, what, f"asks for {size(limits.memory)}, the engine has {size(engine.memory)}",
            "the host may run out of memory before the limit does: lower `mem_limit`, or use the `4g` profile",
        )  # fmt: skip
    return Finding(Level.OK, what, f"{size(limits.memory)}, {limits.cpus or engine.cores} cpus")
