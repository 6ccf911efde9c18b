"""The pod: a build container and the probe that rides with it in one PID namespace."""

from buildproof.pod.gate import shell_argv
from buildproof.pod.pod import Pod
from buildproof.pod.probe import probe_spec, put_probe
from buildproof.pod.spec import Ending, PodSpec

__all__ = ["Ending", "Pod", "PodSpec", "probe_spec", "put_probe", "shell_argv"]
