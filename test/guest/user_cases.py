# SPDX-License-Identifier: MIT
"""What user space has to show: selftest, the words that scripts read, and a session at the shell."""

from case import PROMPT, SELFTEST

ADDRESS = r"[0-9a-f]+"


def trace_cases(case):
    """Recorded traces, replayed by the system calls; and that a call which did not do what it had to
    is no figure."""
    traces = ("firefox", "mpv", "cc1plus", "python")
    rows = tuple(rf"(?m)^replay_{name}\t\d+\t[1-9]\d{{3,4}}\b" for name in traces)
    words = "run=bench " + " ".join(f"replay_{name}" for name in traces)
    for kernel in ("kernel", "kernel-debug"):
        yield case(f"traces: replayed, {kernel}", kernel=kernel, archive="bench/boot.tar", memory="1G",
                   words=words, qemu=("-icount", "shift=0,sleep=off"), seconds=300,
                   expect=(*rows, r"(?m)^# end\nrun: exit 0$"), reject=(r"(?m)^panic:", "FAIL"))
    yield case("traces: not in the archive", words="run=bench replay_mpv; bench replay_python",
               expect=(r"(?m)^# left out replay_mpv: its trace is not in the boot archive$",
                       r"(?m)^# left out replay_python: ", r"(?m)^run: exit 0$"),
               reject=(r"(?m)^panic:", r"(?m)^replay_"))
    text = ("0 map 0x100000000000 8192 rw- pa--- - 0\n0 protect 0x100000000000 12288 r--\n"
            "0 unmap 0x100000000000 8192\n")
    for number, why in ((0, "was not refused"), (1, "not mapped"), (2, "was not refused"), (3, "was not refused")):
        yield case(f"traces: call {number} comes to what it must not", status=35, trace=("python", text, number),
                   words="run=bench replay_python",
                   expect=(rf"(?m)^# replay_python: call {number}: {why}$",
                           r"(?m)^# FAIL replay_python: a call did not do as it had to$", r"(?m)^run: exit 1$"),
                   reject=(r"(?m)^panic:", r"(?m)^replay_python\t"))
    for address in (0x40400000, 0x40410000):
        yield case(f"traces: over the program itself, {address:#x}", status=35,
                   trace=("python", f"0 fork\n0 map {address:#x} {0xF000} rw- pa--- - 0\n0 fork\n", 0),
                   words="run=bench replay_python; maps",
                   expect=(r"(?m)^# FAIL replay_python: the trace maps over this process$", r"(?m)^run: exit 1$"),
                   reject=(r"(?m)^panic:", r"(?m)^replay_python\t"))


