"""Characters that steer a terminal or the direction of text. What others wrote is never shown with them raw.

Sources: ECMA-48 (C0 and C1 controls), Unicode Standard Annex #9 (direction controls).
"""

from __future__ import annotations

import re

DIRECTION = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Marks, embeddings, overrides and isolates, as in a character class."""
_STEERING = re.compile(f"[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029{DIRECTION}]")
_DIRECTION = re.compile(f"[{DIRECTION}]")
_CONTROLS = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_OPENING, _CLOSING = "\u202a\u202b\u202d\u202e", "\u202c"
_ISOLATING, _ENDING = "\u2066\u2067\u2068", "\u2069"


def plain(text: str) -> str:
    """Text for a terminal or a log: what would steer either is U+FFFD instead. Lines and tabs stay.

    >>> plain("a\\x1b[2Jb\\x9bc\\u202ed")
    'a\ufffd[2Jb\ufffdc\ufffdd'
    """
    return _STEERING.sub("\ufffd", text)


def line(text: str) -> str:
    """Text for one line of a terminal: nothing that others wrote begins a second one."""
    return plain(text).replace("\n", " ")


def isolated(text: str) -> str:
    """Text for a page: it cannot turn what is written after it. One with a direction control stands in an isolate of
    its own, with each that it opened closed, and none closed that it did not open; another control is U+FFFD.

    >>> isolated("Smith"), isolated("a\\u202eb")
    ('Smith', '\\u2068a\\u202eb\\u202c\\u2069')
    """
    text = _CONTROLS.sub("\ufffd", text)
    if not _DIRECTION.search(text):
        return text
    return "\n".join(_balanced(part) if _DIRECTION.search(part) else part for part in text.split("\n"))


def _balanced(part: str) -> str:
    """A line in an isolate, with its own controls balanced."""
    written: list[str] = []
    waiting: list[str] = []
    for character in part:
        if character in _CLOSING + _ENDING:
            if not waiting or waiting[-1] != character:
                continue
            waiting.pop()
        elif character in _OPENING:
            waiting.append(_CLOSING)
        elif character in _ISOLATING:
            waiting.append(_ENDING)
        written.append(character)
    return "\u2068" + "".join(written) + "".join(reversed(waiting)) + "\u2069"
