"""Names of the files in an NSIS installer, out of the instructions that unpack them: fileform.h and util.c of NSIS 3.

They are relative to the folder that the user chooses; others begin with a variable, such as `$PLUGINSDIR`.
"""

from __future__ import annotations

import struct

from buildproof.artifacts.reader import Reader
from buildproof.bundles.member import BrokenError

_ENTRIES, _STRINGS = 2, 3  # NB_ENTRIES, NB_STRINGS: where their block headers are
_ENTRY = struct.Struct("<7I")  # which, and six operands
_CREATE_FOLDER, _EXTRACT_FILE = 11, 20  # EW_CREATEDIR, EW_EXTRACTFILE
_MOST_ENTRIES = 1_000_000
_LONGEST = 8192  # characters: NSIS_MAX_STRLEN of the special builds
_INSTALL_FOLDER = "$INSTDIR/"
_VARIABLES = [*(f"${n}" for n in range(10)), *(f"$R{n}" for n in range(10)), "$CMDLINE", "$INSTDIR", "$OUTDIR",
              "$EXEDIR", "$LANGUAGE", "$TEMP", "$PLUGINSDIR", "$EXEPATH", "$EXEFILE", "$HWNDPARENT", "$_CLICK",
              "$_OUTDIR"]  # fmt: skip
# NS_LANG_CODE, NS_SHELL_CODE, NS_VAR_CODE, NS_SKIP_CODE of NSIS 3, and those of NSIS 2.
_CODES = {1: "lang", 2: "shell", 3: "variable", 4: "skip", 255: "lang", 254: "shell", 253: "variable", 252: "skip"}


def names_of(header: Reader, *, wide: bool) -> dict[int, list[str]]:
    """Where each packed file is in the data, and its names. Raises OutOfFileError and BrokenError for what is damaged.

    `wide`: block headers of a program with addresses of 64 bits.
    """
    layout = struct.Struct("<QI" if wide else "<II")
    entries, count = header.unpack(layout, 4 + _ENTRIES * layout.size, "the block header of the instructions")
    strings, _ = header.unpack(layout, 4 + _STRINGS * layout.size, "the block header of the texts")
    if count > _MOST_ENTRIES:
        raise BrokenError(f"the installer has {count} instructions")
    texts = _Texts(header, strings)
    folder = ""
    found: dict[int, list[str]] = {}
    for which, first, second, third, *_ in header.table(_ENTRY, entries, count, "the table of instructions"):
        if which == _CREATE_FOLDER and second:  # SetOutPath, and not CreateDirectory
            folder = texts.at(first)
        elif which == _EXTRACT_FILE:
            name = texts.at(second)
            path = name if name.startswith("$") else f"{folder}/{name}"
            names = found.setdefault(third, [])
            if path.removeprefix(_INSTALL_FOLDER) not in names:
                names.append(path.removeprefix(_INSTALL_FOLDER))
    return found


class _Texts:
    """The table of texts, in UTF-16 or in the code page of who made the installer."""

    def __init__(self, header: Reader, start: int) -> None:
        self._header, self._start = header, start
        # The first text is the empty one.
        self._width = 2 if header.read(start, 2, "the table of texts") == b"\0\0" else 1

    def at(self, index: int) -> str:
        """A text with the names of its variables, and slashes for backslashes."""
        out: list[str] = []
        at = self._start + index * self._width
        for _ in range(_LONGEST):
            unit = self._unit(at)
            at += self._width
            if unit == 0:
                return "".join(out).replace("\\", "/")
            code = _CODES.get(unit) if self._width == 1 or unit < 5 else None
            if code is None:
                out.append(chr(unit))
                continue
            low, high = (self._unit(at) & 0xFF, self._unit(at) >> 8) if self._width == 2 else self._pair(at)
            at += 2
            number = (low & 0x7F) | (high & 0x7F) << 7
            if code == "variable":
                out.append(_VARIABLES[number] if number < len(_VARIABLES) else f"$_{number}_")
            else:
                out.append(chr(low) if code == "skip" else f"$({code} {number})")
        raise BrokenError(f"a text of the installer has over {_LONGEST} characters")

    def _unit(self, at: int) -> int:
        return int.from_bytes(self._header.read(at, self._width, "a text"), "little")

    def _pair(self, at: int) -> tuple[int, int]:
        return self._unit(at), self._unit(at + 1)
