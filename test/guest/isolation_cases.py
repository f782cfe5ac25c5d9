# SPDX-License-Identifier: MIT
"""Isolated roots, PCIDs and measures against speculation: decided, forced, refused."""
import dataclasses

from case import SELFTEST, selftest_of

SAID = r"(?m)^ktest: \d\d+ passed, 0 failed$"
ROOT = r"(?m)^ktest: user mode's roots show of the kernel what entry code needs, no more ok"
STORM = r"(?m)^ktest: NMIs all the way into the kernel and out of it change nothing ok$"
REJECT = (r"(?m)^panic:", "FAILED")
PCIDS = r"(?m)^ktest: PCIDs: a space that is left and run again keeps what was cached ok"
PCID_ROOTS = r"(?m)^ktest: PCIDs: a flush of the running space reaches both its roots ok$"
PCID_OTHERS = r"(?m)^ktest: PCIDs: so is one made by another CPU, which asks nobody ok$"


def isolation_cases(case):
    """Cases, made by `case`, which takes a name and what makes it differ."""
    for name, cpu, words, says in (
            ("forced, max", "max", "kpti=on ", r"(?m)^kpti: on, the command line says so$"),
            ("forced, qemu64", "qemu64", "kpti=on ", r"(?m)^kpti: on, the command line says so$"),
            ("decided, Skylake", "Skylake-Client", "",
             r"(?m)^kpti: on, the processor does not say RDCL_NO$"),
            ("with all measures, Skylake", "Skylake-Client", "speculation=on ",
             r"(?m)^speculation: fences retpolines rsb$")):
        yield case(f"isolation: contract tests, {name}", cpu=cpu, processors=2, seconds=120,
                   words=words + "ktest ktest-exit", reject=REJECT, long="qemu64" in cpu,
                   expect=(says, SAID, ROOT + r"$", STORM))
    for name, cpu, words, says in (
            ("refused, Skylake", "Skylake-Client", "kpti=off ",
             r"(?m)^kpti: off, the command line says so$"),
            ("refused, with all other measures", "max", "kpti=off speculation=on ",
             r"(?m)^speculation: fences retpolines rsb$"),
            ("not needed, max", "max", "", r"(?m)^kpti: off, AMD's processors check rights")):
        yield case(f"isolation: contract tests, {name}", cpu=cpu, processors=2, seconds=120,
                   words=words + "ktest ktest-exit", reject=REJECT, long="Skylake" in cpu,
                   expect=(says, SAID, ROOT + r", skipped \(no isolation\)$", STORM))
    for words in ("kpti=on", "kpti=on speculation=on", "speculation=on"):
        yield case(f"isolation: selftest, {words}", memory="256M", words=f"{words} run=selftest",
                   expect=(r"(?m)^total: \d\d\d passed, 0 failed$", r"(?m)^run: exit 0$"),
                   seconds=300, long=words == "speculation=on")
    yield case("isolation: selftest, decided, Skylake", cpu="Skylake-Client", memory="256M",
               words="run=selftest", long=True, seconds=300,
               expect=(r"(?m)^kpti: on, ", r"(?m)^total: \d\d\d passed, 0 failed$"))
    yield case("isolation: a kernel stack overflow is reported", words="kpti=on panic=stack",
               status=37, reject=(), expect=(r"(?m)^exception: #DF double fault",
                                             r"arch::ktest::.*descend \+ \d+"))
    yield case("isolation: a word that is neither on nor off", words="kpti=maybe run=true",
               expect=(r"(?m)^measures: kpti=maybe is neither on nor off: ignored$",
                       r"(?m)^kpti: off, ", r"(?m)^run: exit 0$"))

    # QEMU's emulation has no PCIDs.
    for cpu, processors, words, kpti, pcid in (
            ("corei7_skylake_x", 2, "kpti=on", "on", "on"),
            ("corei7_skylake_x", 1, "kpti=on", "on", "on"),
            ("corei7_skylake_x", 4, "kpti=on", "on", "on"),
            ("corei7_skylake_x", 1, "kpti=off", "off", "on"),
            ("corei7_skylake_x", 4, "kpti=off", "off", "on"),
            ("tigerlake", 2, "kpti=off", "off", "on"),
            ("tigerlake", 2, "kpti=on speculation=on", "on", "on"),
            ("corei7_skylake_x", 2, "kpti=on pcid=off", "on", "off")):
        strict = case(f"isolation: Bochs, {cpu}, {processors} CPUs, {words}", boot="bochs", cpu=cpu,
                      status=None, ends="poweroff", processors=processors, memory="256M",
                      words=f"{words} ktest run=selftest", reject=REJECT, seconds=600, long=True,
                      expect=(rf"(?m)^kpti: {kpti}, the command line says so$",
                              rf"(?m)^pcid: {pcid}, the (processor has them|command line says so)$",
                              PCIDS + ("$" if pcid == "on" else r", skipped \(no PCIDs\)$"),
                              PCID_ROOTS, *((PCID_OTHERS,) if processors > 1 else ()), SAID,
                              *SELFTEST))
        if (cpu, processors, words) == ("corei7_skylake_x", 2, "kpti=on"):
            # The suites whose maps and threads change most; all of them take minutes.
            suites = ("protection", "maps", "kill", "stress")
            yield dataclasses.replace(
                strict, name=f"{strict.name}: {', '.join(suites)}", long=False,
                words=f"{words} ktest run=selftest {' '.join(suites)}",
                expect=(*strict.expect[:-len(SELFTEST)], *selftest_of(suites)))
        yield strict
