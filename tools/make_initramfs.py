#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make_initramfs.py OUTPUT NAME=FILE...: a Linux initial file system of these files, and /dev/console.

The archive is cpio's newc format. The same bytes for the same files.
"""
import pathlib
import sys

FOLDER, DEVICE, FILE = 0o040755, 0o020600, 0o100755


def member(number, name, mode, content=b"", device=(0, 0)):
    words = [number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name) + 1, 0]
    head = b"070701" + "".join(f"{word:08X}" for word in words).encode() + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


def main():
    output, files = pathlib.Path(sys.argv[1]), [word.split("=", 1) for word in sys.argv[2:]]
    folders = sorted({"dev"} | {name.rsplit("/", 1)[0] for name, _ in files if "/" in name})
    members = [(name, FOLDER, b"", (0, 0)) for name in folders]
    members += [("dev/console", DEVICE, b"", (5, 1))]
    members += [(name, FILE, pathlib.Path(path).read_bytes(), (0, 0)) for name, path in files]
    archive = b"".join(member(number, *rest) for number, rest in enumerate(members, 1))
    output.write_bytes(archive + member(0, "TRAILER!!!", 0))


if __name__ == "__main__":
    main()
