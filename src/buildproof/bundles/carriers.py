"""Executables that carry a package behind their own end, as AppImages and installers do."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from buildproof.artifacts import Expectation
from buildproof.artifacts.content import NOTHING
from buildproof.artifacts.elf import places
from buildproof.artifacts.elf.image import ElfImage
from buildproof.artifacts.payload import Payload, payload_of
from buildproof.artifacts.pe import remainder
from buildproof.artifacts.pe.image import PeImage
from buildproof.artifacts.reader import MisplacedError, OutOfFileError, Reader
from buildproof.bundles.member import BrokenError, Member, NotOpenedError, told
from buildproof.bundles.nsis import Installer, crc_of, find_installer, nsis_members
from buildproof.bundles.squashfs import squashfs_members
from buildproof.targets import Format, Machine, Target


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """An executable that can be read: what it starts with, and what stands behind its end.

    `rest` are the bytes that no header accounts for. `crc` is an installer's CRC-32, as it is and as it is written;
    None where it has none, or not all of it is there.
    """

    head: bytes
    machine: Machine | None
    rest: range
    payload: Payload | None
    installer: Installer | None = None
    crc: tuple[int, int] | None = None


def carrier_of(path: Path, target: Target) -> Carrier | None:
    """The executable at `path`; None where it cannot be read that far, which its own checks tell of."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            reader, expected = Reader(mapped), Expectation(target=target)
            if target.binary_format is Format.ELF:
                elf = ElfImage(reader, NOTHING, expected)
                return _carrier(reader, Machine.numbered(Format.ELF, elf.machine), places.overlay(elf))
            pe = PeImage(reader, NOTHING, expected)
            return _carrier(reader, Machine.numbered(Format.PE, pe.coff.machine), remainder.overlay(pe))
    # KeyError: a header of a class or kind that does not exist.
    except (OSError, ValueError, KeyError, OutOfFileError, MisplacedError):
        return None


def _carrier(reader: Reader, machine: Machine | None, rest: range) -> Carrier:
    installer = find_installer(reader, rest)
    whole = installer is not None and installer.start + installer.length <= reader.size
    return Carrier(
        head=reader.read(0, 16, "the identification"),
        machine=machine,
        rest=rest,
        payload=payload_of(reader, rest) if rest else None,
        installer=installer,
        crc=crc_of(reader, installer) if installer and whole and installer.has_crc else None,
    )


def carried_members(path: Path, carrier: Carrier) -> Iterator[Member]:
    """What stands behind the executable, member by member.

    Raises BrokenError where that is damaged, NotOpenedError where it is of a kind that is not read here.
    """
    with told(), path.open("rb") as file:
        if carrier.installer is not None:
            yield from nsis_members(file, carrier.installer, wide=carrier.machine not in (None, Machine.I686))
        elif carrier.payload is Payload.SQUASHFS:
            yield from squashfs_members(file, carrier.rest.start, carrier.rest.stop)
        elif carrier.payload is Payload.NSIS:
            raise BrokenError("the first header of the installer is cut")
        elif carrier.payload is not None:
            raise NotOpenedError(carrier.payload.value)
        else:
            raise BrokenError("nothing stands behind the executable, or nothing that is known here")
