# SPDX-License-Identifier: MIT
"""Starts one Bochs for one case: a processor that keeps the rules strictly, and has what QEMU's
lacks: PCID, INVPCID, x2APIC, the TSC deadline. Judged by the serial line and by how it ended."""
import os
import pathlib
import re
import subprocess
import time

import image
from outcome import Failed, check_text, plain

SHARE = "/usr/share/bochs"
ENDS = {"poweroff": r"ACPI control: soft power off|Shutdown port: shutdown requested"}


def configuration(case, directory):
    """The lines of Bochs's configuration. A triple fault is a panic, and so is the power-off: both
    end Bochs, and its log tells which it was."""
    if not re.fullmatch(r"\d+M", case.memory):
        raise ValueError(f"{case.name}: Bochs has whole MiB of memory, not {case.memory}")
    return "\n".join((
        f"cpu: model={case.cpu}, count={case.processors}, ips=200000000, reset_on_triple_fault=0, "
        "ignore_bad_msrs=0",
        f"megs: {case.memory[:-1]}",
        f"romimage: file={SHARE}/BIOS-bochs-latest",
        f"vgaromimage: file={SHARE}/VGABIOS-lgpl-latest",
        f"ata0-master: type=cdrom, path={image.variant(case.words, case.kernel)}, status=inserted",
        "boot: cdrom",
        f"com1: enabled=1, mode=file, dev={directory}/serial",
        f"log: {directory}/log",
        "panic: action=fatal",
        "error: action=report",
        "info: action=ignore",
        "debug: action=ignore",
        "display_library: sdl2",
        "sound: waveoutdrv=dummy",
        "clock: sync=none, time0=1700000000",
        *case.bochs)) + "\n"


def read(path):
    return path.read_text(errors="replace") if path.exists() else ""


def judge(process, case, directory):
    """Waits for the end; returns what the serial line said; raises Failed."""
    deadline = time.monotonic() + case.seconds
    while process.poll() is None:
        check_text(case, plain(read(directory / "serial")))
        if time.monotonic() > deadline:
            raise Failed(f"hung: {case.seconds} s are over")
        time.sleep(0.2)
    text = plain(read(directory / "serial"))
    check_text(case, text)
    ended = re.findall(r">>PANIC<< (.*)", read(directory / "log"))
    if len(ended) != 1 or not re.search(ENDS[case.ends], ended[0]):
        raise Failed(f"Bochs ended with {ended}, status {process.returncode}")
    for pattern in case.expect:
        if not re.search(pattern, text):
            raise Failed(f"never said {pattern!r}")
    return text


def run(case, directory):
    """Runs a case in a directory of its own. Returns (complaint or None, serial text, output)."""
    directory = pathlib.Path(directory)
    (directory / "configuration").write_text(configuration(case, directory))
    (directory / "commands").write_text("c\n")
    with open(directory / "output", "w+b") as output:
        # The debugger's build of Bochs waits for a command; the display needs no screen.
        process = subprocess.Popen(
            ["bochs", "-q", "-f", "configuration", "-rc", "commands"], cwd=directory,
            env={**os.environ, "SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"},
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        complaint = None
        text = ""
        try:
            text = judge(process, case, directory)
        except Failed as problem:
            complaint = problem
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
    if complaint is not None:
        text = plain(read(directory / "serial"))
    return complaint, text, read(directory / "log")[-2000:]
