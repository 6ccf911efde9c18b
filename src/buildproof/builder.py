"""A builder: an image with its limits and environment, and the profiles that can be laid over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from buildproof.document.suggest import did_you_mean
from buildproof.errors import InputError, Place
from buildproof.limits import Limits
from buildproof.targets import Target

DEFAULT_TIME_LIMIT_S = 1800.0


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """How an image is made: `context` and `dockerfile` are absolute and exist, `target` is a stage."""

    context: Path
    dockerfile: Path
    args: Mapping[str, str]
    target: str | None


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Settings that are laid over a builder. Only the fields of `limits` named in `given` count.

    `given` may name `time_limit_s` and `sequential` as well; a given None lifts what the builder sets. In
    `environment` None removes the builder's variable. `rlimits` and `tmpfs` are laid over entry by entry, unless
    they are given empty.
    """

    name: str
    place: Place
    limits: Limits
    given: frozenset[str]
    environment: Mapping[str, str | None]
    time_limit_s: float | None
    sequential: bool | None = None

    def over(self, base: Limits) -> Limits:
        """`base` with this profile's limits laid over it."""
        given = {name: getattr(self.limits, name) for name in self.given - {"time_limit_s", "sequential"}}
        for name in ("rlimits", "tmpfs"):
            if given.get(name):
                given[name] = {**getattr(base, name), **given[name]}
        return replace(base, **given)


@dataclass(frozen=True, kw_only=True)
class Builder:
    """One service of a Compose file. `profile` names the settings that it has now.

    `image` is None where the file names none and `build` makes it; at least one of the two is set. Where
    `user_namespaces` is set its builds may make user namespaces, and others inside of them. Two builds of `sequential`
    builders never run at once on one machine. `root` and `writable_image` say why its builds run as root, and
    why they may change the image's own files; None: they do not.
    """

    name: str
    place: Place
    target: Target
    image: str | None
    build: BuildContext | None
    limits: Limits
    environment: Mapping[str, str]
    user: str | None
    time_limit_s: float | None
    starts_in: str | None
    glibc_baseline: str | None
    windows_baseline: str | None
    toolchain: Mapping[str, str]
    profile: str
    profiles: Mapping[str, Profile]
    user_namespaces: bool = False
    sequential: bool = False
    root: str | None = None
    writable_image: str | None = None

    def with_profile(self, name: str) -> Builder:
        """This builder with the profile `name` laid over it: profiles are not laid over each other.

        Raises InputError when the builder has no such profile.
        """
        if name == self.profile:
            return self
        profile = self.profiles.get(name)
        if profile is None:
            known = did_you_mean(name, [self.profile, *self.profiles])
            raise InputError(f"builder {self.name!r} has no profile {name!r}{known}", where=self.place)
        merged = {**self.environment, **profile.environment}
        return replace(
            self,
            limits=profile.over(self.limits),
            environment={name: value for name, value in merged.items() if value is not None},
            time_limit_s=profile.time_limit_s if "time_limit_s" in profile.given else self.time_limit_s,
            sequential=bool(profile.sequential) if "sequential" in profile.given else self.sequential,
            profile=name,
            profiles={},
        )
