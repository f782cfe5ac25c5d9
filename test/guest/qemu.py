# SPDX-License-Identifier: MIT
"""Starts one QEMU for one case, types what has to be typed, waits for its end, and judges."""
import pathlib
import re
import socket
import subprocess
import threading
import time

import image
import qmp
import screen
from outcome import Failed, check_text, plain

EXIT_DEVICE = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]


def command(case, directory):
    """The QEMU command line of a case."""
    words = [case.emulator, "-cpu", case.cpu, "-m", case.memory, "-smp", str(case.processors),
             "-no-reboot", "-display", "none"]
    if case.undisturbed:
        words += ["-serial", f"file:{directory}/serial"]
    else:
        words += ["-qmp", f"unix:{directory}/monitor,server=on,wait=off",
                  "-chardev", f"socket,id=serial,path={directory}/serial,server=on,wait=on",
                  "-serial", "chardev:serial"]
    if case.boot == "pvh":
        archive = image.BUILD / case.archive
        if case.trace:
            archive = image.archive_with_trace(*case.trace, pathlib.Path(directory))
        words += ["-kernel", str(image.BUILD / case.kernel / "tabula.elf"),
                  "-initrd", str(archive),
                  "-append", case.words, "-vga", "none"]
    else:
        if case.firmware == "uefi":
            words += ["-bios", "/usr/share/ovmf/OVMF.fd"]
        medium = image.variant(case.words, case.kernel)
        if case.boot == "cd":
            words += ["-cdrom", str(medium)]
        else:
            words += ["-drive", f"if=none,id=stick,file={medium},format=raw,readonly=on",
                      "-device", "qemu-xhci", "-device", "usb-storage,drive=stick"]
    if case.status is not None:
        words += EXIT_DEVICE
    return words + list(case.qemu)


class Console:
    """The guest's serial line: all that it said, and a way to type."""

    def __init__(self, path, seconds=20):
        deadline = time.monotonic() + seconds
        self.socket = socket.socket(socket.AF_UNIX)
        while self.socket.connect_ex(str(path)) != 0:
            if time.monotonic() > deadline:
                raise Failed("QEMU did not open the serial line")
            time.sleep(0.02)
        self.bytes = bytearray()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        try:
            while piece := self.socket.recv(65536):
                self.bytes += piece
        except OSError:
            pass

    def text(self):
        """What was said, without carriage returns and colours."""
        return plain(bytes(self.bytes).decode(errors="replace"))

    def type(self, line):
        self.socket.sendall(line.encode())

    def close(self):
        self.reader.join(5)
        self.socket.close()


class Transcript:
    """The serial line as a file, for a case that nothing from outside may disturb."""

    def __init__(self, path):
        self.path = path

    def text(self):
        return plain(self.path.read_text(errors="replace")) if self.path.exists() else ""

    def close(self):
        """Nothing is open."""


class Run:
    """One QEMU under way."""

    def __init__(self, case, directory):
        self.case = case
        self.directory = pathlib.Path(directory)
        self.deadline = time.monotonic() + case.seconds
        self.output = open(self.directory / "output", "w+b")
        self.process = subprocess.Popen(command(case, directory), stdin=subprocess.DEVNULL,
                                        stdout=self.output, stderr=subprocess.STDOUT)
        self.console = self.monitor = None

    def connect(self):
        if self.case.undisturbed:
            self.console = Transcript(self.directory / "serial")
            return
        try:
            self.console = Console(self.directory / "serial")
            self.monitor = qmp.Monitor(self.directory / "monitor")
        except OSError as problem:
            raise Failed(f"QEMU did not start: {problem}") from problem

    def check(self, wanted):
        """Raises when the run can't go on: a rejected text, or no more time."""
        text = self.console.text()
        check_text(self.case, text)
        if time.monotonic() > self.deadline:
            raise Failed(f"hung: {self.case.seconds} s are over, waiting for {wanted}")
        return text

    def wait_text(self, pattern, start=0):
        """Waits for a text behind position `start`; returns the position behind it."""
        while True:
            ended = self.process.poll() is not None
            if found := re.compile(pattern).search(self.check(repr(pattern)), start):
                return found.end()
            if ended:
                raise Failed(f"ended with status {self.process.returncode} before {pattern!r}")
            time.sleep(0.05)

    def wait_screen(self, pattern):
        """Waits until the screen shows a text. The deadline is the run's, at least 10 s."""
        picture = self.directory / "screen.ppm"
        deadline = max(self.deadline, time.monotonic() + 10)
        while True:
            self.monitor.ask("screendump", filename=str(picture))
            shown = screen.text(picture)
            if re.search(pattern, shown):
                return
            if time.monotonic() > deadline:
                raise Failed(f"the screen never showed {pattern!r}, but:\n{shown}")
            time.sleep(0.3)

    def wait_end(self):
        """Waits for QEMU's end, and checks how it came to it."""
        while self.process.poll() is None:
            self.check(f"the end with status {self.case.status}")
            time.sleep(0.05)
        if self.monitor:
            self.console.reader.join(5)
            self.monitor.drain()
        self.check("nothing")
        if self.case.status is not None and self.process.returncode != self.case.status:
            raise Failed(f"exit status {self.process.returncode} instead of {self.case.status}")
        if self.case.ends == "poweroff" and self.monitor.shutdown_reason() != "guest-shutdown":
            raise Failed(f"was not powered off: {self.monitor.shutdown_reason()}")
        if self.case.ends == "reboot" and self.monitor.shutdown_reason() != "guest-reset":
            raise Failed(f"did not reboot: {self.monitor.shutdown_reason()}")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.console:
            self.console.close()
        if self.monitor:
            self.monitor.close()


def judge(run, case):
    """Goes through what the case asks for; raises Failed."""
    run.connect()
    position = 0
    for pattern, line in case.typed:
        position = run.wait_text(pattern, position)
        for shown in case.screen:
            run.wait_screen(shown)
        if callable(line):
            line(run.monitor)
        elif case.keyboard:
            run.monitor.press(line)
        else:
            run.console.type(line)
    if case.ends == "stop":
        for pattern in case.expect:
            run.wait_text(pattern)
        for shown in case.screen:
            run.wait_screen(shown)
        return
    run.wait_end()
    text = run.console.text()
    for pattern in case.expect:
        if not re.search(pattern, text):
            raise Failed(f"never said {pattern!r}")


def run(case, directory):
    """Runs a case in a directory of its own. Returns (complaint or None, serial text, output)."""
    under_way = Run(case, directory)
    complaint = None
    try:
        judge(under_way, case)
    except (Failed, RuntimeError, OSError, ValueError) as problem:
        complaint = problem
    finally:
        under_way.close()
    text = under_way.console.text() if under_way.console else ""
    return complaint, text, (under_way.directory / "output").read_text(errors="replace")
