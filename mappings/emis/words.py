"""Words of a clinical term: its normal form, what kind of thing it names, and the frames that tables match it with.

Clinical terms are noun phrases. What a phrase names is its *head*: the last word that is known before the first
preposition or comma. "Stenosis of coronary artery bypass graft" names a disease, "Asthma review" names an act. What
follows a comma qualifies the head: "Lymphoma, ALK-negative" is a lymphoma.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from mappings.vocabulary import code_table

LONGEST = 1_000
"""Characters of a term that are read. EMIS's column holds 300; a longer text is no term."""

_TAG = re.compile(
    r"\s*\((?:disorder|finding|situation|procedure|regime/therapy|event|observable entity|context-dependent\s\w+)\)$"
)
_MARKER = re.compile(r"^\s*\[[A-Za-z ]{1,5}\]\s*")
_EXPANDED = re.compile(r"([A-Z]{2,6})\s+-\s+(\S.*)")
_BREAK = re.compile(r"[,;:()\[\]\"]| -+ | -+$|^-+ |\.(?= |$)|\*")
_EXPLAINED = re.compile(r"\s*\((?=[^()]* )[^()]*\)(?=\s*\w)")
"""Words in brackets in the middle of a term spell out what stands before them: "SARS-CoV-2 (severe acute…)"."""
_STOP = re.compile(r"(?<=[a-z])\.(?=[a-z])")
_SLASH = re.compile(r"(?<=\w\w)/|/(?=\w\w)")
_CUT = frozenset(
    "of in on for with without due to into following after before by from using at during as secondary post "
    "complicating causing caused since about re regarding , affecting affected co-occurrent resulting induced "
    "via requiring needing around".split()
)

_CONTEXTS = (("o/e", ","), ("on", "examination", ","), ("c/o", ","), ("complaining", "of"), ("o/e",), ("c/o",))
"""Words before the head that say how it came to be known."""


class Kind(NamedTuple):
    """A row of ``codes_words.csv``: a word, or a pattern with ``*`` for its beginning or end, and its kind."""

    pattern: re.Pattern[str]
    kind: str


def expansion(term: str) -> str:
    """Return a term that begins with an abbreviation and spells it out without the abbreviation, as SNOMED CT writes
    synonyms.

    >>> expansion("FH - Familial hypercholesterolaemia"), expansion("FH - Heart disease")
    ('Familial hypercholesterolaemia', 'FH - Heart disease')
    """
    spelt = _EXPANDED.fullmatch(term)
    if not spelt:
        return term
    initials = iter(re.findall(r"[A-Za-z]", re.sub(r"\B[A-Za-z]", "", spelt[2])))
    return spelt[2] if all(any(letter == initial.upper() for initial in initials) for letter in spelt[1]) else term


@lru_cache(maxsize=1 << 12)
def words(term: str) -> str:
    """Return the words of a term in lower case with one space after each. Markers such as ``[X]`` and the semantic tag
    of SNOMED CT are taken off, and what separates parts is a word of its own, ",".

    >>> words("[X]Cereb infarct due/unspcf occlusn"), words("Cervical smear - negative"), words("?Asthma")
    ('cereb infarct due unspcf occlusn ', 'cervical smear , negative ', 'query asthma ')
    """
    text = term[:LONGEST].strip()
    while marker := _MARKER.match(text):
        text = text[marker.end() :]
    text = _TAG.sub("", expansion(text.strip()).casefold())
    text = _STOP.sub(" ", _EXPLAINED.sub("", text))
    if text.startswith("?"):
        text = "query " + text.lstrip("? ")
    if text.endswith("?"):
        text = text.rstrip("? ") + " query"
    text = re.sub(r"contra-? ?indic", "contraindic", text).replace("&", " and ")
    text = re.sub(r"\b([hfoc])\s*/\s*([oeh])\b", r"\1/\2", text)
    tokens = _SLASH.sub(" ", _BREAK.sub(" , ", text)).split()
    kept = [token for place, token in enumerate(tokens) if token != "," or (place and tokens[place - 1] != ",")]
    while kept and kept[0] == ",":
        kept.pop(0)
    while kept and kept[-1] == ",":
        kept.pop()
    return "".join(f"{token} " for token in kept)


def kind_of_word(word: str) -> str:
    """Return the kind of thing that a word names, "" for a word that the table does not know.

    >>> kind_of_word("appendicitis"), kind_of_word("appendicectomy"), kind_of_word("vaccination"), kind_of_word("left")
    ('disease', 'procedure', 'vaccination', '')
    """
    exact, patterns = _kinds()
    known = exact.get(word)
    if known is not None:
        return known
    return next((kind for pattern, kind in patterns if pattern.fullmatch(word)), "")


