# SPDX-License-Identifier: MIT
"""The ways in which Tabula is started, and what each run has to show. One table, read by run.py."""
import dataclasses

import processor_cases
import user_cases


@dataclasses.dataclass(frozen=True)
class Case:
    """One run, and what has to come of it. Patterns are regular expressions."""

    name: str
    boot: str = "pvh"           # pvh: the ELF file; cd, usb: the image
    firmware: str = "bios"      # of cd and usb: bios or uefi
    emulator: str = "qemu-system-x86_64"
    cpu: str = "max"
    memory: str = "128M"
    processors: int | str = 1   # QEMU's -smp
    words: str = ""             # the kernel's command line (pvh)
    qemu: tuple = ()            # more QEMU arguments
    ends: str = "exit"          # exit: by itself; poweroff, reboot: as such; stop: when all is seen
    status: int | None = 33     # QEMU's exit status; None: there is no exit device
    typed: tuple = ()           # (pattern, line): once the pattern was said, the line is typed
    expect: tuple = ()          # patterns that the serial text must contain
    keyboard: bool = False      # typed on the machine's keyboard instead of the serial line
    screen: tuple = ()          # patterns that the screen must show before typing, or at the stop
    reject: tuple = (r"(?m)^panic:",)
    seconds: int = 60           # after which a run hangs
    long: bool = False          # part of `make test-long` only


BANNER = r"(?m)^Tabula \d+\.\d+"
MEMORY = r"(?m)^memory: \d+ MiB usable"

# What a user does first. The prompt is looked for at the end of what was said.
PROMPT = r"\$ \Z"
SESSION = ((PROMPT, "ls\r"), (r"\n *\d+ welcome\.txt\n.*" + PROMPT, "echo one two\r"),
           (r"\none two\n.*" + PROMPT, "poweroff\r"))


def user_session(name, **options):
    """The image as users start it, with nothing but what QEMU has by default."""
    return Case(name, cpu="qemu64", status=None, ends="poweroff", typed=SESSION,
                expect=(BANNER, MEMORY), seconds=180, **options)


