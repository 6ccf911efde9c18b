"""A command that is started in a running container, beside what runs in it: in its namespaces, under its limits."""

from __future__ import annotations

import contextlib

import docker

from buildproof.engine.attachment import Attachment
from buildproof.engine.failure import told_as


class Command(Attachment):
    """One command with its streams; with a `terminal`, in one. It ends with its container."""

    def __init__(self, api: docker.APIClient, container: str, argv: tuple[str, ...], *, terminal: bool) -> None:
        self._api = api
        with told_as(f"start {argv[0]} in container {container[:12]}"):
            made = api.exec_create(container, list(argv), stdin=True, tty=terminal)
            self._id = str(made["Id"])
            super().__init__(api.exec_start(self._id, tty=terminal, socket=True), raw=terminal)

    def resize(self, rows: int, columns: int) -> None:
        """Tell its terminal how large it is; one that has ended does not mind."""
        with contextlib.suppress(docker.errors.APIError):
            self._api.exec_resize(self._id, height=rows, width=columns)

    def exit_code(self) -> int | None:
        """Its exit code; None while it runs."""
        with told_as("ask how a command ended"):
            code = self._api.exec_inspect(self._id)["ExitCode"]
        return None if code is None else int(code)
