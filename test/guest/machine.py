# SPDX-License-Identifier: MIT
"""Starts one QEMU for one case, waits for its end or for its text, and judges."""
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"
EXIT_DEVICE = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]


def command(case, serial):
    """The QEMU command line of a case."""
    words = ["qemu-system-x86_64", "-cpu", case.cpu, "-m", case.memory, "-no-reboot",
             "-display", "none", "-serial", f"file:{serial}"]
    if case.boot == "pvh":
        words += ["-kernel", str(BUILD / "kernel/tabula.elf"), "-initrd", str(BUILD / "boot.tar"),
                  "-append", case.words, "-vga", "none"]
    else:
        if case.firmware == "uefi":
            words += ["-bios", "/usr/share/ovmf/OVMF.fd"]
        image = BUILD / "tabula.iso"
        if case.boot == "cd":
            words += ["-cdrom", str(image)]
        else:
            words += ["-drive", f"if=none,id=stick,file={image},format=raw,readonly=on",
                      "-device", "qemu-xhci", "-device", "usb-storage,drive=stick"]
    if case.status is not None:
        words += EXIT_DEVICE
    return words + list(case.qemu)


def missing(case, text):
    """Which of the expected texts are not there yet."""
    return [pattern for pattern in case.expect if not re.search(pattern, text)]


def stop(process):
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()


def watch(case, process, serial):
    """Waits until the run has ended or shown everything. Returns a complaint or None."""
    deadline = time.monotonic() + case.seconds
    while True:
        ended = process.poll()
        text = serial.read_text(errors="replace").replace("\r", "")
        for pattern in case.reject:
            if found := re.search(pattern, text):
                return f"said {found[0]!r}"
        if ended is not None:
            if ended != case.status:
                return f"exit status {ended} instead of {case.status}"
            return f"never said {missing(case, text)}" if missing(case, text) else None
        if case.status is None and not missing(case, text):
            return None
        if time.monotonic() > deadline:
            return f"hung: not over after {case.seconds} s, not said: {missing(case, text)}"
        time.sleep(0.05)


def run(case):
    """Runs a case. Returns None, or a complaint with the serial text."""
    with tempfile.TemporaryDirectory(prefix="tabula-") as directory:
        serial = pathlib.Path(directory) / "serial"
        serial.touch()
        process = subprocess.Popen(command(case, serial), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env=os.environ | {"SDL_VIDEODRIVER": "dummy"})
        try:
            complaint = watch(case, process, serial)
        finally:
            stop(process)
        if complaint is None:
            return None
        said = process.stdout.read().decode(errors="replace")
        text = serial.read_text(errors="replace").replace("\r", "")[-6000:]
        return f"    {complaint}\n{said}--- serial ---\n{text}\n--------------"
