"""The pod: a build container and the probe that rides with it in one PID namespace."""

from buildproof.pod.pod import Ending, Pod, PodSpec
from buildproof.pod.probe import probe_spec, put_probe

__all__ = ["Ending", "Pod", "PodSpec", "probe_spec", "put_probe"]
