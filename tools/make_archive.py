#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make_archive.py DIRECTORY SECONDS OUTPUT.tar: the boot archive, a ustar archive of a directory.

The content of each file begins on a page boundary, so that programs are mapped out of it and not
copied: in front of its header stands a member that readers pass over, an extended header (POSIX,
pax) with nothing but a comment. The same bytes for the same files and SECONDS, the time of all.
"""
import pathlib
import sys
import tarfile

BLOCK = 512
PAGE = 4096


def header(name, kind, size, mode, seconds):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode, info.mtime = kind, size, mode, seconds
    return info.tobuf(tarfile.USTAR_FORMAT)


def filler(offset, seconds):
    """What brings a header at `offset` to where its content begins on a page boundary."""
    size = -(offset + BLOCK) % PAGE
    if size == 0:
        return b""
    if size == BLOCK:  # no room for a comment
        size += PAGE
    length = size - BLOCK
    start = f"{length} comment=".encode()
    comment = start + b"-" * (length - len(start) - 1) + b"\n"
    return header("page", tarfile.XHDTYPE, length, 0o644, seconds) + comment


def main():
    root, seconds, output = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    archive = bytearray()
    for path in sorted(root.rglob("*"), key=lambda path: path.relative_to(root).parts):
        name = str(path.relative_to(root))
        if path.is_dir():
            archive += header(name + "/", tarfile.DIRTYPE, 0, 0o755, seconds)
            continue
        mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
        content = path.read_bytes()
        archive += filler(len(archive), seconds)
        archive += header(name, tarfile.REGTYPE, len(content), mode, seconds)
        archive += content + bytes(-len(content) % BLOCK)
    archive += bytes(2 * BLOCK)
    archive += bytes(-len(archive) % (20 * BLOCK))
    pathlib.Path(output).write_bytes(archive)


if __name__ == "__main__":
    main()
