#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run_peer.py KERNEL INITRAMFS OUTPUT.tsv: measures Linux as run_bench.py measures Tabula.

The same emulator, one CPU and as much memory, the clock counting instructions; Linux at its
leanest: everything is off that Debian turns on and Linux can do without.
"""
import sys
import time

import run_bench

LIMIT = 3600  # seconds
# No rep stosb (ERMS): it would count 4,096 for a page where rep stosq counts 512. No rseq in the
# library: it would add to each switch, fork and thread.
WORDS = ("console=ttyS0 quiet nokaslr norandmaps panic=-1 mitigations=off init_on_alloc=0 "
         "hardened_usercopy=off randomize_kstack_offset=off apparmor=0 audit=0 lsm=capability "
         "cgroup_disable=memory no5lvl GLIBC_TUNABLES=glibc.pthread.rseq=0")
HEAD = ["# guest instructions per operation: Linux, -cpu max,-erms -m 4G -icount shift=0,sleep=off, 1 CPU",
        "#name\tops\tmedian\tmin\tmean"]


def command(kernel, initramfs, serial):
    return ["qemu-system-x86_64", "-machine", "q35", "-cpu", "max,-erms", "-m", "4G", "-smp", "1",
            "-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off",
            "-rtc", "base=2024-01-01T00:00:00,clock=vm", "-seed", "1", "-nodefaults",
            "-no-user-config", "-no-reboot", "-display", "none", "-serial", f"file:{serial}",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
            "-kernel", kernel, "-initrd", initramfs, "-append", WORDS]


def rows_of(text):
    """What stands in the table: remarks and rows. Raises ValueError where the run was not whole."""
    lines = run_bench.lines_of(text)
    failures = [line for line in lines if line.startswith("# FAIL")]
    if failures:
        raise ValueError("\n".join(failures))
    rows = run_bench.rows_of(lines)
    if "# end" not in lines or not rows:
        raise ValueError(f"the run did not come to its end: {len(rows)} rows")
    return [line for line in lines if line.startswith("# ") and line != "# end"] + rows


def main():
    kernel, initramfs, output = sys.argv[1:]
    output = run_bench.fresh(output)
    started = time.monotonic()
    status, text = run_bench.run(lambda serial: command(kernel, initramfs, serial), LIMIT)
    if status == -1:
        print(f"bench-peers: no end after {LIMIT} s", file=sys.stderr)
    try:
        lines = rows_of(text)
    except ValueError as problem:
        sys.exit(f"{text}\nbench-peers: {problem}")
    output.write_text("\n".join(HEAD + lines) + "\n", encoding="utf-8")
    print(f"bench-peers: {sum(line[0] != '#' for line in lines)} rows of Linux, "
          f"{time.monotonic() - started:.1f} s; {output}")


if __name__ == "__main__":
    main()
