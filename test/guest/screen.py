# SPDX-License-Identifier: MIT
"""Reads text off a picture of the screen: each cell is compared with the console font's glyphs."""
import collections
import functools
import gzip

FONT = "/usr/share/consolefonts/Uni2-Fixed16.psf.gz"


@functools.cache
def glyphs(path=FONT):
    """(width, height, {rows of bits: character}) of a PSF font, version 1, 8 pixels wide."""
    with gzip.open(path) as file:
        data = file.read()
    if data[:2] != b"\x36\x04":
        raise ValueError(f"{path}: not a PSF font of version 1")
    count, height = (512 if data[2] & 1 else 256), data[3]
    at = 4 + count * height
    characters = {}
    for index in range(count):
        shape = data[4 + index * height:4 + (index + 1) * height]
        while at + 1 < len(data):
            unit = int.from_bytes(data[at:at + 2], "little")
            at += 2
            if unit == 0xFFFF:
                break
            # The first character of each glyph names it; letters that look alike share one.
            if unit != 0xFFFE and (shape not in characters or unit < ord(characters[shape])):
                characters[shape] = chr(unit)
    return 8, height, characters


def read_ppm(path):
    """(width, height, bytes) of a binary PPM picture."""
    with open(path, "rb") as file:
        data = file.read()
    fields, at = [], 0
    while len(fields) < 4:
        end = at
        while not data[end:end + 1].isspace():
            end += 1
        fields.append(data[at:end])
        at = end + 1
    if fields[0] != b"P6" or fields[3] != b"255":
        raise ValueError(f"{path}: not a picture of 8 bits a colour")
    return int(fields[1]), int(fields[2]), data[at:]


def cell(rows, characters):
    """The character that one cell's rows of pixels show; U+FFFD when it is none."""
    counts = collections.Counter(row[i:i + 3] for row in rows for i in range(0, len(row), 3))
    if len(counts) == 1:
        return " "
    if len(counts) > 2:
        return "\ufffd"
    background = counts.most_common(1)[0][0]
    shape = bytes(sum(0x80 >> i for i in range(8) if row[3 * i:3 * i + 3] != background)
                  for row in rows)
    inverse = bytes(255 - byte for byte in shape)
    return characters.get(shape) or characters.get(inverse) or "\ufffd"


def text(path):
    """The lines of text on a picture, without blanks at their ends."""
    width, height, pixels = read_ppm(path)
    cell_width, cell_height, characters = glyphs()
    lines = []
    for top in range(0, height - cell_height + 1, cell_height):
        strips = [pixels[3 * width * y:3 * width * (y + 1)] for y in range(top, top + cell_height)]
        line = "".join(
            cell([strip[3 * x:3 * (x + cell_width)] for strip in strips], characters)
            for x in range(0, width - cell_width + 1, cell_width))
        lines.append(line.rstrip())
    return "\n".join(lines).rstrip("\n")
