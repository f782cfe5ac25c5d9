# SPDX-License-Identifier: MIT
"""The ways in which Tabula is started, and what each run has to show. One table, read by run.py."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Case:
    """One run, and what has to come of it. Patterns are regular expressions."""

    name: str
    boot: str = "pvh"           # pvh: the ELF file; cd, usb: the image
    firmware: str = "bios"      # of cd and usb: bios or uefi
    emulator: str = "qemu-system-x86_64"
    cpu: str = "max"
    memory: str = "128M"
    processors: int = 1
    words: str = ""             # the kernel's command line (pvh)
    qemu: tuple = ()            # more QEMU arguments
    ends: str = "exit"          # exit: by itself; poweroff, reboot: as such; stop: when all is seen
    status: int | None = 33     # QEMU's exit status; None: there is no exit device
    typed: tuple = ()           # (pattern, line): once the pattern was said, the line is typed
    expect: tuple = ()          # patterns that the serial text must contain
    screen: tuple = ()          # patterns that the screen must show before typing, or at the stop
    reject: tuple = (r"(?m)^panic:",)
    seconds: int = 60           # after which a run hangs
    long: bool = False          # part of `make test-long` only


BANNER = r"(?m)^Tabula \d+\.\d+"
MEMORY = r"(?m)^memory: \d+ MiB usable"

CASES = [
    Case("pvh, cpu max", expect=(BANNER, MEMORY)),
    Case("pvh, cpu qemu64", cpu="qemu64", expect=(BANNER, MEMORY)),
    *(Case(f"image, {firmware}, {boot}", boot=boot, firmware=firmware, cpu="qemu64", status=None,
           ends="stop", expect=(BANNER, MEMORY), seconds=90)
      for firmware in ("bios", "uefi") for boot in ("cd", "usb")),
]
