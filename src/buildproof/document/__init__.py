"""Files that people write: read into data with positions, and checked against a model of their keys."""

from __future__ import annotations

from buildproof.document.document import Document, KeyPath, raise_together
from buildproof.document.reading import read
from buildproof.document.suggest import did_you_mean
from buildproof.document.table import ComplaintError, ComplaintsError, Table
from buildproof.document.validation import validate

__all__ = [
    "ComplaintError",
    "ComplaintsError",
    "Document",
    "KeyPath",
    "Table",
    "did_you_mean",
    "raise_together",
    "read",
    "validate",
]
