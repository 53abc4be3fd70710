"""Line breaks inside a text, which HL7 wants written ``\\.br\\``: lines are put together only where nothing else can be
meant.

That is an OBX of text whose lines end in a field that closes it, with a status, and an NTE that another segment
follows. Any other line that is no segment is a fault of the message: it may be cut off.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

TEXTS = {"TX", "FT", "ST"}
STATUSES = set("BCDFIOPRSUVWX")
SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
BARE = re.compile(r"[A-Z][A-Z0-9]{2}\s*")
OPEN = {"OBX": 5, "NTE": 3}
"""The field that a broken line is inside of."""


def joined(lines: list[str], field: str, escape: str) -> list[str]:
    """Return the lines with those of one text put together. ``field`` and ``escape`` are the message's signs."""
    whole: list[str] = []
    at = 0
    while at < len(lines):
        end = at + 1
        while end < len(lines) and not is_segment(lines[end], field):
            end += 1
        broken = lines[at:end]
        if len(broken) > 1 and is_text(broken, field, is_last=end == len(lines)):
            whole.append(f"{escape}.br{escape}".join(broken))
        else:
            whole += broken
        at = end
    return whole


def is_segment(line: str, field: str) -> bool:
    return bool(SEGMENT.match(line)) and line.startswith(field, 3)


def is_text(broken: Sequence[str], field: str, is_last: bool) -> bool:
    """Whether lines can be nothing but one segment's text: its own, and those after it that are no segments."""
    first, name = broken[0], broken[0][:3]
    if first.count(field) != OPEN.get(name) or all(BARE.fullmatch(line) for line in broken[1:]):
        return False
    if name == "NTE":
        return not is_last and not any(field in line for line in broken[1:])
    closing = broken[-1].split(field)
    is_closed = len(closing) > 6 and closing[6].strip() in STATUSES
    return is_closed and first.split(field)[2] in TEXTS and not any(field in line for line in broken[1:-1])