def user_cases(case):
    """Cases, made by `case`, which takes a name and what makes it differ."""
    for cpu in ("max", "qemu64"):
        yield case(f"selftest, cpu {cpu}", cpu=cpu, memory="256M", words="run=selftest",
                   expect=SELFTEST, seconds=300)

    yield case("commands: maps", words="run=maps; maps kernel; maps 1; maps 2; maps 999; "
                                       "maps --picture; maps --picture kernel; maps --picture 999",
               status=35,
               expect=(rf"(?m)^{ADDRESS}-{ADDRESS} r-x present (\d+)/\1 4K anonymous$",
                       rf"(?m)^{ADDRESS}-{ADDRESS} r-x shared \d+/\d+ 4K bin/maps\+1000$",
                       rf"(?m)^{ADDRESS}-{ADDRESS} r-x shared \d+/\d+ 4K bin/sh\+1000$",
                       rf"(?m)^{ADDRESS}-{ADDRESS} rw- lazy 0/\d+ 4K anonymous$",
                       rf"(?m)^{ADDRESS}-{ADDRESS} --- callback 0/512 2M guard$",
                       rf"(?s)(\n{ADDRESS}-{ADDRESS} r-- shared 1/1 4K clock\n.*){{3}}",
                       rf"(?m)^ffff{ADDRESS}-ffff{ADDRESS} rw- present \d+/\d+ ",
                       rf"(?m)^ffff{ADDRESS}-ffff{ADDRESS} rw- shared \d+/\d+ 4K window\+fee00000$",
                       r"(?s)(\ntotal \d+ runs, \d+/\d+ pages\n.*){4}",
                       r"(?m)^maps: 999: no such process$",
                       # Each table is a block of four lines; what the colours mean comes last.
                       "(?m)^level 4: a cell is 512 GiB\n0{12} \u2580{64}(\n {13}\u2580{64}){3}\nlevel 3: ",
                       r"(?s)\nlevel 1: a cell is 4 KiB\n.*\n +hole +present +lazy .* parked\n",
                       rf"(?m)^ffff{ADDRESS} \u2580{{64}}$",
                       r"(?s)maps: 999: no such process.*level 4.*maps: 999: no such process",
                       r"(?m)^run: exit 1$"))
    yield case("commands: free", words="run=free",
               expect=tuple(rf"(?m)^{name} \d+$" for name in
                            ("total", "free", "page-tables", "kernel", "anonymous", "cache",
                             "committed", "commit-limit")))
    yield case("commands: free is what it was after a thousand spawns",
               words="run=selftest spawn; free; selftest spawn; free", memory="256M",
               expect=(r"(?ms)^free (\d+)$.*^free \1$", r"(?ms)^anonymous (\d+)$.*^anonymous \1$"),
               seconds=120)
    yield case("commands: repair", words="run=repair",
               expect=(r"(?m)^repair: hole at ([0-9a-f]+)000 by [0-9a-f]+: mapped, and stored again$",
                       r"(?m)^repair: forbidden at [0-9a-f]+000 by [0-9a-f]+: made writable, and "
                       r"stored again$",
                       r"(?m)^repair: illegal instruction by [0-9a-f]+: skipped$"))
    yield case("commands: touch-mem", memory="256M",
               words="run=touch-mem 64; touch-mem 1; touch-mem 100000; touch-mem x", status=35,
               expect=(r"(?m)^touched 16384 pages, 16384 faults$",
                       r"(?m)^touched 256 pages, 256 faults$",
                       r"(?m)^touch-mem: 100000 MiB: out of memory$",
                       r"(?m)^touch-mem: x: not a number of MiB above 0$"))
    yield case("commands: touch-mem --huge", memory="256M", status=35,
               words="run=touch-mem --huge 64; free; touch-mem --huge 64; free; touch-mem --huge 1; "
                     "limit memory 64M touch-mem --huge 60; limit memory 20M touch-mem --huge 64; "
                     "touch-mem --large 1; touch-mem --huge 0",
               expect=(r"(?m)^touched 16384 pages, 32 faults, 32 pages of 2 MiB$",
                       r"(?m)^touched 256 pages, 256 faults, 0 pages of 2 MiB$",
                       r"(?m)^touched 15360 pages, 30 faults, 30 pages of 2 MiB$",
                       r"(?m)^touch-mem: 64 MiB: limit reached \(20480 KiB\)$",
                       r"(?m)^touch-mem: --large: no such option$",
                       r"(?m)^touch-mem: 0: not a number of MiB above 0$",
                       r"(?ms)^free (\d+)$.*^free \1$", r"(?ms)^anonymous (\d+)$.*^anonymous \1$"))
    holding = r"parent \d+ tables, \d+ frames; child \d+ tables, \d+ frames; {} KiB more in use"
    yield case("commands: fork-cost", memory="256M", status=35,
               words="run=fork-cost 32; free; fork-cost 32; free; limit memory 20M fork-cost 16; "
                     "fork-cost 0",
               expect=(r"(?m)^touched: 8192 pages; \d+ tables, 8\d{3} frames\n"
                       r"fork: \d+ counts; " + holding.format(r"\d{1,3}") + r"\n"
                       r"first write: \d+ counts; " + holding.format(r"\d{1,3}") + r"\n"
                       r"second write: \d+ counts; " + holding.format(r"\d{1,3}") + r"\n"
                       r"all written: \d+ counts; " + holding.format(r"3\d{4}") + "$",
                       r"(?m)^fork-cost: 16 MiB: limit reached$",
                       r"(?m)^fork-cost: 0: not a number of MiB above 0$",
                       r"(?ms)^free (\d+)$.*^free \1$", r"(?ms)^anonymous (\d+)$.*^anonymous \1$"))
    yield case("commands: fork-cost of 1 GiB", memory="4G", words="run=fork-cost 1024", long=True,
               qemu=("-icount", "shift=0,sleep=off"), seconds=300,
               expect=(r"(?m)^touched: 262144 pages; \d+ tables, 2621\d\d frames\n"
                       r"fork: \d{4,6} counts; " + holding.format(r"\d{1,3}") + r"\n"
                       r"first write: \d{4,5} counts; " + holding.format(r"\d{1,3}") + "$", r"(?m)^run: exit 0$"))
    limit = r"limit: {} is more than the \d+ {} that there are to give"
    yield case("commands: limit", status=35,
               words="run=limit; limit memory 16M limit; limit memory 16M touch-mem 64; "
                     "limit memory 16M fault overcommit; limit handles 3 touch-mem 1; "
                     "limit memory 20M handles 9 touch-mem 10; limit memory 16K true; "
                     "limit handles 2 true; limit memory 900G true; limit handles 9999 true; "
                     "limit memory 7 true; limit handles x true; limit memory 1M; limit true; "
                     "limit memory 16M limit memory 32M true; limit memory 9M sleep 0 & "
                     "fault overcommit; touch-mem 110; touch-mem 64; echo still here",
               expect=(r"(?m)^memory \d{5,6}\nhandles 1024\nmemory 16384\nhandles 1024$",
                       r"(?m)^touch-mem: 64 MiB: limit reached \(16384 KiB\)$",
                       r"(?m)^fault: fault\[\d+\]: out of memory at .*, limit 16384 KiB$",
                       r"(?m)^touched 256 pages, .*\ntouched 2560 pages, .*\n"
                       r"sh: true: limit reached\nsh: true: limit reached$",
                       "(?m)^" + limit.format("900G", "KiB") + "$",
                       "(?m)^" + limit.format("9999", "handles") + "$",
                       r"(?m)^limit: 7: not a size: a number and K, M or G$",
                       r"(?m)^limit: x: not a number of handles above 0$",
                       r"(?m)^limit: a command is missing\nusage: limit .*\n"
                       r"limit: a limit is missing\nusage: limit ",
                       r"(?m)^limit: 32M is more than the 16384 KiB ",
                       r"(?m)^\[1\] \d+\nfault: fault\[\d+\]: out of memory at .*, limit \d{6} KiB$",
                       r"(?m)^touch-mem: 110 MiB: limit reached \(\d{6} KiB\)$",
                       r"(?m)^touched 16384 pages, .*\nstill here$"))
    yield case("commands: files", status=35,
               words="run=ls; ls bin; cat welcome.txt; cat nothing; ls nothing; cat bin",
               expect=(r"(?m)^ +0 bin/$", r"(?m)^ +\d+ selftest$", r"(?m)^cat: nothing: not found$",
                       r"(?m)^ls: nothing: not found$", r"(?m)^cat: bin: not a file$"))
    yield case("commands: ps, help, uptime", words="run=spin & ps; help; uptime",
               expect=(r"(?m)^ +1 +0 .* running init$", r"(?m)^ +2 +1 .* running sh$",
                       r"(?m)^ +\d+ +2 .* running spin$", r"(?m)^touch-mem \[--huge\] MIB  +maps and touches",
                       r"(?m)^up 0:0\d:\d\d\.\d{3}$"))
    yield case("commands: status", status=35,
               words="run=true; echo $?; false; echo $? '$?'; nosuch; echo $?; cat; echo $?",
               expect=(r"(?m)^0\n1 \$\?\nsh: nosuch: not found\n127\n", r"(?m)^usage: cat FILE",
                       r"(?m)^2$", r"(?m)^run: exit 1$"))

    helpful = ("help history jobs wait time limit exit ls cat echo ps kill maps free touch-mem fork-cost fault "
               "repair uptime sleep spin sh reboot poweroff").split()
    yield case("commands: help of each", words="run=" + "; ".join(f"{n} --help" for n in helpful),
               expect=(*(rf"(?m)^usage: {name} .*\n{name} \w+.*\.$" for name in helpful),
                       r"(?m)^run: exit 0$"))
    yield case("commands: an open quote", status=35, words="run=echo one; echo 'open",
               expect=(r"(?m)^run: exit 2$", r"(?m)^sh: a quote is not closed \(at character \d+\)$"))
    yield case("commands: errors", status=35,
               words="run=selftest nosuch; bench nosuch; fault nosuch; kill x 4096; sleep x; maps x; "
                     "sh -c; ps 1; time; help nosuch",
               expect=(r"(?m)^selftest: nosuch: no such suite; there are: runtime ",
                       r"(?m)^bench: nosuch: no such row; there are:\n  boot_tsc_at_init$",
                       r"(?m)^fault: nosuch: unknown kind; one of null hole ",
                       r"(?m)^kill: x: invalid argument\nkill: 4096: no such process$",
                       r"(?m)^sleep: x: invalid argument$", r"(?m)^maps: x: invalid argument$",
                       r"(?m)^ps: too many words\nusage: ps ", r"(?m)^time: a word is missing$",
                       r"(?m)^help: nosuch: no such command$", r"(?m)^run: exit 2$"))
    yield case("commands: bench", memory="256M",
               words="run=bench null_getppid switch_by_sched_yield ipc_call_0w mem_B_per_mapping",
               qemu=("-icount", "shift=0,sleep=off"), seconds=120,
               expect=(r"(?m)^# name\tops\tmedian\tmin\tmean", r"(?m)^null_getppid\t20000(\t\d+)",
                       r"(?m)^switch_by_sched_yield\t40000\t\d+", r"(?m)^ipc_call_8B\t10000\t\d+",
                       r"(?m)^mem_B_per_mapping\t60000\t0\t0\t0$", r"(?m)^# end\nrun: exit 0$"))
    yield from trace_cases(case)
    kinds = {
        "null": rf"read of a hole at 0 by {ADDRESS}, entry empty ---",
        "hole": rf"read of a hole at 10000 by {ADDRESS}, entry empty ---",
        "readonly": rf"write to read-only memory at {ADDRESS} by {ADDRESS}, entry lazy r--",
        "noexec": rf"execution of non-executable memory at ({ADDRESS}) by \1, entry present rw-",
        "kernel": rf"read of kernel memory at ffff800000000000 by {ADDRESS}, entry kernel ---",
        "noncanonical": rf"privileged instruction or bad address at no address by {ADDRESS}, ",
        "stack": rf"stack overflow at {ADDRESS} by {ADDRESS}, entry callback ---",
        "divide": rf"divide error at no address by {ADDRESS}, entry present r-x",
        "illegal": rf"illegal instruction at no address by {ADDRESS}, entry present r-x",
        "privileged": rf"privileged instruction or bad address at no address by {ADDRESS}, ",
        "breakpoint": rf"breakpoint at no address by {ADDRESS}, entry present r-x",
        "overcommit": rf"out of memory at {ADDRESS} by {ADDRESS}, entry lazy rw-"}
    reports = [rf"fault: fault\[\d+\]: {report}.*\n"
               r"sh: fault\[\d+\]: ended by a fault \(status -2\)\n" for report in kinds.values()]
    yield case("fault: every kind", status=35, seconds=120,
               words="run=" + "".join(f"echo {kind}:; fault {kind}; " for kind in kinds) + "echo end",
               expect=(*(rf"(?m)^{kind}:\n{report}" for kind, report in zip(kinds, reports)),
                       r"(?m)^end\nrun: exit -2$"))

    yield case("session: keys, jobs, Ctrl-C", status=None, ends="poweroff",
               typed=((PROMPT, "spin\r"), (r"spin\n", "\x03"),
                      (r"\^C\n.*" + PROMPT, "echo $?\r"), (r"\n130\n.*" + PROMPT, "spin &\r"),
                      (r"\n\[1\] \d+\n.*" + PROMPT, "jobs\r"),
                      (r"\n\[1\] \d+ spin\n.*" + PROMPT, "\x04"),
                      (r"`poweroff` the machine\.\n.*" + PROMPT, "time tru\x7fue\r"),
                      (r"\nreal 0\.\d{6} s, processor 0\.\d{6} s\n.*" + PROMPT, "history\r"),
                      (r"(?s)\n +1 spin\n +2 echo \$\?\n.*" + PROMPT, "exit 3\r"),
                      (r"the shell ended with status 3; starting another\n.*" + PROMPT,
                       "poweroff\r")),
               seconds=90)
