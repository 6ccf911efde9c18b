"""From manifests and builders to the builds of a run: project x builder x profile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from buildproof.builder import DEFAULT_TIME_LIMIT_S, Builder
from buildproof.document import did_you_mean, raise_together
from buildproof.errors import InputError
from buildproof.manifest import BuildSpec, Manifest, Starts, Tier
from buildproof.targets import Target
from buildproof.trust import Trust
from buildproof.units import show

BuildersFor = Callable[[Manifest], Mapping[str, Builder]]


@dataclass(frozen=True, kw_only=True)
class Build:
    """One cell of the matrix.

    `builder` has the profile laid over it; `environment` is the builder's with the build's laid over it. `base` is the
    same build as the base branch has it, where only that is trusted with the network.
    """

    id: str
    project: str
    manifest: Manifest
    spec: BuildSpec
    builder: Builder
    profile: str
    tier: Tier
    time_limit_s: float
    environment: Mapping[str, str]
    trust: Trust = Trust.FULL
    base: Build | None = None

    @property
    def target(self) -> Target:
        """What its artifacts run on."""
        return self.builder.target

    @property
    def platform(self) -> str:
        """`windows` or `linux`: the pytest marker."""
        return self.builder.target.platform

    @property
    def command(self) -> str:
        """The command whose run is measured."""
        return self.spec.command

    @property
    def artifacts(self) -> tuple[str, ...]:
        """Globs of the files that it must leave."""
        return self.spec.artifacts

    @property
    def starts(self) -> Starts | None:
        """How an artifact is started afterwards."""
        return self.spec.starts

    @property
    def peak_memory(self) -> int | None:
        """The budget for peak memory in bytes."""
        return self.spec.peak_memory

    @property
    def silent_limit_s(self) -> float | None:
        """The longest time without output."""
        return self.spec.silent_limit_s


def plan(manifests: Sequence[Manifest], builders_for: BuildersFor) -> tuple[Build, ...]:
    """Every build of `manifests`, ordered by project name, then as the manifest has them, base profile first.

    Raises InputError with all that does not fit together: unknown builders and profiles, names used twice.
    """
    errors: list[InputError] = []
    builds: dict[str, Build] = {}
    for manifest in _named(manifests, errors):
        for build in _cells(manifest, builders_for, errors):
            first = builds.setdefault(build.id, build)
            if first is not build:
                what = f"build {build.id!r} is declared at {first.spec.where('builder')} already"
                errors.append(InputError(what, where=build.spec.where("builder")))
    raise_together(errors)
    return tuple(builds.values())


def select(builds: Iterable[Build], *, platform: str | None = None, tier: Tier = Tier.NIGHTLY) -> tuple[Build, ...]:
    """The builds for one platform (None: all) that belong into a run of `tier`: nightly is the full matrix."""
    return tuple(
        build for build in builds if platform in (None, build.platform) and (tier is Tier.NIGHTLY or build.tier is tier)
    )


def _named(manifests: Sequence[Manifest], errors: list[InputError]) -> Iterator[Manifest]:
    """The manifests in the order of their names, each name once."""
    first: dict[str, Manifest] = {}
    for manifest in sorted(manifests, key=lambda manifest: (manifest.project.name, str(manifest.path))):
        other = first.setdefault(manifest.project.name, manifest)
        if other is manifest:
            yield manifest
        else:
            what = f"project.name: {manifest.project.name!r} is the project at {other.project.place} already"
            errors.append(InputError(what, where=manifest.project.place))


def _cells(manifest: Manifest, builders_for: BuildersFor, errors: list[InputError]) -> Iterator[Build]:
    try:
        builders = builders_for(manifest)
    except InputError as error:
        errors.append(error)
        return
    for spec in manifest.builds:
        base = builders.get(spec.builder)
        if base is None:
            known = did_you_mean(spec.builder, builders)
            errors.append(InputError(f"there is no builder {show(spec.builder)}{known}", where=spec.where("builder")))
            continue
        for profile in dict.fromkeys((base.profile, *spec.profiles)):
            if profile != base.profile and profile not in base.profiles:
                known = did_you_mean(profile, [base.profile, *base.profiles])
                what = f"builder {base.name!r} has no profile {show(profile)}{known}"
                errors.append(InputError(what, where=spec.where("profiles")))
            else:
                yield _cell(manifest, spec, base, profile)


def _cell(manifest: Manifest, spec: BuildSpec, base: Builder, profile: str) -> Build:
    builder = base.with_profile(profile)
    is_base = profile == base.profile
    return Build(
        id="-".join((manifest.project.name, base.name, *(() if is_base else (profile,)))),
        project=manifest.project.name,
        manifest=manifest,
        spec=spec,
        builder=builder,
        profile=profile,
        tier=spec.tier if is_base else Tier.NIGHTLY,
        time_limit_s=spec.time_limit_s or builder.time_limit_s or DEFAULT_TIME_LIMIT_S,
        environment={**builder.environment, **spec.environment},
    )
