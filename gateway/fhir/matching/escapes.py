"""The escapes of a search value: a backslash before ``,``, ``|``, ``$`` or another backslash.

https://hl7.org/fhir/R4/search.html#escaping
"""

from __future__ import annotations

import re


def split(text: str, mark: str) -> list[str]:
    """Split at each mark that no backslash escapes; a backslash may itself be escaped.

    >>> split(r"a\\\\,b\\,c", ",")
    ['a\\\\\\\\', 'b\\\\,c']
    """
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] == mark:
            parts.append(text[start:at])
            start = at + 1
        at += 2 if text[at] == "\\" else 1
    return [*parts, text[start:]]


def unescape(text: str) -> str:
    """The text that was meant.

    >>> unescape(r"a\\,b")
    'a,b'
    """
    return re.sub(r"\\([,|$\\])", r"\1", text)