CASES = [
    Case("pvh, cpu max", words="run=true", expect=(BANNER, MEMORY, r"(?m)^run: exit 0$")),
    Case("pvh, cpu qemu64", cpu="qemu64", words="run=true", expect=(r"(?m)^run: exit 0$",)),
    *(user_session(f"session: image, {firmware}, {boot}", boot=boot, firmware=firmware,
                   screen=(r"(?m)^Tabula \d", r"(?m)\$$"))
      for firmware in ("bios", "uefi") for boot in ("cd", "usb")),
    user_session("session: by keyboard", boot="cd", keyboard=True, screen=(r"(?m)\$$",)),
    user_session("session: no screen", boot="cd", qemu=("-vga", "none")),
    Case("reboot", cpu="qemu64", boot="cd", status=None, ends="reboot",
         typed=((PROMPT, "reboot\r"),), seconds=120),

    Case("run line: a failure", words="run=false", status=35, expect=(r"(?m)^run: exit 1$",)),
    Case("run line: to the end of the command line", words="run=echo a; echo b; true",
         expect=(r"(?m)^a\nb\nrun: exit 0$",)),
    Case("run line: by firmware configuration", boot="cd", cpu="qemu64",
         qemu=("-fw_cfg", "name=opt/tabula/run,string=echo from,, outside"),
         expect=(r"(?m)^from, outside\nrun: exit 0$",), seconds=120),

    Case("refused: a processor without 64-bit mode", cpu="qemu32", status=None, ends="stop",
         expect=(r"(?m)^Tabula: this processor has no 64-bit mode$",)),
    Case("refused: a processor without no-execute pages", cpu="qemu64,-nx", status=37, reject=(),
         expect=(r"(?m)^panic: this processor has no no-execute pages",)),
    Case("memory: 32 MiB", memory="32M", words="run=true",
         expect=(r"(?m)^memory: (2\d|3[01]) MiB usable",)),
    Case("memory: 6 GiB, q35", memory="6G", words="verbose run=true", qemu=("-machine", "q35"),
         expect=(r"(?m)^memory: 614\d MiB usable", r"(?m)^memory: 0{7}1.* usable$")),

    *user_cases.user_cases(Case),
    *processor_cases.processor_cases(Case),

    *(Case(f"processor {cpu}", cpu=cpu, words="run=true", long=True)
      for cpu in ("Nehalem", "SandyBridge", "Haswell", "Skylake-Server", "Icelake-Server", "EPYC",
                  "EPYC-Rome", "phenom", "Opteron_G1", "kvm64", "max,-pdpe1gb", "max,-smap",
                  "max,-smep", "max,-fsgsbase", "max,-xsave", "max,-pge", "max,-umip")),
    *(Case(f"{processors} processors, {machine}", processors=processors, words="run=true",
           qemu=("-machine", machine), long=True)
      for machine in ("pc", "q35") for processors in (2, 4, 8)),
    *(user_session(f"session: image, {firmware}, {boot}, q35, {memory}", boot=boot,
                   firmware=firmware, memory=memory, qemu=("-machine", "q35"),
                   screen=(r"(?m)\$$",), long=True)
      for firmware in ("bios", "uefi") for boot in ("cd", "usb") for memory in ("128M", "5G")),
    *(user_session(f"session: {screen}", boot="cd", qemu=words, long=True)
      for screen, words in (("cirrus", ("-vga", "cirrus")), ("vmware", ("-vga", "vmware")),
                            ("virtio", ("-vga", "virtio")),
                            ("bochs-display", ("-vga", "none", "-device", "bochs-display")),
                            ("no HPET", ("-no-hpet",)))),
    *(Case(f"kernel contract tests, {cpu}", cpu=cpu, words="ktest ktest-exit",
           expect=(r"(?m)^ktest: (\d\d+) passed, 0 failed$",
                   r"(?m)^ktest: NX: data is not executed ok$", *expect),
           reject=(r"(?m)^panic:", "FAILED"))
      for cpu, expect in (
          ("max", (r"(?m)^ktest: SMEP: .* ok$", r"(?m)^ktest: SMAP: .* ok$")),
          ("qemu64", (r"ok, skipped \(no SMEP\)", r"ok, skipped \(no SMAP\)")))),
    *(Case(f"panic: {what}", words=word, status=37, reject=(),
           expect=(*expect, r"(?m)^cr0 [0-9a-f]+  cr2 [0-9a-f]+  cr3 [0-9a-f]+  cr4 [0-9a-f]+$",
                   r"(?m)^backtrace:$", r"(?m)^  ffffffff[0-9a-f]{8} arch_start \+ \d+$"))
      for what, word, expect in (
          ("an invariant", "panic",
           (r"(?m)^panic: a test of the panic$",
            r"(?m)^at src/arch/ktest/test_panic\.cpp:\d+, in ")),
          ("a page fault", "panic=fault",
           (r"(?m)^exception: #PF page fault, error code 0, in kernel mode$",
            r"(?m)^read by kernel code at ffffc07fedcbb678: no page is present$",
            r"(?m)^entries of ffffc07fedcbb678:\n  pml4\[384\]: table at [0-9a-f]+ kernel\n"
            r"  pdpt\[511\]: empty, a hole$",
            r"(?m)^rip ffffffff[0-9a-f]{8}  cs 8 ",
            r"(?m)^r12 [0-9a-f]{16}  r13 [0-9a-f]{16}  r14 [0-9a-f]{16}  r15 [0-9a-f]{16}$",
            r"(?m)^  ffffffff[0-9a-f]{8} arch::ktest::.*read_wild \+ \d+$")),
          ("a stack overflow", "panic=stack",
           (r"(?m)^exception: #DF double fault", r"(?m)^  pt\[\d+\]: empty, a hole$",
            r"arch::ktest::.*descend \+ \d+")),
          ("an index out of bounds", "panic=array",
           (r"(?m)^panic: __n < this->size\(\)$", r"(?m)^at .*/array:\d+, in ")))),
]
