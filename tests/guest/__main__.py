"""`python -m tests.guest up | down | status`: a Docker engine on cgroup v2, in a QEMU guest on this machine's engine.

`up` prints what to export: `eval "$(.venv/bin/python -m tests.guest up)"` points every Docker client at the guest.
"""

from __future__ import annotations

import argparse
import signal
import sys

from tests.guest import machine

from buildproof.ca import ca_bundle
from buildproof.engine import Engine
from buildproof.errors import BuildproofError


def _say(text: str) -> None:
    print(f"guest: {text}", file=sys.stderr, flush=True)  # noqa: T201


def main() -> int:
    """0 when the guest is as it was asked to be; `status` gives 1 when none runs."""
    parser = argparse.ArgumentParser(prog="python -m tests.guest", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "status"))
    command = parser.parse_args().command
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what Ctrl-C cleans up, SIGTERM does too
    try:
        with Engine.connect() as engine:
            if command == "down":
                _say("ended" if machine.down(engine) else "there was none")
                return 0
            guest = machine.find(engine) if command == "status" else None
            if command == "up":
                guest = machine.up(engine, ca_bundle=ca_bundle(None), say=_say)
            if guest is None:
                _say("none runs")
                return 1
            print(f"export DOCKER_HOST={guest.docker_host}")  # noqa: T201
            return 0
    except BuildproofError as error:
        _say(str(error))
        return int(error.exit_code)
    except KeyboardInterrupt:
        _say("stopped; nothing was left running")
        return 130


if __name__ == "__main__":
    sys.exit(main())
