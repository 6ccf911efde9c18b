"""What a build needed before, and whether it needs more now: a history in one file, and thresholds."""

from .comparison import Comparison, Growth, MetricCompared, compare, compare_with
from .history import History
from .measured import Measured, machine_class
from .metrics import Metric
from .thresholds import Threshold, parse_thresholds
from .told import in_full, told

__all__ = [
    "Comparison",
    "Growth",
    "History",
    "Measured",
    "Metric",
    "MetricCompared",
    "Threshold",
    "compare",
    "compare_with",
    "in_full",
    "machine_class",
    "parse_thresholds",
    "told",
]
