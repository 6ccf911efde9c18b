"""Who may change what: a manifest from a pull request, held against the checkout of the branch it wants to go into.

docs/security.md has the table. Nothing is widened in silence: each attempt is an error at the key that makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from buildproof.builder import DEFAULT_TIME_LIMIT_S, Builder
from buildproof.document.fields import is_dir, is_file
from buildproof.errors import InputError, Place
from buildproof.hardening import Symbols
from buildproof.manifest import BuildSpec, Fetch, Folder, Manifest, Tier, read_manifest
from buildproof.units import duration, show, size

_NEXT = "stay within it, or change it in the base first, where somebody who is trusted reviews it"


class Trust(StrEnum):
    """How far a manifest is trusted, most first."""

    FULL = "full"  # the project's own people wrote it
    LIMITS = "limits"  # it may change what is built and fetched, and none of the box
    NONE = "none"  # it may change what is built, and make promises stricter


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """What is the law for manifests: a level of trust, and a checkout of the base branch where there is one."""

    trust: Trust = Trust.FULL
    base: Path | None = None

    def __post_init__(self) -> None:
        if self.base and not is_dir(self.base):
            raise InputError("no such folder", where=Place(self.base), next_step="--trusted-base PATH: a checkout")
        if self.trust is Trust.NONE and not self.base:
            raise InputError(
                "--trust none needs the base branch: nothing else says what is allowed",
                next_step="check it out beside the pull request, and name it: --trusted-base PATH",
            )
        if self.trust is Trust.FULL and self.base:
            raise InputError(
                "--trusted-base has no meaning at --trust full", next_step="add --trust none, or --trust limits"
            )

    def base_of(self, manifest: Manifest) -> Manifest | None:
        """The base's manifest at the same path of the repository; None where it has none, or is not asked."""
        path = self._in_base(manifest, manifest.path)
        return read_manifest(path) if path and is_file(path) else None

    def compose_of(self, manifest: Manifest) -> Path | None:
        """The Compose file whose builders serve a manifest; None for the shipped ones. Raises InputError."""
        own = manifest.project.compose
        if self.trust is Trust.FULL or own is None:
            return own
        found = self._in_base(manifest, own)
        if found and is_file(found):
            return found
        raise InputError(
            f"project.compose: at --trust {self.trust} builders come from the base, which has no {show(own.name)}",
            where=manifest.project.compose_place,
            next_step="leave it out for the shipped builders, or name the base with this file: --trusted-base PATH",
        )

    def _in_base(self, manifest: Manifest, path: Path) -> Path | None:
        home, path = repository_of(manifest.path), path.resolve()
        if self.base is None or not path.is_relative_to(home):
            return None
        return self.base.resolve() / path.relative_to(home)

    def complaints(self, manifest: Manifest, builders: Mapping[str, Builder]) -> Iterator[InputError]:
        """What a manifest asks for and may not at this level of trust; `builders` are those that serve it."""
        if self.trust is Trust.FULL:
            return
        base = self.base_of(manifest)
        yield from self._about_sources(manifest, base)
        for spec in manifest.builds:
            builder = builders.get(spec.builder)
            if builder:
                yield from self._about_time(spec, builder)
        if self.trust is Trust.NONE:
            yield from self._about_fetch(manifest, base)
            yield from self._about_promises(manifest, base)

    def _about_sources(self, manifest: Manifest, base: Manifest | None) -> Iterator[InputError]:
        home = repository_of(manifest.path)
        source = manifest.project.source
        if self.base and home == self.base.resolve():
            yield self._refused("the manifest lies in the base itself", Place(manifest.path))
        if not manifest.path.resolve().is_relative_to(home):
            yield self._refused("the manifest is a link that leads out of its repository", Place(manifest.path))
        if isinstance(source, Folder):
            if not source.path.is_relative_to(home):
                what = f"project.source: {show(str(source.path))} is outside of the repository"
                yield self._refused(what, manifest.project.source_place)
        elif base is None or base.project.source != source:
            what = "project.source: what is downloaded is not what the base has"
            yield self._refused(what, manifest.project.source_place)

    def _about_time(self, spec: BuildSpec, builder: Builder) -> Iterator[InputError]:
        most = builder.time_limit_s or DEFAULT_TIME_LIMIT_S
        if (spec.time_limit_s or most) > most:
            what = f"time-limit: {duration(spec.time_limit_s)} is above the builder's {duration(most)}"
            yield self._refused(what, spec.where("time-limit"))

    def _about_fetch(self, manifest: Manifest, base: Manifest | None) -> Iterator[InputError]:
        fetch = manifest.fetch
        if fetch and not _same_fetch(fetch, base.fetch if base else None):
            yield self._refused("fetch: what runs with network is not what the base has", fetch.place)

    def _about_promises(self, manifest: Manifest, base: Manifest | None) -> Iterator[InputError]:
        of_base = {spec.builder: spec for spec in base.builds} if base else {}
        for spec in manifest.builds:
            before = of_base.pop(spec.builder, None)
            for key, loosened in LOOSENED.items():
                what = loosened(spec, before) if before else None
                if what:
                    yield self._refused(f"{key}: {what}", spec.where(key))
        for gone in of_base.values():
            yield self._refused(f"the build with builder {show(gone.builder)} is gone", manifest.project.place)

    def _refused(self, what: str, where: Place) -> InputError:
        return InputError(f"{what}, and --trust {self.trust} does not allow it", where=where, next_step=_NEXT)


