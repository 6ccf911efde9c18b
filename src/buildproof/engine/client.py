"""The engine's client: with its neighbours in this folder the only room that imports the Docker SDK."""

from __future__ import annotations

import contextlib
import functools
import json
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import docker
import docker.errors
import docker.utils
import requests
import urllib3
from docker.context import ContextAPI
from docker.types import CancellableStream

from buildproof.engine.about import facts_of
from buildproof.engine.attachment import Attachment
from buildproof.engine.configuration import configuration
from buildproof.engine.failure import call_timeout_s, rlimits_told_apart, timed_out, told_as
from buildproof.engine.inside import Command
from buildproof.engine.inventory import Kind, Thing, things
from buildproof.engine.spec import ContainerSpec, ContainerState
from buildproof.engine.witness import Stream, Tell, Witness
from buildproof.errors import EngineError
from buildproof.facts import EngineFacts
from buildproof.ownership import LONGEST_S, Owner, this_process
from buildproof.patience import patient

_LAST_OUTPUT_S = 10


class Engine:
    """One engine, reached over the socket or TCP port that DOCKER_HOST or the current Docker context names."""

    def __init__(self, api: docker.APIClient) -> None:
        self._api = api
        self.owner = Owner(process=this_process())  # of all that is made through this client
        self.refused_rlimits: dict[str, str] = {}  # learnt at the first refusal, so that it costs one failed start

    @classmethod
    def connect(cls) -> Self:
        """Reach the engine; EngineError says where none answered."""
        with told_as("find it: DOCKER_HOST and the Docker context"):
            settings = docker.utils.kwargs_from_env()
            if "base_url" not in settings:
                context = ContextAPI.get_current_context()
                if context and context.Host:
                    settings["base_url"] = context.Host
        address = settings.get("base_url", "the default socket")
        with told_as(f"say its version at {address}"):
            return cls(docker.APIClient(version="auto", timeout=round(call_timeout_s()), **settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._api.close()

    def facts(self) -> EngineFacts:
        """Ask the engine about itself."""
        with told_as("say what it is"):
            return facts_of(self._api.info(), self._api.version())

    @functools.cached_property
    def _on_cgroup_v1(self) -> bool:
        return self.facts().cgroup_version != 2

    # -- images -------------------------------------------------------------------------------------

    def image_id(self, reference: str) -> str | None:
        """The image's id, or None when the engine does not have it."""
        with told_as(f"look for the image {reference}"):
            try:
                return str(self._api.inspect_image(reference)["Id"])
            except docker.errors.ImageNotFound:
                return None

    def image_architecture(self, reference: str) -> str:
        """The CPU that an image is for, as the OCI image specification names it: `amd64`, `arm64`."""
        with told_as(f"look at the image {reference}"):
            return str(self._api.inspect_image(reference).get("Architecture") or "unknown")

    def pull(self, reference: str) -> bool:
        """Pull an image; False when no registry answers, or none that has it."""
        try:
            for event in self._api.pull(reference, stream=True, decode=True):
                if "error" in event:
                    return False
        except (docker.errors.DockerException, requests.exceptions.RequestException, urllib3.exceptions.HTTPError):
            return False
        return self.image_id(reference) is not None

    def import_image(self, tar: Path, reference: str, changes: list[str], labels: dict[str, str]) -> None:
        """Make an image of a root file system's tar; `changes` are Dockerfile lines."""
        marked = {**labels, **self._mark(shared=True)}
        changes = [*changes, *(f"LABEL {key}={value}" for key, value in marked.items())]
        with told_as(f"import the image {reference}"):
            # As `docker import` does it: Podman 4.3's endpoint reads `repo` alone, tag included, and drops `tag`.
            answer = self._api.import_image(str(tar), repository=reference, changes=changes)
            if '"error"' in str(answer):
                raise EngineError(f"the engine refused to import the image {reference}: {answer}")

    def build_image(
        self, context: IO[bytes], tag: str, args: dict[str, str], labels: dict[str, str], target: str | None
    ) -> Iterator[str]:
        """Build with the classic builder from a tar; yields its output lines, raises EngineError at its error line."""
        marked = {**labels, **self._mark(shared=True)}
        with told_as(f"build the image {tag}"):
            stream = self._api.build(
                fileobj=context, custom_context=True, tag=tag, buildargs=args, labels=marked, target=target,
                rm=True, forcerm=True, decode=True, timeout=3600,
            )  # fmt: skip
            for event in stream:
                if "error" in event:
                    raise EngineError(str(event["error"]).strip())
                if "stream" in event:
                    yield from (line for line in str(event["stream"]).replace("\r", "\n").splitlines() if line.strip())

    def tag(self, reference: str, repository: str, tag: str) -> None:
        """Give an image another name."""
        with told_as(f"tag {reference}"):
            self._api.tag(reference, repository, tag, force=True)

    def save(self, references: list[str]) -> Iterator[bytes]:
        """Images with all their layers as `docker save` writes them: one tar, each layer once."""
        with told_as(f"save the images {', '.join(references)}"):
            url = f"{self._api.base_url}/v{self._api.api_version}/images/get"
            with self._api.get(url, params={"names": references}, stream=True, timeout=call_timeout_s()) as response:
                response.raise_for_status()
                yield from response.iter_content(1 << 20)

    # -- containers ---------------------------------------------------------------------------------

    def _mark(self, *, lasts_s: float = LONGEST_S, shared: bool = False) -> dict[str, str]:
        return self.owner.mark(time.time(), lasts_s=lasts_s, shared=shared).labels()

    def create(self, spec: ContainerSpec) -> str:
        """Create a container and return its id."""
        mark = self._mark(lasts_s=spec.lasts_s, shared=spec.shared)
        spec = replace(spec, labels={**spec.labels, **mark})
        with told_as(f"create a container of {spec.image}"):
            answer = self._api.create_container_from_config(self._configuration(spec), name=spec.name)
        return str(answer["Id"])

    def _configuration(self, spec: ContainerSpec) -> dict[str, Any]:
        return configuration(spec, api=self._api.api_version, on_cgroup_v1=self._on_cgroup_v1)

    def attach(self, container: str) -> Attachment:
        """Attach stdin, stdout and stderr; do it before `start` so that nothing is missed.

        Podman makes the container's first process here, Docker in `start`: RlimitRefused when that is where it fails.
        """
        with rlimits_told_apart(), told_as(f"attach to container {container[:12]}"):
            params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            return Attachment(self._api.attach_socket(container, params=params))

    def start(self, container: str) -> None:
        """Start a created container; RlimitRefused when that is where it fails."""
        with rlimits_told_apart(), told_as(f"start container {container[:12]}"):
            self._api.start(container)

    def state(self, container: str) -> ContainerState:
        """Ask how a container is."""
        with told_as(f"inspect container {container[:12]}"):
            state = self._api.inspect_container(container)["State"]
        return ContainerState(
            running=bool(state["Running"]),
            exit_code=int(state["ExitCode"]),
            oom_flag=bool(state["OOMKilled"]),
            error=str(state.get("Error") or ""),
        )

    def loopback_port(self, container: str, port: int) -> int:
        """The port of the engine's loopback address that leads to a running container's `port`."""
        with told_as(f"inspect container {container[:12]}"):
            bound = self._api.inspect_container(container)["NetworkSettings"]["Ports"].get(f"{port}/tcp")
        if not bound:
            raise EngineError(f"port {port} of container {container[:12]} is not published")
        return int(bound[0]["HostPort"])

    def logs(self, container: str) -> bytes:
        """What a container has printed so far; it must have been created with `keep_log`."""
        with told_as(f"read the log of container {container[:12]}"):
            return bytes(self._api.logs(container))

    def wait(self, container: str, timeout_s: float) -> int | None:
        """The exit code, or None when the container still runs after `timeout_s`."""
        with told_as(f"wait for container {container[:12]}"):
            try:
                return int(self._api.wait(container, timeout=max(1, round(timeout_s)))["StatusCode"])
            except requests.exceptions.RequestException as error:
                if timed_out(error):
                    return None
                raise  # the engine went: that says nothing of the container

    def witness(self, labels: dict[str, str], tell: Tell) -> Witness:
        """Hear of what happens to the containers with all these labels, and of the engine's own end."""
        filters = {"type": ["container"], "label": [f"{key}={value}" for key, value in labels.items()]}
        return Witness(functools.partial(self._events, json.dumps(filters)), tell)

    def _events(self, filters: str) -> Stream:
        """The events as lines; the SDK's own call cannot be told from one that was refused."""
        url = f"{self._api.base_url}/v{self._api.api_version}/events"
        response = self._api.get(url, params={"filters": filters}, stream=True, timeout=(call_timeout_s(), None))
        response.raise_for_status()
        stream: Stream = CancellableStream(response.iter_lines(), response)
        return stream

    def kill(self, container: str) -> None:
        """SIGKILL everything in a container; nothing happens when it is over already."""
        with told_as(f"kill container {container[:12]}"), contextlib.suppress(docker.errors.NotFound):
            try:
                self._api.kill(container)
            except docker.errors.APIError as error:
                if error.status_code != 409:
                    raise

    def rename(self, container: str, name: str) -> None:
        """Give a container another name."""
        with told_as(f"rename container {container[:12]}"):
            self._api.rename(container, name)

    def remove(self, container: str) -> None:
        """Remove a container with its anonymous volumes, running or not; nothing happens when it is gone already."""
        with told_as(f"remove container {container[:12]}"), contextlib.suppress(docker.errors.NotFound):
            try:
                self._api.remove_container(container, force=True, v=True)
            except docker.errors.APIError as error:
                if error.status_code != 409:  # somebody else is removing it right now
                    raise

    def put(self, container: str, folder: str, tar: IO[bytes] | bytes) -> None:
        """Unpack a tar stream into a folder of a container."""
        with told_as(f"copy into container {container[:12]}:{folder}"):
            self._api.put_archive(container, folder, tar)

    def get(self, container: str, path: str) -> Generator[bytes] | None:
        """A path of a container as a tar stream, or None when there is nothing at that path.

        A stream that is not read to its end has to be closed: the engine removes no container that it still sends from.
        """
        with told_as(f"copy {path} out of container {container[:12]}"):
            try:
                stream, _stat = self._api.get_archive(container, path)
            except docker.errors.NotFound:
                return None
        return self._guarded(stream, path)

    @staticmethod
    def _guarded(stream: Iterable[bytes], path: str) -> Generator[bytes]:
        with told_as(f"copy {path} out of a container"):
            yield from stream

    def exists(self, container: str, path: str) -> bool:
        """Whether a path exists in a container, running or not."""
        with told_as(f"look for {path} in container {container[:12]}"):
            url = f"{self._api.base_url}/v{self._api.api_version}/containers/{container}/archive"
            response = self._api.head(url, params={"path": path}, timeout=call_timeout_s())
            if response.status_code == 404:
                return False
            response.raise_for_status()
            return True

    def run_to_end(self, container: str, output: Callable[[bytes], object], *, timeout_s: float) -> int | None:
        """Start a container and hand on what it prints; its exit code, or None when it was killed at the timeout."""
        attachment = self.attach(container)
        reader = threading.Thread(target=lambda: [output(chunk) for chunk in attachment.chunks()], daemon=True)
        reader.start()
        try:
            self.start(container)
            code = self.wait(container, timeout_s)
            if code is None:
                self.kill(container)
            reader.join(timeout=patient(_LAST_OUTPUT_S))
        finally:
            attachment.close()
        return code

    def run_inside(self, container: str, argv: tuple[str, ...], *, terminal: bool) -> Command:
        """Start a command in a running container."""
        return Command(self._api, container, argv, terminal=terminal)

    def commit(self, container: str, reference: str, labels: dict[str, str]) -> None:
        """Make an image of what a container changed in its own; its volumes are not in it. It is this owner's."""
        repository, _, tag = reference.partition(":")
        changes = "\n".join(f"LABEL {key}={value}" for key, value in {**labels, **self._mark()}.items())
        with told_as(f"make an image of container {container[:12]}"):
            self._api.commit(container, repository, tag, changes=changes)

    # -- volumes and what carries our labels ----------------------------------------------------------

    def create_volume(self, name: str, labels: dict[str, str], *, shared: bool) -> None:
        """Create a named volume, of this owner or `shared` by all runs; one that exists already is left as it is."""
        with told_as(f"create the volume {name}"):
            self._api.create_volume(name, labels={**labels, **self._mark(shared=shared)})

    def remove_volume(self, name: str) -> None:
        """Remove a volume; nothing happens when it is gone already."""
        with told_as(f"remove the volume {name}"), contextlib.suppress(docker.errors.NotFound):
            self._api.remove_volume(name)

    def things(self, *labels: str) -> list[Thing]:
        """Everything with all these labels, `key` or `key=value`."""
        with told_as("list what carries buildproof's labels"):
            return list(things(self._api, *labels))

    def labelled(self, *labels: str) -> dict[str, dict[str, str]]:
        """Containers with all these labels, running or not: id -> labels."""
        return {thing.id: thing.labels for thing in self.things(*labels) if thing.kind is Kind.CONTAINER}

    def remove_untagged(self, image: str) -> bool:
        """Remove an image unless it has a name; whether it was there to be removed. EngineError when others need it."""
        with told_as(f"remove the image {image}"):
            try:
                if self._api.inspect_image(image)["RepoTags"]:
                    return False
                self._api.remove_image(image, noprune=True)
            except docker.errors.ImageNotFound:
                return False
        return True

    def remove_image(self, reference: str) -> None:
        """Remove an image or one of its tags; nothing happens when it is gone already."""
        with told_as(f"remove the image {reference}"), contextlib.suppress(docker.errors.ImageNotFound):
            self._api.remove_image(reference)
