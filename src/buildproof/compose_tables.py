"""The keys of a builder in a Compose file: docs/manifest.md says what they mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from buildproof import compose_refused
from buildproof.builder import Profile
from buildproof.compose_limits import KEY_OF, LimitsTable, impossible
from buildproof.document import ComplaintError, ComplaintsError, Document, Table, did_you_mean
from buildproof.document.environment import Environment, variables
from buildproof.document.fields import Duration, Size, Text, choice, is_dir, is_file
from buildproof.document.sentences import describe
from buildproof.document.table import dashed
from buildproof.errors import Place
from buildproof.targets import WINDOWS, Target
from buildproof.units import show

EXTENSION = "x-buildproof"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
_USER = re.compile(r"[0-9]{1,10}(?::[0-9]{1,10})?")
_NO_ID = (1 << 32) - 1  # (uid_t) -1, which means nobody in setresuid(2)
_GLIBC = re.compile(r"2\.[0-9]{1,3}(?:\.[0-9]{1,3})?")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(f"{show(value)} must be lower-case letters, digits, dots, dashes and underscores, 63 at most")
    return value


def _image(value: str) -> str:
    if not _IMAGE.fullmatch(value):
        raise ValueError(f"{show(value)} cannot be the name of an image")
    return value


def _glibc(value: str) -> str:
    if not _GLIBC.fullmatch(value):
        raise ValueError(f"{show(value)} is no version of glibc, such as 2.36")
    return value


def _windows(value: str) -> str:
    if value not in WINDOWS:
        raise ValueError(f"{show(value)} is none of the versions of Windows that are known: {', '.join(WINDOWS)}")
    return value


def _network(value: object) -> object:
    if value != "none":
        raise ValueError(f"must be none, or left out, not {describe(value)}: the measured build has no network")
    return value


def _user(value: object) -> str:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not _USER.fullmatch(text) or any(int(part) >= _NO_ID for part in text.split(":")):
        raise ValueError(f"must be numbers, 1000 or 1000:1000, not {describe(value)}: names differ between images")
    return text


Name = Annotated[str, AfterValidator(_name)]


class ImageTable(Table):
    """`build`: how the image is made."""

    unsupported: ClassVar = compose_refused.BUILD

    context: Text
    dockerfile: Text = "Dockerfile"
    args: Environment = Field(default_factory=dict)
    target: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"context": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _exists(self, info: ValidationInfo) -> ImageTable:
        document: Document = info.context["document"]  # type: ignore[index]
        folder = document.path.parent / self.context
        if not is_dir(folder):
            raise ValueError(f"there is no folder {folder}")
        if not is_file(folder / self.dockerfile):
            raise ValueError(f"there is no Dockerfile {folder / self.dockerfile}")
        return self


class ProfileTable(LimitsTable):
    """One of `profiles`: a key without a value lifts what the builder sets."""

    unsupported: ClassVar = {
        **dict.fromkeys(("image", "build", "user"), "a profile changes limits and environment only"),
        "memory": "Compose's word for it is mem_limit",
    }

    environment: Annotated[dict[str, str | None], BeforeValidator(variables(None))] = Field(default_factory=dict)
    address_space: Size | None = Field(default=None, alias="address-space")
    disk_limit: Size | None = Field(default=None, alias="disk-limit")
    time_limit: Duration | None = Field(default=None, alias="time-limit")
    sequential: bool | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _given(cls, value: object) -> object:
        return value

    def as_profile(self, name: str, place: Place) -> Profile:
        """The profile that this table describes."""
        settings = {**KEY_OF, "time_limit_s": "time-limit", "sequential": "sequential"}
        given = {type(self).model_fields[field].alias or field for field in self.model_fields_set}
        return Profile(
            name=name,
            place=place,
            limits=self.as_limits(self.address_space, self.disk_limit),
            given=frozenset(field for field, key in settings.items() if key in given),
            environment=self.environment,
            time_limit_s=self.time_limit,
            sequential=self.sequential,
        )


class ExtensionTable(Table):
    """`x-buildproof`: what Compose has no word for."""

    model_config = ConfigDict(alias_generator=dashed)

    target: Annotated[Target, choice(Target)]
    address_space: Size | None = None
    disk_limit: Size | None = None
    time_limit: Duration | None = None
    starts_in: Annotated[str, AfterValidator(_image)] | None = None
    glibc_baseline: Annotated[str, AfterValidator(_glibc)] | None = None
    user_namespaces: bool = False
    sequential: bool = False
    root: Text | None = None
    writable_image: Text | None = None
    windows_baseline: Annotated[str, AfterValidator(_windows)] | None = None
    profile: Name = "default"
    profiles: dict[Name, ProfileTable] = Field(default_factory=dict)
    toolchain: dict[str, Text] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> ExtensionTable:
        if self.profile in self.profiles:
            raise ComplaintError("is the name of the builder's own settings already", "profiles", self.profile)
        if self.glibc_baseline and self.target.platform != "linux":
            raise ComplaintError(f"has no meaning for {self.target}", "glibc-baseline")
        if self.windows_baseline and self.target.platform != "windows":
            raise ComplaintError(f"has no meaning for {self.target}", "windows-baseline")
        return self


class BuilderTable(LimitsTable):
    """A service that is a builder."""

    unsupported: ClassVar = compose_refused.SERVICE

    image: Annotated[str, AfterValidator(_image)] | None = None
    build: ImageTable | None = None
    environment: Environment = Field(default_factory=dict)
    network_mode: Annotated[str, BeforeValidator(_network)] | None = None
    user: Annotated[str, BeforeValidator(_user)] | None = None
    x_buildproof: ExtensionTable = Field(alias="x-buildproof")

    @model_validator(mode="after")
    def _possible(self) -> BuilderTable:
        wrong = [] if self.image or self.build else [ComplaintError("has neither 'image' nor 'build'")]
        wrong += self._about_root()
        limits = self.as_limits(self.x_buildproof.address_space, self.x_buildproof.disk_limit)
        base = list(impossible(limits))
        wrong += [ComplaintError(what, key) for key, what in base]
        for name, table in self.x_buildproof.profiles.items():
            laid_over = table.as_profile(name, Place(Path())).over(limits)
            wrong += [
                ComplaintError(what, EXTENSION, "profiles", name, key)
                for key, what in impossible(laid_over)
                if (key, what) not in base
            ]
        if wrong:
            raise ComplaintsError(wrong)
        return self

    def _about_root(self) -> list[ComplaintError]:
        root, asked = self.x_buildproof.root, self.user
        is_root = asked is not None and int(asked.partition(":")[0]) == 0
        if is_root and not root:
            what = "is root: say why under x-buildproof, such as root: the installer writes to /opt, or leave it out"
            return [ComplaintError(what, "user")]
        if root and asked is not None and not is_root:
            return [ComplaintError(f"asks for root, and user for {asked}: leave one of them out", EXTENSION, "root")]
        return []


class ComposeTable(Table):
    """The whole file. Services without `x-buildproof` are none of ours, and neither are other `x-` keys."""

    unsupported: ClassVar = compose_refused.FILE

    name: Any = None
    version: Any = None
    services: dict[Name, BuilderTable]

    @model_validator(mode="before")
    @classmethod
    def _ours(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        kept = {key: item for key, item in value.items() if not key.startswith("x-")}
        services = kept.get("services")
        if isinstance(services, dict):
            kept["services"] = {name: _own_keys(item) for name, item in services.items() if is_builder(item)}
        return kept

    @model_validator(mode="after")
    def _any(self) -> ComposeTable:
        if not self.services:
            raise ComplaintError("no service has x-buildproof, so there is no builder", "services")
        return self


def is_builder(service: object) -> bool:
    """Whether a service is one of ours, or no service at all and to be complained about."""
    return not isinstance(service, dict) or any(_means_us(key) for key in service)


def _own_keys(service: object) -> object:
    if not isinstance(service, dict):
        return service
    return {key: value for key, value in service.items() if not key.startswith("x-") or _means_us(key)}


def _means_us(key: str) -> bool:
    """Whether this is our key, or a misspelling of it that must not pass for somebody else's extension."""
    return key == EXTENSION or (key.startswith("x-") and "did you mean" in did_you_mean(key, [EXTENSION]))
