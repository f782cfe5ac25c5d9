# SPDX-License-Identifier: MIT
"""tools/write_usb.py on a made-up system: a tree like sysfs, and files as disks."""
import contextlib
import io
import os
import pathlib
import tempfile
import unittest
import unittest.mock

import write_usb

SECTORS = 64
IMAGE = bytes(range(256)) * 50 + b"end"  # less than the stick, and no whole number of sectors


class MadeUp(write_usb.System):
    """Files stand for block devices where `numbers` says so."""

    def __init__(self, root):
        super().__init__(root)
        self.numbers = {}

    def number(self, path):
        return self.numbers.get(str(path)) or super().number(path)


class WriteUsb(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.system = MadeUp(self.root)
        self.put("proc/self/mountinfo", "22 1 254:0 / / rw - ext4 /dev/vda rw\n")
        self.put("proc/swaps", "Filename Type Size Used Priority\n")
        (self.root / "sys/block").mkdir(parents=True)
        (self.root / "sys/dev/block").mkdir(parents=True)
        self.stick = self.disk("sdb", "8:16")
        self.partition = self.disk("sdb1", "8:17", parent="sdb")
        self.image = self.root / "image"
        self.image.write_bytes(IMAGE)
        self.asked = []

    def put(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def disk(self, name, number, parent=None):
        """Makes a disk, or a partition of `parent`; returns the file that stands for it."""
        place = f"sys/devices/{parent}/{name}" if parent else f"sys/devices/{name}"
        for file, text in {"dev": number, "size": SECTORS, "ro": 0, "removable": 1,
                           "device/vendor": "Maker ", "device/model": "Stick  1"}.items():
            self.put(f"{place}/{file}", f"{text}\n")
        if parent:
            self.put(f"{place}/partition", "1\n")
        else:
            (self.root / "sys/block" / name).symlink_to(self.root / place)
        (self.root / "sys/dev/block" / number).symlink_to(self.root / place)
        file = self.root / "dev" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"\xee" * SECTORS * 512)
        self.system.numbers[str(file)] = number
        return file

    def run_it(self, device, answer="yes"):
        """Returns (status, what was said on either output)."""
        def ask(question):
            self.asked.append(question)
            if answer is None:
                raise EOFError
            return answer

        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            status = write_usb.main([str(self.image), str(device)], self.system, ask,
                                    lambda line: print(line, file=said))
        return status, said.getvalue()

    def refused(self, why, device=None):
        """The stick, or `device`, is refused without a question, and nothing is written."""
        status, said = self.run_it(device or self.stick)
        self.assertEqual(status, 1)
        self.assertIn(why, said)
        self.assertEqual(self.asked, [])
        self.assertNotIn(IMAGE[:256], self.stick.read_bytes())

    def test_writes_after_a_yes(self):
        status, said = self.run_it(self.stick)
        self.assertEqual(status, 0, said)
        self.assertIn("Maker Stick 1, 0.0 GB. All that is on it will be lost.", said)
        self.assertIn(f"{len(IMAGE)} bytes written and read back", said)
        left = SECTORS * 512 - len(IMAGE)
        self.assertEqual(self.stick.read_bytes(), IMAGE + b"\xee" * left)

    def test_writes_nothing_without_a_yes(self):
        for answer in ("", "y", "no", "YES ", None):
            status, said = self.run_it(self.stick, answer)
            self.assertEqual(status, 1)
            self.assertIn("nothing was written", said)
        self.assertEqual(self.stick.read_bytes(), b"\xee" * SECTORS * 512)

    def test_refuses_what_is_no_disk(self):
        self.refused("is not a disk", self.image)
        self.refused("is not a disk", "/dev/null")
        self.refused("is not a disk", self.root)
        self.refused("No such file", self.root / "dev/sdz")

    def test_refuses_a_partition(self):
        self.refused("is a partition: name the whole disk, /dev/sdb", self.partition)

    def test_refuses_a_disk_that_stays(self):
        self.put("sys/devices/sdb/removable", "0\n")
        self.refused("is not removable (Maker Stick 1")
        os.remove(self.root / "sys/devices/sdb/removable")
        self.refused("is not removable")

    def test_refuses_a_mounted_disk(self):
        for number, name in (("8:16", "sdb"), ("8:17", "sdb1")):
            self.put("proc/self/mountinfo", f"30 22 {number} / /mnt rw - vfat /dev/{name} rw\n")
            self.refused(f"/dev/{name} is mounted at /mnt")

    def test_refuses_a_disk_in_use(self):
        self.put("proc/swaps", "Filename Type\n/dev/sdb1 partition 1 0 -2\n")
        self.refused("/dev/sdb1 is swapped to")
        self.put("proc/swaps", "Filename Type\n")
        self.put("sys/devices/sdb/sdb1/holders/dm-0", "")
        self.refused("/dev/sdb1 is in use by dm-0")

    def test_refuses_a_disk_that_does_not_fit(self):
        self.put("sys/devices/sdb/size", "0\n")
        self.refused("has no medium")
        self.put("sys/devices/sdb/size", f"{len(IMAGE) // 512}\n")
        self.refused("is too small")
        self.put("sys/devices/sdb/ro", "1\n")
        self.put("sys/devices/sdb/size", f"{SECTORS}\n")
        self.refused("is write-protected")

    def test_checks_again_after_the_question(self):
        def ask(_):
            self.put("proc/self/mountinfo", "30 22 8:17 / /mnt rw - vfat /dev/sdb1 rw\n")
            return "yes"

        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            status = write_usb.main([str(self.image), str(self.stick)], self.system, ask,
                                    lambda line: None)
        self.assertEqual((status, "is mounted at" in said.getvalue()), (1, True))
        self.assertEqual(self.stick.read_bytes(), b"\xee" * SECTORS * 512)

    def test_notices_a_stick_that_forgets(self):
        def forget(file):
            os.pwrite(file, b"?", len(IMAGE) - 1)

        with unittest.mock.patch("write_usb.os.fsync", forget):
            status, said = self.run_it(self.stick)
        self.assertEqual(status, 1)
        self.assertIn("reads back something else", said)

    def test_says_what_to_do_without_the_right_to_write(self):
        with unittest.mock.patch("write_usb.os.open", side_effect=PermissionError(13, "Denied")):
            status, said = self.run_it(self.stick)
        self.assertEqual(status, 1)
        self.assertIn("Denied; as root: sudo ", said)

    def test_names_the_sticks_when_none_is_named(self):
        self.disk("sda", "8:0")
        self.put("sys/devices/sda/removable", "0\n")
        status, said = self.run_it("")
        self.assertEqual(status, 1)
        self.assertIn("/dev/sdb: Maker Stick 1", said)
        self.assertNotIn("/dev/sda", said)