def repository_of(path: Path) -> Path:
    """The innermost checkout that a file lies in, or its folder where it lies in none."""
    folder = path.parent.resolve()
    return next((above for above in (folder, *folder.parents) if (above / ".git").exists()), folder)


def _same_fetch(one: Fetch, other: Fetch | None) -> bool:
    return other is not None and (one.command, one.inputs, one.time_limit_s) == (
        other.command,
        other.inputs,
        other.time_limit_s,
    )


Loosened = Callable[[BuildSpec, BuildSpec], str | None]


def _at_most(of: Callable[[BuildSpec], float | None], told: Callable[[float], str]) -> Loosened:
    """A number that may only become smaller; None is no limit at all."""

    def loosened(now: BuildSpec, base: BuildSpec) -> str | None:
        new, old = of(now), of(base)
        if old is None or (new is not None and new <= old):
            return None
        return f"the base's {told(old)} is gone" if new is None else f"{told(new)} is above the base's {told(old)}"

    return loosened


def _at_least(of: Callable[[BuildSpec], tuple[str, ...]]) -> Loosened:
    """A list of which nothing may be taken away."""

    def loosened(now: BuildSpec, base: BuildSpec) -> str | None:
        gone = [item for item in of(base) if item not in of(now)]
        return f"{show(gone[0])} is gone" if gone else None

    return loosened


def _size(count: float) -> str:
    return size(int(count))


def _hardening(now: BuildSpec, base: BuildSpec) -> str | None:
    weaker = not now.hardening.includes(base.hardening)
    return f"{now.hardening} is weaker than the base's {base.hardening}" if weaker else None


def _symbols(now: BuildSpec, base: BuildSpec) -> str | None:
    return "the base's 'stripped' is gone" if (now.symbols, base.symbols) == (Symbols.ANY, Symbols.STRIPPED) else None


def _libraries(now: BuildSpec, base: BuildSpec) -> str | None:
    more = [name for name in now.libraries if name not in base.libraries]
    return f"{show(more[0])} is not among the base's" if more else None


def _starts(now: BuildSpec, base: BuildSpec) -> str | None:
    return "it differs from the base's" if base.starts and now.starts != base.starts else None


def _kinds(now: BuildSpec, base: BuildSpec) -> str | None:
    return "it differs from the base's" if now.kinds != base.kinds else None


def _tier(now: BuildSpec, base: BuildSpec) -> str | None:
    return "it leaves the gate" if (now.tier, base.tier) == (Tier.NIGHTLY, Tier.GATE) else None


# For every key of a build that promises or bounds something: how `none` tells that a pull request loosens it.
LOOSENED: Mapping[str, Loosened] = {
    "artifacts": _at_least(lambda spec: spec.artifacts),
    "peak-memory": _at_most(lambda spec: spec.peak_memory, _size),
    "time-limit": _at_most(lambda spec: spec.time_limit_s, duration),
    "silent-limit": _at_most(lambda spec: spec.silent_limit_s, duration),
    "kinds": _kinds,
    "starts": _starts,
    "tier": _tier,
    "profiles": _at_least(lambda spec: spec.profiles),
    "libraries": _libraries,
    "hardening": _hardening,
    "symbols": _symbols,
    "size-limit": _at_most(lambda spec: spec.size_limit, _size),
    "contains": _at_least(lambda spec: spec.contains),
}
FREE = frozenset({"builder", "command", "environment"})  # what is built: at every level the manifest's own
