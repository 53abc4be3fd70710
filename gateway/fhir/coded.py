"""Which codes an operation asks for, and whether a coded element has them.

A value may be ``code`` (of any system), ``|code`` (of none), ``system|`` (any code) or ``system|code``. Values with
commas between them are alternatives; what is said again must hold as well.
Source: https://hl7.org/fhir/R4/search.html#combining
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import Invalid
from gateway.fhir.codes import tokens

Code = tuple[str | None, str | None]
"""(system, code), of which None is any."""


def asked(pairs: Sequence[tuple[str, str]], name: str) -> list[list[Code]]:
    """The alternatives of each time that a parameter is given. Raises ``Invalid`` for what is no code."""
    return [[_code(name, text) for text in value.split(",")] for key, value in pairs if key == name]


def has(value: object, wanted: Sequence[Sequence[Code]]) -> bool:
    """Whether a coded element has one of the alternatives of each.

    >>> blood = {"coding": [{"system": "urn:a", "code": "1"}]}
    >>> has(blood, [[("urn:a", None), (None, "2")]]), has(blood, [[(None, "1")], [(None, "2")]])
    (True, False)
    """
    held = tokens(value)
    return all(any(_is(code, token) for code in alternatives for token in held) for alternatives in wanted)


def _is(code: Code, token: tuple[str, str]) -> bool:
    return code[0] in (None, token[0]) and code[1] in (None, token[1])


def _code(name: str, text: str) -> Code:
    system, bar, code = text.rpartition("|")
    if not text.strip("|") or "\\" in text:
        raise Invalid(f"parameter {name}: code, |code, system| or system|code")
    return system if bar else None, code or None
