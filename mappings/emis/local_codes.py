"""The practice's own coding: a Read v2 code, or a local code of EMIS with its whole text.

A local code must not pass for a national one: ``EGTON42`` and ``EGTON59`` cut to five bytes would both be ``EGTON``,
and a set of sensitive codes that lists one of them would label neither.
"""

from __future__ import annotations

import re
from functools import lru_cache

from mappings.vocabulary import code_table

_READ = re.compile(r"[0-9A-Za-z][0-9A-Za-z.]{1,4}")
_FIVE_AND_TERM = re.compile(r"([0-9A-Za-z][0-9A-Za-z.]{4})([0-9][0-9A-Za-z])")
_LETTERS = re.compile(r"[A-Z]{5}")


@lru_cache(maxsize=1 << 14)
def national(text: str) -> str:
    """Return a ReadTermId as a Read v2 code, five bytes padded with dots and without the number of its synonym; "" for
    a local code.

    >>> national("H33..00"), national("14L1.-2"), national("246"), national("EGTON42"), national("^ESCTSI581274")
    ('H33..', '14L1.', '246..', '', '')
    """
    code = text.strip()
    if not code or _is_local(code):
        return ""
    code = code.partition("-")[0]
    if term := _FIVE_AND_TERM.fullmatch(code):
        code = term[1]
    if not _READ.fullmatch(code) or _LETTERS.fullmatch(code):
        return ""
    return code.ljust(5, ".")


def own(text: str, code_id: str) -> str:
    """Return a local code whole, EMIS's number for the code where there is none.

    >>> own(" EGTON42 ", "7"), own("", "7")
    ('EGTON42', '7')
    """
    return re.sub(r"\s+", " ", text.strip()) or code_id


SURE = 4
"""Letters of a name from which on its case plays no part: no Read code begins with "egton" or "emis"."""


def _is_local(code: str) -> bool:
    for row in code_table(__package__, "codes_local"):
        name = row["text"]
        said, name = (code.casefold(), name.casefold()) if len(name) >= SURE else (code, name)
        if said.startswith(name) if row["part"] == "prefix" else said.endswith(name):
            return True
    return False
