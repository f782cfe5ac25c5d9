# SPDX-License-Identifier: MIT
"""The image with words on the kernel's command line: only grub.cfg differs from what users start."""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
KERNEL_LINE = "multiboot2 /boot/tabula.elf"

sys.path.insert(0, str(ROOT / "tools"))
import compile_trace  # noqa: E402

making = threading.Lock()
made = {}


def grub_words(words):
    """The words as GRUB's shell takes them: it gives meaning to some characters, and what a kernel
    gets of a quoted blank or a quote has marks around it, so there may be none."""
    if re.search(r"['\"\\]", words):
        raise ValueError(f"no quotes on GRUB's command line: {words}")
    return re.sub(r"([;&|<>${}#])", r"\\\1", words)


def variant(words, kernel="kernel"):
    """The path of the image with these words and this build of the kernel; makes it once."""
    if not words and kernel == "kernel":
        return BUILD / "tabula.iso"
    with making:
        if (words, kernel) not in made:
            directory = BUILD / "test/images"
            directory.mkdir(parents=True, exist_ok=True)
            name = hashlib.sha256(f"{kernel} {words}".encode()).hexdigest()[:16]
            path = directory / f"{name}.iso"
            configuration = (ROOT / "iso/grub.cfg").read_text()
            if configuration.count(KERNEL_LINE + "\n") != 1:
                raise ValueError(f"iso/grub.cfg has not one line {KERNEL_LINE!r}")
            changed = path.with_suffix(".cfg")
            changed.write_text(configuration.replace(
                KERNEL_LINE, f"{KERNEL_LINE} {grub_words(words)}"))
            subprocess.run(
                [ROOT / "tools/make_iso.sh", path, BUILD / kernel / "tabula.elf",
                 BUILD / "boot.tar", changed],
                check=True, env={"SOURCE_DATE_EPOCH": "1700000000", **os.environ})
            made[words, kernel] = path
        return made[words, kernel]


def archive_with_trace(name, text, number, directory):
    """The boot archive, made in `directory`, with a trace whose call `number` is marked as one that
    has to be refused if it had to be made, and the other way round."""
    compiler = compile_trace.Compiler().compile(text)
    call = compiler.calls[number]
    compiler.calls[number] = call._replace(flags=call.flags ^ compile_trace.REFUSED)
    root = directory / "archive"
    shutil.copytree(BUILD / "archive", root)
    (root / "traces").mkdir()
    (root / "traces" / f"{name}.calls").write_bytes(compiler.table())
    subprocess.run([ROOT / "tools/make_archive.py", root, "1700000000", directory / "boot.tar"], check=True)
    return directory / "boot.tar"
