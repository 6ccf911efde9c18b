"""Builder images: made from their Dockerfiles, tagged by a hash of all that goes in, so that none is built twice."""

from buildproof.images.journal import sweep_layers
from buildproof.images.store import PROBE_IMAGE, Images

__all__ = ["PROBE_IMAGE", "Images", "sweep_layers"]
