# SPDX-License-Identifier: MIT
"""Stress by many CPUs: truly parallel, in interleavings that repeat, in Bochs; and all of selftest on
the debug kernel, which validates every map at the end of each process and between the suites."""
import dataclasses

from case import CONTRACTS, REJECT_FAILURES, SELFTEST, Case
from repeatable_cases import REPEATABLE, period

SEEDS = range(200)
QUICK_SEEDS = (3, 104)
DEBUG_SEEDS = range(10)
STRESS = (r"(?m)^stress: \d\d passed, 0 failed$", r"(?m)^run: exit 0$")
# Once what is made once and kept is there, stress leaves all memory as it was.
# What processes have is what it was. What the kernel has is not compared: it keeps as many stacks for
# the next threads as there ever were at once, which depends on how the CPUs meet.
LEAVES_NOTHING = tuple(rf"(?ms)^{name} (\d+)$.*^{name} \1$" for name in ("page-tables", "anonymous"))


def repeated(rounds):
    """Stress, and what is free before and after it."""
    return (f"run=selftest --rounds {rounds} stress; free; selftest --rounds {rounds} stress; free")


def quick_and_long(one, long_words):
    """A case of `make test`, and one with other words of `make test-long`."""
    yield one
    yield dataclasses.replace(one, words=long_words, seconds=one.seconds * 10, long=True)


def seeds(name, chosen, quick=(), **options):
    """A case for each seed, those in `quick` in `make test` too."""
    for seed in chosen:
        one = Case(f"repeatable: {name}, seed {seed}", words=f"perturb={period(seed)} run=selftest stress",
                   expect=STRESS, reject=REJECT_FAILURES, seconds=900, long=True, **options,
                   **REPEATABLE)
        yield one
        if seed in quick:
            yield dataclasses.replace(one, long=False)


def stress_cases():
    yield from quick_and_long(
        Case("stress: 4 CPUs leave nothing behind", processors=4, memory="256M", words=repeated(2),
             expect=(*STRESS, *LEAVES_NOTHING), reject=REJECT_FAILURES, seconds=300),
        repeated(40))
    yield Case("stress: 8 CPUs, user mode on its own roots", processors=8, memory="256M",
               words="kpti=on " + repeated(10), expect=STRESS, reject=REJECT_FAILURES,
               seconds=1800, long=True)
    yield from seeds("stress, 4 CPUs", SEEDS, QUICK_SEEDS)
    yield from seeds("stress, 4 CPUs, debug kernel", DEBUG_SEEDS, kernel="kernel-debug")
    bochs = dict(boot="bochs", cpu="corei7_skylake_x", status=None, ends="poweroff", memory="256M",
                 expect=STRESS, reject=REJECT_FAILURES)
    yield Case("stress: Bochs, 2 CPUs", processors=2, words="run=selftest stress", seconds=600,
               **bochs)
    for processors in (2, 4):
        yield Case(f"stress: Bochs, {processors} CPUs, longer", processors=processors,
                   words="run=selftest --rounds 5 stress", seconds=3600, long=True, **bochs)


def debug_cases():
    debug = dict(kernel="kernel-debug", memory="256M", reject=REJECT_FAILURES)
    for processors in (1, 4):
        yield Case(f"debug kernel: ktest, selftest, {processors} CPUs", processors=processors,
                   words="ktest run=selftest", expect=(*CONTRACTS, *SELFTEST), seconds=600, **debug)
    for name, options in {
            "qemu64": dict(cpu="qemu64"),
            "q35, user mode on its own roots": dict(processors=2, qemu=("-machine", "q35"),
                                                    words="kpti=on ktest run=selftest"),
            "8 CPUs": dict(processors=8),
            "Bochs, 2 CPUs": dict(boot="bochs", cpu="corei7_skylake_x", processors=2, status=None,
                                  ends="poweroff", seconds=3600)}.items():
        yield Case(f"debug kernel: ktest, selftest, {name}", expect=(*CONTRACTS, *SELFTEST),
                   long=True,
                   **{"words": "ktest run=selftest", "seconds": 1200, **debug, **options})
    yield from quick_and_long(
        Case("debug kernel: stress, 4 CPUs", processors=4, words="run=selftest stress",
             expect=STRESS, seconds=300, **debug),
        "run=selftest --rounds 20 stress")
    # What it notices, each made to happen.
    for what, words, expect in (
            ("a map that its entries don't agree with", "panic=map run=free",
             (r"(?m)^panic: (the live count is wrong|differing slots are miscounted)$",
              r"(?m)^running process: free\[\d+\]$")),
            ("undefined behaviour", "panic=undefined",
             (r"(?m)^exception: #UD", r"arch::ktest::.*overflow")),
            ("locks out of rank", "panic=rank", (r"(?m)^panic: lock taken out of rank$",))):
        for processors in (1, 4):
            yield Case(f"debug kernel: {what}, {processors} CPUs", kernel="kernel-debug",
                       processors=processors, words=words, status=37, reject=(), expect=expect)
