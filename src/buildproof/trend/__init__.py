"""The trend page: what builds needed over their runs, drawn from the history file of the baseline alone."""

from __future__ import annotations

from buildproof.trend.page import draw
from buildproof.trend.series import Point, Series, State, series_of

__all__ = ["NAME", "Point", "Series", "State", "draw", "series_of"]

NAME = "trend.html"
