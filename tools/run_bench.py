#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run_bench.py KERNEL ARCHIVE OUTPUT.tsv: runs `bench` in the guest and keeps its rows.

One CPU, and a clock that counts guest instructions, so that two runs give the same figures. Rows
are the serial lines of five tab-separated fields (name, ops, median, min, mean).
"""
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROW = re.compile(r"^[a-z0-9_A-Z]+\t\d+(\t\d+(\.\d+)?){3}$")
LIMIT = 900  # seconds


def command(kernel, archive, serial, line="bench"):
    return ["qemu-system-x86_64", "-cpu", "max", "-m", "4G", "-smp", "1",
            "-icount", "shift=0,sleep=off", "-no-reboot", "-display", "none", "-vga", "none",
            "-serial", f"file:{serial}", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
            "-kernel", kernel, "-initrd", archive, "-append", f"run={line}"]


def run(command_of, limit):
    """Runs command_of(serial file). Gives its status, -1 where it did not end, and what it said."""
    with tempfile.TemporaryDirectory(prefix="tabula-") as directory:
        serial = pathlib.Path(directory) / "serial"
        serial.touch()
        try:
            status = subprocess.run(command_of(serial), timeout=limit,
                                    stdin=subprocess.DEVNULL).returncode
        except subprocess.TimeoutExpired:
            status = -1
        return status, serial.read_text(errors="replace")


def lines_of(text):
    """What a guest said, by the line."""
    return text.replace("\r", "").split("\n")


def rows_of(lines):
    """The rows among them. Raises ValueError where one came twice."""
    rows = [line for line in lines if ROW.match(line)]
    names = [row.split("\t")[0] for row in rows]
    if len(set(names)) != len(names):
        raise ValueError(f"a row came twice: {sorted(names)}")
    return rows


def fresh(output):
    """The path of a file that is not there, in a folder that is."""
    output = pathlib.Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.unlink(missing_ok=True)
    return output


def main():
    kernel, archive, output = sys.argv[1:]
    output = fresh(output)
    started = time.monotonic()
    status, text = run(lambda serial: command(kernel, archive, serial), LIMIT)
    lines = lines_of(text)
    try:
        rows = rows_of(lines)
    except ValueError as problem:
        sys.exit(f"bench: {problem}")
    remarks = [line for line in lines if line.startswith("#")]
    if status != 33 or not rows:
        sys.exit(f"{text}\nbench: exit status {status}, {len(rows)} rows")
    left_out = [line for line in remarks if line.startswith("# left out")]
    if left_out:
        sys.exit("bench: " + "\n".join(left_out))
    head = ["# guest instructions per operation: -cpu max -m 4G -icount shift=0,sleep=off, 1 CPU",
            "#name\tops\tmedian\tmin\tmean"]
    head += [line for line in remarks if not line.startswith(("#name", "# name", "# end"))]
    output.write_text("\n".join(head + rows) + "\n")
    print("\n".join(head + rows).expandtabs(16))
    print(f"bench: {len(rows)} rows, {time.monotonic() - started:.1f} s; {output}")


if __name__ == "__main__":
    main()
