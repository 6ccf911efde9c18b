"""The container engine: the only room that imports the Docker SDK. Every failure leaves as an EngineError."""

from buildproof.engine.attachment import Attachment
from buildproof.engine.client import Engine
from buildproof.engine.failure import RlimitRefused
from buildproof.engine.inside import Command
from buildproof.engine.inventory import Kind, Thing
from buildproof.engine.spec import ContainerSpec, ContainerState
from buildproof.engine.witness import Happening, Witness

__all__ = [
    "Attachment",
    "Command",
    "ContainerSpec",
    "ContainerState",
    "Engine",
    "Happening",
    "Kind",
    "RlimitRefused",
    "Thing",
    "Witness",
]
