# SPDX-License-Identifier: MIT
"""The ways in which Tabula is started, and what each run has to show. One table, read by run.py."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Case:
    """One run. Either it ends by itself with `status`, or (status None) it is stopped once
    everything in `expect` was seen."""

    name: str
    boot: str = "pvh"           # pvh: the ELF file; cd, usb: the image
    firmware: str = "bios"      # of cd and usb: bios or uefi
    cpu: str = "max"
    memory: str = "128M"
    words: str = ""             # the kernel's command line (pvh)
    qemu: tuple = ()            # more QEMU arguments
    status: int | None = 33     # QEMU's exit status
    expect: tuple = ()          # regular expressions, each of which must match in the serial text
    reject: tuple = (r"(?m)^panic:",)
    seconds: int = 60           # after which a run hangs
    long: bool = False          # part of `make test-long` only


BANNER = r"(?m)^Tabula \d+\.\d+"
MEMORY = r"(?m)^memory: \d+ MiB usable"

CASES = [
    Case("pvh, cpu max", expect=(BANNER, MEMORY)),
    Case("pvh, cpu qemu64", cpu="qemu64", expect=(BANNER, MEMORY)),
    *(Case(f"image, {firmware}, {boot}", boot=boot, firmware=firmware, cpu="qemu64", status=None,
           expect=(BANNER, MEMORY), seconds=90)
      for firmware in ("bios", "uefi") for boot in ("cd", "usb")),
]
