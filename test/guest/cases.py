# SPDX-License-Identifier: MIT
"""The ways in which Tabula is started, and what each run has to show. One table, read by run.py."""
import isolation_cases
import matrix
import power_cases
import processor_cases
import repeatable_cases
import stress_cases
import usb_cases
import user_cases
from case import (BANNER, CONTRACTS, MEMORY, PROMPT, REJECT_FAILURES, SELFTEST, Case,
                  user_session)

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
    *(Case(f"no-execute pages: none, {cpu}, {processors} CPUs", cpu=cpu, processors=processors,
           memory="256M", words=words + "ktest run=maps kernel; selftest", seconds=300,
           expect=(r"(?m)^no no-execute pages: data can be executed$",
                   r"(?m)^ktest: NX: data is not executed ok, skipped \(no NX\)$", CONTRACTS[0],
                   r"(?m)^ffffc0.* rw- present ", *SELFTEST),
           reject=REJECT_FAILURES, long=cpu != "qemu64,-nx")
      for cpu, processors, words in (("qemu64,-nx", 2, ""), ("max,-nx", 1, "kpti=on "),
                                     ("Nehalem,-nx", 2, ""))),
    Case("memory: 32 MiB", memory="32M", words="run=true",
         expect=(r"(?m)^memory: (2\d|3[01]) MiB usable",)),
    Case("memory: 6 GiB, q35", memory="6G", words="verbose run=true", qemu=("-machine", "q35"),
         expect=(r"(?m)^memory: 614\d MiB usable", r"(?m)^memory: 0{7}1.* usable$")),

    *user_cases.user_cases(Case),
    *processor_cases.processor_cases(Case),
    *isolation_cases.isolation_cases(Case),
    *usb_cases.usb_cases(Case),
    *power_cases.power_cases(Case),
    *repeatable_cases.repeatable_cases(),
    *stress_cases.stress_cases(),
    *stress_cases.debug_cases(),

    *matrix.machines(),

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
