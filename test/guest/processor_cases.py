# SPDX-License-Identifier: MIT
"""How processors are started, which are left out, and what a panic does to the others."""

KTEST = dict(words="ktest ktest-exit", reject=(r"(?m)^panic:", "FAILED"))
LATE = r"(?m)^ktest: a processor that comes too late halts, and can still be started ok"


def started(count, listed):
    return rf"(?m)^processors: {count} of {listed} started$"


def processor_cases(case):
    """Cases, made by `case`, which takes a name and what makes it differ."""
    for count in (1, 2, 4, 8):
        yield case(f"processors: {count}", processors=count, memory="256M", **KTEST,
                   expect=(started(count, count), rf"{LATE}, skipped",
                           r"(?m)^ktest: \d\d passed, 0 failed$"),
                   long=count == 8)
    yield case("processors: two sockets of three", processors="6,sockets=2,cores=3", memory="256M",
               **KTEST, expect=(started(6, 6), r"(?m)^ktest: \d\d passed, 0 failed$"))
    # The contract test starts the third.
    yield case("processors: fewer than there are", processors=4, memory="256M",
               words="cpus=2 ktest ktest-exit", reject=KTEST["reject"],
               expect=(r"(?m)^processors: 2 left out: cpus=2$", started(2, 4), rf"{LATE}$",
                       r"(?m)^ktest: a processor that was given up on its way halts ok$"))
    yield case("processors: words that are no number", processors=2, words="cpus=none run=cpus=1",
               status=35, expect=(r"(?m)^processors: cpus=none is no number from 1: ignored$",
                                  started(2, 2)))
    # A processor that may be added later is not there; one of the others is not like the first.
    added = "max-x86_64-cpu,core-id=0,thread-id=0,socket-id"
    yield case("processors: one lacks a feature", processors="1,maxcpus=4,sockets=4",
               words="run=true",
               qemu=("-device", f"{added}=1,smap=off", "-device", f"{added}=3"),
               expect=(r"(?m)^processors: local APIC 1 left out: it lacks smap$", started(2, 3)))
    yield case("processors: one can't enter the kernel", processors="1,maxcpus=4,sockets=4",
               words="run=true",
               qemu=("-device", f"{added}=1,nx=off", "-device", f"{added}=3"),
               expect=(r"(?m)^processors: local APIC 1 left out: no answer$", started(2, 3)))
    # The same by Intel, whose firmware may have hidden what it lacks: here it has not.
    yield case("processors: one of Intel's can't enter the kernel", cpu="Nehalem",
               processors="1,maxcpus=2,sockets=2", words="run=true",
               qemu=("-device",
                     "Nehalem-x86_64-cpu,core-id=0,thread-id=0,socket-id=1,nx=off"),
               expect=(r"(?m)^processors: local APIC 1 left out: no answer$", started(1, 2)))
    yield case("processors: image, bios", boot="cd", processors=4, memory="256M",
               qemu=("-fw_cfg", "name=opt/tabula/run,string=true"),
               expect=(started(4, 4), r"(?m)^run: exit 0$"), seconds=120)
    yield case("processors: image, uefi", boot="cd", firmware="uefi", processors=4, memory="256M",
               qemu=("-fw_cfg", "name=opt/tabula/run,string=true"),
               expect=(started(4, 4), r"(?m)^run: exit 0$"), seconds=180)

    once = r"(?s)panic:.*panic:"
    yield case("panic: another CPU's, which holds the log", processors=4, words="panic=other",
               status=37, reject=(once,),
               expect=(r"(?m)^panic: a test of another CPU's panic$", r"(?m)^on CPU 3 of 4$",
                       r"(?m)^  ffffffff[0-9a-f]{8} arch_start_processor \+ \d+$"))
    yield case("panic: every CPU's", processors=4, words="panic=all", status=37, reject=(once,),
               expect=(r"(?m)^panic: a test of many panics$", r"(?m)^on CPU [0-3] of 4$",
                       r"(?m)^backtrace:$"))
