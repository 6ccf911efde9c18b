"""Whatever the SDK and its transports raise, told as one EngineError that says what was being done."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import cast

import docker.errors
import requests
import urllib3

from buildproof.errors import EngineError, Trouble
from buildproof.patience import patient

CALL_TIMEOUT_S = 60.0
_NO_SPACE = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_NO_ENGINE = (
    "start Docker (`systemctl start docker`, or Docker Desktop) or point DOCKER_HOST at one; "
    "`docker info` shows whether one answers"
)
# What runc ("rlimit type 7") and crun ("RLIMIT_NOFILE") say when the engine lacks CAP_SYS_RESOURCE, see getrlimit(2).
_RLIMIT_REFUSED = re.compile(r"rlimit(?: type (\d+)|s? .?RLIMIT_(\w+)).*?: (operation not permitted)", re.IGNORECASE)
_RLIMIT_TYPES = (
    "cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as", "locks", "sigpending",
    "msgqueue", "nice", "rtprio", "rttime",
)  # fmt: skip


class RlimitRefused(EngineError):
    """The engine may not set one of the rlimits asked for; `rlimit` is its name as in Limits."""

    def __init__(self, rlimit: str, reason: str) -> None:
        self.rlimit, self.reason = rlimit, reason
        super().__init__(
            f"the engine refused to set the rlimit {rlimit}: {reason}",
            # Podman 4.3 sets nofile and nproc of 1048576 by itself where nothing else is said.
            next_step="give the engine CAP_SYS_RESOURCE, or rlimits that it may set as its own defaults "
            "(Podman: `default_ulimits` in containers.conf)",
        )


def call_timeout_s() -> float:
    """How long the engine may take to answer one call."""
    return patient(CALL_TIMEOUT_S)


@contextlib.contextmanager
def told_as(doing: str) -> Iterator[None]:
    """Turn whatever the SDK and its transports raise into one EngineError that says what was being done."""
    try:
        yield
    except docker.errors.APIError as error:
        said = error.explanation or error
        raise EngineError(f"the engine refused to {doing}: {said}", trouble=_refusal(error)) from error
    except (
        docker.errors.DockerException, requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError
    ) as error:  # fmt: skip
        if timed_out(error):
            raise EngineError(
                f"the engine did not answer within {call_timeout_s():.0f} s when asked to {doing}",
                next_step="see that it is not stuck or overloaded (`docker info`), and restart it if it is",
                trouble=Trouble.HANGS,
            ) from error
        if isinstance(error, OSError) and not isinstance(error, requests.exceptions.RequestException):
            what = f"the connection to the engine broke while asked to {doing}: {error}"
            raise EngineError(what, trouble=Trouble.UNREACHABLE) from error
        raise EngineError(
            f"the engine cannot be reached to {doing}: {_root_cause(error)}",
            next_step=_NO_ENGINE,
            trouble=Trouble.UNREACHABLE,
        ) from error


def _refusal(error: docker.errors.APIError) -> Trouble:
    if isinstance(error, docker.errors.ImageNotFound):
        return Trouble.IMAGE_GONE
    if isinstance(error, docker.errors.NotFound):
        return Trouble.CONTAINER_GONE
    return Trouble.ENGINE_DISK if _NO_SPACE.search(str(error.explanation or error)) else Trouble.REFUSED


def timed_out(error: BaseException) -> bool:
    """Whether an error of the SDK comes from a wait that was too long: requests wraps those in three ways."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, requests.exceptions.ReadTimeout | urllib3.exceptions.ReadTimeoutError | TimeoutError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


@contextlib.contextmanager
def rlimits_told_apart() -> Iterator[None]:
    """Turn the EngineError of an rlimit that the engine may not set into RlimitRefused."""
    try:
        yield
    except EngineError as error:
        if refused := _RLIMIT_REFUSED.search(error.what):
            name = _RLIMIT_TYPES[int(refused[1])] if refused[1] else refused[2].lower()
            raise RlimitRefused(name, f"{refused[3]}: it lacks CAP_SYS_RESOURCE") from error
        raise


def _root_cause(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = cast("BaseException", error.__cause__ or error.__context__)
    return f"{type(error).__name__}: {error}" if not isinstance(error, OSError) else str(error)
