"""What is going on right now: each build tells a small file of the run's folder, and whoever shows it reads them all.

The builds may run in other processes than the one that has the terminal: pytest-xdist's workers.
"""

from .board import Board, board, calm_line
from .state import LiveFile, LiveState, read_all

__all__ = ["Board", "LiveFile", "LiveState", "board", "calm_line", "read_all"]
