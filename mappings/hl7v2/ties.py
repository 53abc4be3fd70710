"""What a result was found in (the organism of a susceptibility) among the results of its order."""

from __future__ import annotations

from msgspec.structs import replace

from mappings.hl7v2 import codes
from mappings.hl7v2.message import Segment
from mappings.hl7v2.observation import Result, Tie
from mappings.hl7v2.sameness import Key, code_of


class Found:
    """The results of an order that others may be found in, by code."""

    def __init__(self, results: dict[Key, Result]):
        self.by_code: dict[str, list[tuple[Key, Result]]] = {}
        self.by_key: dict[Key, Result] = {}
        for key, result in results.items():
            if result.status != "entered-in-error" and not result.is_blank:
                self.by_key[key] = result
                self.by_code.setdefault(code_of(result.obx).casefold(), []).append((key, result))


def source_of(result: Result, key: Key, sources: Found) -> tuple[Key, Result]:
    """Return (key of the result that this one was found in, the result with words that say so); () for none.

    The parent is known by its place in the message, or named by code and OBX-4. Of several (a count and an organism),
    the coded one whose words agree.
    """
    tie = result.tie
    if tie is None:
        return (), result
    if tie.order:
        return (), replace(result, tie=replace(tie, words=said(tie.words, "")))
    if tie.source in sources.by_key:
        return tied(result, tie, tie.source, sources.by_key[tie.source])
    candidates = [
        (other, held)
        for other, held in sources.by_code.get(tie.code.casefold(), ())
        if other != key and (not tie.sub or held.obx.whole(4).strip() == tie.sub)
    ]
    named = [
        candidate
        for candidate in candidates
        if tie.words and value_of(candidate[1].obx).casefold() == tie.words.casefold()
    ]
    coded = [candidate for candidate in candidates if candidate[1].obx.text(2).upper() in codes.CODED]
    chosen = (named or coded or candidates)[:1]
    if not chosen or (len(candidates) > 1 and not named and len(coded) != 1):
        return (), replace(result, tie=replace(tie, words=said(tie.words, "")))
    return tied(result, tie, *chosen[0])


def tied(result: Result, tie: Tie, source: Key, parent: Result) -> tuple[Key, Result]:
    words = said(value_of(parent.obx) or tie.words, codes.text_of(parent.obx, 3))
    return source, replace(result, tie=replace(tie, words=words))


def value_of(obx: Segment) -> str:
    return obx.text(5, 2) or obx.text(5, 5) or obx.text(5)


def said(words: str, name: str) -> str:
    """Return the note that ties a result to its organism, "" where nobody says which."""
    return f"Found in {name or 'the parent result'}: {words}" if words else ""
