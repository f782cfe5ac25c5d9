# SPDX-License-Identifier: MIT
"""What all machines' runs are judged with."""
import re

COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


class Failed(Exception):
    """A case did not do what it has to; the text says what."""


def plain(said):
    """What was said on the serial line, without carriage returns and colours."""
    return COLOURS.sub("", said.replace("\r", ""))


def check_text(case, text):
    """Raises Failed for a text that the case rejects."""
    for pattern in case.reject:
        if found := re.search(pattern, text):
            raise Failed(f"said {found[0]!r}")
