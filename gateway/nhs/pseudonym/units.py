"""Which texts are units of UCUM: atoms with prefixes and exponents, multiplied and divided; no words of a sender's.

https://ucum.org/ucum
"""

from __future__ import annotations

import re

_METRIC = (
    "m s g rad K C cd mol sr Hz N Pa J W A V F Ohm S Wb Cel T H lm lx Bq Gy Sv l L t ar u eV pc bit By Bd eq osm kat U cal "
    "dyn erg bar st Np B Torr m[Hg] m[H2O] [iU] [IU] [arb'U] g%"
)  # fmt: skip
_PLAIN = (
    "10 min h d a wk mo deg gon ' '' % [pH] [ppth] [ppm] [ppb] [pptr] [degF] [in_i] [ft_i] [yd_i] [mi_i] [lb_av] [oz_av] "
    "[st_av] [stone_av] [gr] [pt_br] [foz_br] [gal_br] [drp] [diop] [hnsf'U] [hpf] [lpf] [CFU] [HPF] [car_au] [Cal] [Ch] "
    "[pi] [tb'U] [APL'U] [GPL'U] [MPL'U] [beth'U] [ka'U] [knk'U] [mclg'U] [USP'U] [Lf] [PFU] [D'ag'U] [FEU] [ELU] [EU] [TCID_50]"
)  # fmt: skip
_PREFIX = "(?:da|Ki|Mi|Gi|Ti|[YZEPTGMkhdcmunpfazy])"
_ANNOTATION = r"\{[a-z#/_ ]{0,24}\}"
"""Remarks in braces are the sender's own words: those in lower case without a digit stay, for they name cells or scores
and no person."""


def _any(atoms: str) -> str:
    return "|".join(re.escape(atom) for atom in sorted(atoms.split(), key=len, reverse=True))


_ATOM = rf"(?:10[*^]|{_any(_PLAIN)}|{_PREFIX}?(?:{_any(_METRIC)})|[1-9]\d{{0,2}})"
_TERM = rf"(?:{_ATOM}(?:[+\-]?\d{{1,2}})?(?:{_ANNOTATION})?|{_ANNOTATION})"
_UNIT = re.compile(rf"/?{_TERM}(?:[./]{_TERM}){{0,5}}")


def is_unit(text: str) -> bool:
    """Whether a text is a unit of UCUM.

    >>> texts = ("mm[Hg]", "10*9/L", "g/L", "kg/m2", "{score}", "/min", "Marsh", "9990000018")
    >>> [text for text in texts if is_unit(text)]
    ['mm[Hg]', '10*9/L', 'g/L', 'kg/m2', '{score}', '/min']
    """
    return len(text) <= 64 and _UNIT.fullmatch(text) is not None
