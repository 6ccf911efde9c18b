"""What an artifact can be expected to be: format and machine are declared, never sniffed."""

from __future__ import annotations

from enum import StrEnum

WINDOWS = ("7", "8", "8.1", "10", "11")
"""The versions of Windows that can be promised, from the oldest to the newest."""


class Format(StrEnum):
    """Executable file formats."""

    PE = "PE"
    ELF = "ELF"


class Kind(StrEnum):
    """What an artifact is for."""

    PROGRAM = "program"  # a user starts it
    LIBRARY = "library"  # a DLL or shared object, loaded into a program
    INSTALLER = "installer"  # a program that carries what it installs
    OBJECT = "object"  # what a compiler makes for a linker, not linked yet


class Machine(StrEnum):
    """Processor architectures, with their numbers in both formats.

    Sources: "Machine Types" of the Microsoft PE format specification; e_machine in the System V gABI registry.
    """

    X86_64 = "x86_64"
    I686 = "i686"
    AARCH64 = "aarch64"

    @property
    def coff(self) -> int:
        """The COFF header's Machine value."""
        return {"x86_64": 0x8664, "i686": 0x14C, "aarch64": 0xAA64}[self.value]

    @property
    def elf(self) -> int:
        """The ELF header's e_machine value."""
        return {"x86_64": 62, "i686": 3, "aarch64": 183}[self.value]

    @classmethod
    def numbered(cls, form: Format, number: int) -> Machine | None:
        """The processor of this number in a file of this format; None for one that is not known here."""
        return next((one for one in cls if number == (one.coff if form is Format.PE else one.elf)), None)

    @property
    def bits(self) -> int:
        """Width of an address: 32 or 64."""
        return 32 if self is Machine.I686 else 64


class Target(StrEnum):
    """What `x-buildproof: target:` may say: platform, dash, machine."""

    WINDOWS_X86_64 = "windows-x86_64"
    WINDOWS_I686 = "windows-i686"
    WINDOWS_AARCH64 = "windows-aarch64"
    LINUX_X86_64 = "linux-x86_64"
    LINUX_I686 = "linux-i686"
    LINUX_AARCH64 = "linux-aarch64"

    @property
    def platform(self) -> str:
        """`windows` or `linux`: the pytest marker of builds for this target."""
        return self.value.partition("-")[0]

    @property
    def machine(self) -> Machine:
        """The processor that executables for this target run on."""
        return Machine(self.value.partition("-")[2])

    @property
    def binary_format(self) -> Format:
        """The executable format of the platform."""
        return Format.PE if self.platform == "windows" else Format.ELF
