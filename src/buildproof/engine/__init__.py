"""The container engine: the only room that imports the Docker SDK. Every failure leaves as an EngineError."""

from buildproof.engine.attachment import Attachment
from buildproof.engine.client import Engine
from buildproof.engine.failure import RlimitRefused
from buildproof.engine.inventory import Kind, Thing
from buildproof.engine.spec import ContainerSpec, ContainerState

__all__ = ["Attachment", "ContainerSpec", "ContainerState", "Engine", "Kind", "RlimitRefused", "Thing"]
