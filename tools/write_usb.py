#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""write_usb.py IMAGE DEVICE: writes the image to a USB stick, and reads it back.

Only to a removable whole disk that nothing uses, and only after a typed yes.
"""
import errno
import os
import pathlib
import stat
import sys

PIECE = 4 << 20


class Refused(Exception):
    """The device is not one to write to, or the writing failed; the text says why."""


class System:
    """Where the system tells of its disks. Tests have a tree of their own."""

    def __init__(self, root="/"):
        self.root = pathlib.Path(root)

    def number(self, path):
        """"major:minor" of a block device; raises Refused for anything else."""
        try:
            found = os.stat(path)
        except OSError as problem:
            raise Refused(f"{path}: {problem.strerror}") from problem
        if not stat.S_ISBLK(found.st_mode):
            raise Refused(f"{path} is not a disk")
        return f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"

    def folder(self, number):
        return (self.root / "sys/dev/block" / number).resolve()

    def disks(self):
        return sorted((self.root / "sys/block").glob("*"))

    def mounts(self):
        """{"major:minor": where it is mounted}"""
        lines = (self.root / "proc/self/mountinfo").read_text().splitlines()
        return {line.split()[2]: line.split()[4] for line in lines}

    def swaps(self):
        """Names of the devices that are swapped to."""
        lines = (self.root / "proc/swaps").read_text().splitlines()[1:]
        return {pathlib.Path(line.split()[0]).name for line in lines}


def value(folder, name):
    """What a file of sysfs says; empty when it is not there."""
    try:
        return (folder / name).read_text().strip()
    except OSError:
        return ""


def size(folder):
    return int(value(folder, "size") or 0) * 512  # in sectors of 512 bytes, whatever the disk's are


def describe(folder):
    maker = " ".join((value(folder, "device/vendor") + " " + value(folder, "device/model")).split())
    return f"{maker or 'unnamed disk'}, {size(folder) / 1e9:.1f} GB"


def candidates(system):
    """Lines that name the disks which could be meant."""
    return [f"  /dev/{folder.name}: {describe(folder)}" for folder in system.disks()
            if value(folder, "removable") == "1" and size(folder) > 0]


def check(system, device, image_bytes):
    """Sees that `device` may be overwritten; returns its folder in sysfs, or raises Refused."""
    folder = system.folder(system.number(device))
    if (folder / "partition").exists():
        raise Refused(f"{device} is a partition: name the whole disk, /dev/{folder.parent.name}")
    if value(folder, "removable") != "1":
        raise Refused(f"{device} is not removable ({describe(folder)})")
    if size(folder) == 0:
        raise Refused(f"{device} has no medium in it")
    if value(folder, "ro") == "1":
        raise Refused(f"{device} is write-protected")
    if size(folder) < image_bytes:
        raise Refused(f"{device} is too small: {size(folder)} bytes of {image_bytes}")
    mounts, swaps = system.mounts(), system.swaps()
    partitions = sorted(path.parent for path in folder.glob("*/partition"))
    for part in (folder, *partitions):
        if (where := mounts.get(value(part, "dev"))) is not None:
            raise Refused(f"/dev/{part.name} is mounted at {where}: unmount it first")
        if part.name in swaps:
            raise Refused(f"/dev/{part.name} is swapped to")
        if holders := sorted(path.name for path in part.glob("holders/*")):
            raise Refused(f"/dev/{part.name} is in use by {' '.join(holders)}")
    return folder


def write(image, device):
    """Copies the image to the start of the device, and compares it there."""
    try:
        # Exclusive: the kernel refuses a disk that has come into use since the checks.
        target = os.open(device, os.O_RDWR | os.O_EXCL)
    except OSError as problem:
        hint = ""
        if problem.errno in (errno.EACCES, errno.EPERM):
            hint = f"; as root: sudo {sys.argv[0]} {image} {device}"
        raise Refused(f"{device}: {problem.strerror}{hint}") from problem
    try:
        with open(image, "rb") as source, os.fdopen(target, "r+b", buffering=0) as stick:
            while piece := source.read(PIECE):
                while piece:
                    piece = piece[stick.write(piece):]
            os.fsync(stick.fileno())
            # What is compared has to come from the stick, not from memory.
            os.posix_fadvise(stick.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            source.seek(0)
            stick.seek(0)
            at = 0
            while piece := source.read(PIECE):
                back = b""
                while len(back) < len(piece) and (more := stick.read(len(piece) - len(back))):
                    back += more
                if back != piece:
                    raise Refused(f"{device} reads back something else, in the {PIECE >> 20} MiB "
                                  f"from byte {at}: a bad stick?")
                at += len(piece)
    except OSError as problem:
        raise Refused(f"{device}: {problem.strerror}") from problem


def main(words, system=System(), ask=input, say=print):
    """Returns the exit status."""
    try:
        if len(words) != 2 or not words[1]:
            found = candidates(system) or ["  none"]
            raise Refused("\n".join(["which stick? make usb DEV=/dev/NAME; removable disks:", *found]))
        image, device = words
        image_bytes = os.stat(image).st_size
        folder = check(system, device, image_bytes)
        say(f"{device}: {describe(folder)}. All that is on it will be lost.")
        try:
            answer = ask("Type yes to go on: ")
        except EOFError:
            answer = ""
        if answer != "yes":
            raise Refused("nothing was written")
        check(system, device, image_bytes)
        write(image, device)
    except Refused as problem:
        print(f"usb: {problem}", file=sys.stderr)
        return 1
    say(f"{device}: {image_bytes} bytes written and read back; it can be taken out.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
