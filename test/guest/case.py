# SPDX-License-Identifier: MIT
"""What a case is: a machine, what is done on it, and what has to come of it."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Case:
    """One run, and what has to come of it. Patterns are regular expressions."""

    name: str
    boot: str = "pvh"           # pvh: the ELF file; cd, usb: the image; bochs: the image in Bochs
    firmware: str = "bios"      # of cd and usb: bios or uefi
    emulator: str = "qemu-system-x86_64"
    kernel: str = "kernel"      # or kernel-debug, which checks itself
    archive: str = "boot.tar"   # of pvh: the boot archive
    trace: tuple = ()           # (name, text, number): an archive with this trace instead, compiled;
                                # what call `number` has to come to is marked the wrong way round
    cpu: str = "max"
    memory: str = "128M"
    processors: int | str = 1   # or QEMU's words for sockets and cores
    words: str = ""             # the kernel's command line; an image is made anew with it
    qemu: tuple = ()            # more QEMU arguments
    bochs: tuple = ()           # more lines of Bochs's configuration
    ends: str = "exit"          # exit: by itself; poweroff, reboot: as such; stop: when all is seen
    status: int | None = 33     # QEMU's exit status; None: there is no exit device
    typed: tuple = ()           # (pattern, line): once the pattern was said, the line is typed;
                                # or called with QEMU's monitor
    expect: tuple = ()          # patterns that the serial text must contain
    keyboard: bool = False      # typed on the machine's keyboard instead of the serial line
    screen: tuple = ()          # patterns that the screen must show before typing, or at the stop
    reject: tuple = (r"(?m)^panic:",)
    undisturbed: bool = False   # nothing reaches QEMU from outside, so that a run can repeat itself
    seconds: int = 60           # after which a run hangs
    long: bool = False          # part of `make test-long` only
    machine: str = ""           # the row of the table of machines, if the case is in it
    work: str = ""              # and the column


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two runs whose serial texts have to be the same, or have to differ."""

    name: str
    first: Case
    second: Case
    same: bool
    more: int = 0               # runs of `second` that may follow until two are the same
    ignore: str = r"\Z"         # what to leave out of the texts
    long: bool = False
    machine: str = ""
    work: str = ""


BANNER = r"(?m)^Tabula \d+\.\d+"
MEMORY = r"(?m)^memory: \d+ MiB usable"

# What a user does first. The prompt is looked for at the end of what was said.
PROMPT = r"\$ \Z"
SESSION = ((PROMPT, "ls\r"), (r"\n *\d+ welcome\.txt\n.*" + PROMPT, "echo one two\r"),
           (r"\none two\n.*" + PROMPT, "poweroff\r"))


def user_session(name, **options):
    """The image as users start it, with nothing but what QEMU has by default."""
    options = {"cpu": "qemu64", "seconds": 180, **options}
    return Case(name, status=None, ends="poweroff", typed=SESSION, expect=(BANNER, MEMORY),
                **options)


# The kernel's contract tests. A test that is skipped says so.
CONTRACTS = (r"(?m)^ktest: (\d\d+) passed, 0 failed$", r"(?m)^ktest: NX: data is not executed ok$")

SUITES = ("runtime", "calls", "pointers", "handles", "memory", "placement", "protection", "maps",
          "objects", "threads", "registers", "ipc", "notifications", "kill", "scheduling", "spawn", "elf",
          "limits", "fork", "faults", "processors", "upcalls", "upcall-threads",
          "callbacks", "clock", "stress")


def selftest_of(suites, total=r"\d\d+"):
    """What `selftest SUITE...` says: each suite by name, and a total that is not small."""
    return (*(rf"(?m)^{suite}: \d+ passed, 0 failed$" for suite in suites),
            rf"(?m)^total: {total} passed, 0 failed$", r"(?m)^run: exit 0$")


SELFTEST = selftest_of(SUITES, r"\d\d\d")
REJECT_FAILURES = (r"(?m)^panic:", "FAILED")
