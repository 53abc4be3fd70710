"""What an allergy entry in words says: an allergy, that none is known, or that nobody knows.

Only words that are nothing but a nil are one, and a nil of one kind is no nil of all. Whatever else stands there is
to be read as an allergy: what is known, or happened, is one although its details are not known.
"""

from __future__ import annotations

import re

NEGATIONS = frozenset("no nil none not nkda nka nkfa nkma nkdar denies denied without neg negative".split())
ABBREVIATED = frozenset("nkda nka nkfa nkma nkdar".split())
"""No known (drug, food, medicine) allergies: a nil by itself."""
NOUNS = frozenset(
    "allergy allergies allergic adr adrs adrn reaction reactions sensitivity sensitivities intolerance intolerances "
    "hypersensitivity hypersensitivities".split()
)
OF_A_NIL = NOUNS | frozenset(
    "known any all of to or have has had is are the a adverse drug drugs food foods medication "
    "medications medicine medicines "
    "environmental significant relevant previous past history hx patient pt pts she he they "
    "currently current at present time "
    "this date identified reported stated declared disclosed per anything".split()
)
"""Words that leave a nil a nil. No substance is among them, and no word that makes an exception."""
NOT_KNOWN = frozenset(
    "unknown unable unobtainable unascertained ascertained ascertain obtain unavailable available "
    "recorded documented asked "
    "assessed assess established establish determined determine obtained tbc tba "
    "unsure uncertain unclear pending awaiting awaited cannot couldnt cant na nk".split()
)
OF_NOT_KNOWN = (
    OF_A_NIL
    | NOT_KNOWN
    | frozenset(
        "un not no none nil be been could can was were yet status information info data details detail "
        "as unconscious confused from by "
        "due moment now further notice on admission confused confirmed clarified checked".split()
    )
)
KINDS = frozenset("drug drugs food foods medication medications medicine medicines environmental".split())
OF_ONE_KIND = frozenset("nkda nkfa nkma nkdar".split())
HAPPENED = frozenset("reaction adr sensitivity intolerance hypersensitivity allergic has have had".split())
"""Words of something that took place. Of it details may be not known, but not whether there is any."""
TO_BE = re.compile(r"\bto be (confirmed|clarified|checked|assessed|established)\b")
UNKNOWN_SUBSTANCE = re.compile(
    r"\b(unknown|unidentified) (drug|food|medic|subst|antib|tablet|agent|allergen|product)\w*"
)
HEADER = re.compile(
    r"^\s*(known |drug |food |medication |medicine |adverse )*(allerg(y|ies)|adrs?|reactions?|sensitivit(y|ies))"
    r"( status)?\s*[:=–—-]+\s*"
)
CLAUSES = re.compile(r"[.,;:!/()\[\]&+–—|\n]+|\s-+\s|\s-|-\s")


def sense(words: str) -> str:
    """Return "words" for words that say that none is known, "part-words" where they say so of one kind only,
    "unascertained" for words that say that nobody knows, "" for an allergy.

    >>> sense("None known"), sense("NKDA, but latex - anaphylaxis"), sense("Unable to obtain"), sense("Allergies: none")
    ('words', '', 'unascertained', 'words')
    >>> sense("NKDA"), sense("No food allergies"), sense("Known allergies - details unknown")
    ('part-words', 'part-words', '')
    """
    said = re.sub(r"\b(\w)\.(?=\w\b)", r"\1", words.casefold().strip()).replace("'", "").replace("’", "")
    said = said.replace("n/k", "not known").replace("n/a", "na")
    body = HEADER.sub("", said) or said
    clauses = _clauses(body)
    if not clauses:
        return ""
    if all(_is_nil(clause) for clause in clauses):
        return "part-words" if _is_of_one_kind(said, clauses) else "words"
    if any(_is_held(clause) for clause in _clauses(said)):
        return ""
    is_vague = all(_is_not_known(clause, said) or _is_nil(clause) or _adds_nothing(clause) for clause in clauses)
    return "unascertained" if is_vague and any(_is_not_known(clause, said) for clause in clauses) else ""


def _clauses(said: str) -> list[list[str]]:
    return [clause.split() for clause in CLAUSES.split(said.replace("?", " ? ")) if clause.strip()]


def _is_of_one_kind(said: str, clauses: list[list[str]]) -> bool:
    """Whether a nil speaks of drugs or of food, in its heading or in each of its clauses: it says nothing of others."""
    heads = (HEADER.match(said) or [""])[0]
    return bool(set(heads.split()) & KINDS) or all(set(clause) & (KINDS | OF_ONE_KIND) for clause in clauses)


def _is_held(clause: list[str]) -> bool:
    """Whether a clause says that there is an allergy, or was a reaction, whatever is not known of it."""
    words = set(clause)
    if not words & NOUNS or words & (NEGATIONS - {"not"}):
        return False
    is_asked = words & NOT_KNOWN or "not" in words
    return bool("known" in words and not is_asked) or bool(words & HAPPENED)


def _is_nil(clause: list[str]) -> bool:
    """Whether a clause denies, and holds nothing beside what it denies. What is "not known" is not denied."""
    words = set(clause)
    denials = words & NEGATIONS
    if len([word for word in clause if word in NEGATIONS]) > 1:  # one takes back the other
        return False
    if not denials or words - NEGATIONS - OF_A_NIL or (words & ABBREVIATED and words & NOUNS):
        return False
    if denials == {"not"} and "allergic" not in words:
        return False
    before = set(clause[: next(index for index, word in enumerate(clause) if word in NEGATIONS)])
    return not before & {"allergic", "to"}


def _is_not_known(clause: list[str], said: str) -> bool:
    words = set(clause) - {"?"}
    if "?" in clause and (not words or _is_nil([word for word in clause if word != "?"])):
        return True
    if words - OF_NOT_KNOWN or UNKNOWN_SUBSTANCE.search(said):
        return False
    return bool(words & NOT_KNOWN) or "not known" in " ".join(clause) or TO_BE.search(" ".join(clause)) is not None


def _adds_nothing(clause: list[str]) -> bool:
    """Whether a clause only says why nobody knows: it names no allergy and nothing that one could be to."""
    return not set(clause) - OF_NOT_KNOWN and not set(clause) & (
        NOUNS | {"drug", "drugs", "food", "foods", "medication", "medicine"}
    )