@lru_cache(maxsize=1 << 12)
def head(phrase: str) -> str:
    """Return the kind of the head of a phrase (normal form), "" where no word of it is known.

    >>> head("stenosis of coronary artery bypass graft "), head("asthma review "), head("respiratory tb , smear ")
    ('disease', 'act', 'disease')
    """
    tokens = phrase.split()
    start = next((len(context) for context in _CONTEXTS if tuple(tokens[: len(context)]) == context), 0)
    cut = next((place for place, token in enumerate(tokens) if token in _CUT and place > start), len(tokens))
    kinds = [kind for token in tokens[start:cut] if (kind := kind_of_word(token))]
    is_complicated = any(token.startswith("complication") for token in tokens[cut:])
    if "fault" in kinds or is_complicated and "procedure" in kinds:
        return "disease"
    if not kinds and tokens[cut : cut + 1] == [","] or tokens[max(cut - 1, 0) : cut + 1] == ["form", "of"]:
        return head("".join(f"{token} " for token in tokens[cut + 1 :]))  # "LOCAL: team meeting"
    named = [kind for kind in kinds if kind not in ("label", "abnormal")]
    if not named:
        return "observable" if cut > start and kind_of_word(tokens[cut - 1]) == "label" else ""
    if named[-1] == "treatment":
        return "procedure" if "procedure" in named else "act"
    if named == ["procedure"] and any(_is_disease_here(token, tokens) for token in tokens[start:cut]):
        return "disease"
    return "finding" if "abnormal" in kinds and named[-1] in ("observable", "act") else named[-1]


def _is_disease_here(word: str, tokens: list[str]) -> bool:
    """Whether a word that mostly names an operation names what is the matter beside the other words of its term: a
    congenital dilatation, a transposition of the great vessels.

    >>> head("aortic root dilatation "), head("balloon dilatation of aortic valve "), head("dilatation of cervix ")
    ('disease', 'procedure', 'procedure')
    """
    row = _either().get(word)
    return bool(
        row
        and not set(tokens).isdisjoint(row["disease_with"].split())
        and set(tokens).isdisjoint(row["operation_with"].split())
    )


@lru_cache
def frame(text: str) -> re.Pattern[str]:
    """Return a frame as a pattern for the normal form of a whole term. ``…`` stands for any words or none,
    ``(one|two)`` for one of several words, ``(one|two)?`` for one of them or none, ``_`` within a word for a space,
    ``*`` for any rest of a word, ``-`` for a comma or colon. The groups ``before`` and
    ``after`` are what the first and the last ``…`` stood for.

    >>> frame("… not (given|carried_out) …").fullmatch("smear not carried out ")["before"]
    'smear '
    """
    elements = text.split()
    parts = []
    for place, element in enumerate(elements):
        if element == "…":
            name = "before" if place == 0 else "after" if place == len(elements) - 1 else ""
            parts.append(f"(?P<{name}>(?:\\S+ )*?)" if name else r"(?:\S+ )*?")
            continue
        is_optional = element.endswith(")?")
        words_of_it = element.removesuffix("?") if is_optional else element
        choices = [_element(choice) for choice in words_of_it.removeprefix("(").removesuffix(")").split("|")]
        parts.append(f"(?:(?:{'|'.join(choices)}) ){'?' if is_optional else ''}")
    return re.compile("".join(parts))


def _element(word: str) -> str:
    return (
        ",".join(re.escape(part) for part in re.split(r"(?<![^_])-(?![^_])", word))
        .replace("_", " ")
        .replace(r"\*", r"\S*")
    )


def first(table: str, normal: str) -> dict[str, str]:
    """Return the first row of ``codes_<table>.csv`` whose frame matches the normal form of a term, {} for none."""
    rows = code_table(__package__, f"codes_{table}")
    return next((row for row in rows if frame(row["frame"]).fullmatch(normal)), {})


def matches(table: str, normal: str) -> bool:
    """Return whether a frame of ``codes_<table>.csv`` matches the normal form of a term."""
    return bool(first(table, normal))


@lru_cache
def _either() -> dict[str, dict[str, str]]:
    return {row["word"]: row for row in code_table(__package__, "codes_either")}


@lru_cache
def _kinds() -> tuple[dict[str, str], list[Kind]]:
    exact: dict[str, str] = {}
    patterns: list[Kind] = []
    for row in code_table(__package__, "codes_words"):
        for word in row["words"].split():
            if "*" in word:
                patterns.append(Kind(re.compile(re.escape(word).replace(r"\*", r"\S*")), row["kind"]))
            else:
                exact.setdefault(word, "" if row["kind"] == "none" else row["kind"])
    return exact, patterns
