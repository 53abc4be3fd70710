"""The local keys of the patients in messages. An NHS number is never part of a key.

What names somebody is read as the message and the feed say it. What would have to be guessed is refused: a patient of
whom only a name is sent; a number that is not valid or says not whose it is, unless birth date, names and sex come with
it; a valid NHS number without a birth date to hold it against; a merge whose retired number may be of two authorities.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import NamedTuple

from gateway.errors import Invalid
from gateway.nhs import identifiers
from mappings import Feed, Row
from mappings.hl7v2 import codes
from mappings.hl7v2.message import Message, Repetition, Segment

NHS_AUTHORITIES = {"NHS", "NHSNBR", "NHS NUMBER", "NHSNUMBER", "2.16.840.1.113883.2.1.4.1"}
NHS_TYPES = {"NH", "NHS", "NHSNMBR", "NHSNBR"}
HOSPITAL_TYPES = {"MR", "MRN", "PI", "PATID", "HOSP", "LOCALID"}
OTHER_TYPES = {"SS", "DL", "PPN", "DN", "AN", "VN", "NI"}
NO_NAMES = frozenset(
    "baby infant newborn neonate twin triplet boy girl male female unknown unnamed not known nk of one two".split()
)
"""Words of a given name that name nobody: two twins may both be sent as ``Baby``."""
NO_NUMBERS = frozenset(
    "unknown unk none null nil nan na n a nk not known no number applicable available given recorded missing blank"
    " undefined invalid dummy tbc tba x xx xxx".split()
)
"""Words that stand where a number would: what is made of them alone is nobody's."""
NO_BIRTH_DATES = frozenset({"18000101", "19000101", "19010101", "99991231"})
UNPROVED = "claimed:|"
"""Begins the key of a patient whose number proves nothing by itself."""


class Number(NamedTuple):
    """One identifier of PID-3 or MRG-1. ``authority`` is "" when none was sent; ``traced`` is CX.2 where PIMS puts the
    tracing status."""

    value: str
    authority: str
    type: str
    nhs: bool
    traced: str = ""

    @property
    def key(self) -> str:
        return f"{self.authority}|{self.value}"


NO_FEED = Feed()


def number(field: Repetition, feed: Feed = NO_FEED) -> Number:
    """Return the identifier of one CX. A bare number that could be an NHS number is treated as one.

    The authority is the one that the feed's ``authority_aliases`` put in its place, and the feed's ``authority`` where
    none was sent.
    """
    value, authority, kind = field.text(1).strip(), field.text(4, 1) or field.text(4, 2), field.text(5).strip().upper()
    compact, traced = identifiers.normalise(value), field.text(2).strip()
    nhs = authority.upper() in NHS_AUTHORITIES or kind in NHS_TYPES
    nhs = nhs or (kind == "NI" and len(compact) == 10 and compact.isdigit())
    nhs = nhs or (not authority and not kind and identifiers.is_valid(compact))
    status = traced if nhs and re.fullmatch(r"0[1-8]", traced) else ""
    if not nhs:
        authority = str(codes.settings(feed, "authority_aliases").get(authority, authority)) or default_authority(feed)
    return Number(compact if nhs else value, authority, kind, nhs, status)


def default_authority(feed: Feed) -> str:
    """Return the authority of numbers that name none: the feed's ``authority``, "" where it has none."""
    return str(feed.settings.get("authority") or "")


def numbers(segment: Segment, field: int, feed: Feed = NO_FEED) -> list[Number]:
    """Return the identifiers of a repeating CX field that have a value, but for words for none."""
    identifiers_sent = (number(part, feed) for part in segment.repetitions(field))
    return [
        identifier
        for identifier in identifiers_sent
        if identifier.value and (identifier.nhs or not is_none(identifier.value))
    ]


def is_none(value: str) -> bool:
    """Whether what stands for a number says that there is none: nothing, zeros, or nothing but words for it.

    >>> is_none("N/A NONE"), is_none("Unknown"), is_none("000-000"), is_none("-"), is_none("NK12"), is_none("ABC")
    (True, True, True, True, False, False)
    """
    return not re.search(r"[^\W0_]", value) or set(re.findall(r"\w+", value.casefold())) <= NO_NUMBERS


def is_telling(value: str) -> bool:
    """Whether a number that nobody vouches for may be one person's: it has two digits that differ and three letters or
    digits together, and no word for none.

    >>> is_telling("12345"), is_telling("A-203"), is_telling("0000000"), is_telling("UNKNOWN12"), is_telling("A111")
    (True, True, False, False, False)
    """
    said = {word for word in re.findall(r"[^\W\d_]+", value.casefold()) if len(word) > 2}
    return bool(re.search(r"\w{3}", value)) and len(set(re.findall(r"\d", value))) > 1 and not said & NO_NUMBERS


def numbers_of(pid: Segment, feed: Feed = NO_FEED) -> list[Number]:
    """Return the identifiers of the patient: PID-3, the fields of the feed's ``identifier_fields`` (2, 4, 18, 19), and
    of PID-2 and PID-4 what says whose it is. PID-2 is the number of another place and PID-4 another number (HL7 v2.3):
    the first counts with an authority or a hospital's type, the second with both."""
    also = feed.settings.get("identifier_fields") or ()
    if not isinstance(also, (list, tuple)) or not all(isinstance(field, int) for field in also):
        raise Invalid("setting identifier_fields")
    held = [identifier for field in dict.fromkeys((3, *also)) for identifier in numbers(pid, field, feed)]
    return (
        held
        + [
            identifier
            for identifier in numbers(pid, 2, feed)
            if 2 not in also and (identifier.nhs or _is_of(identifier, pid))
        ]
        + [
            identifier
            for identifier in numbers(pid, 4, feed)
            if 4 not in also
            and not identifier.nhs
            and identifier.type in HOSPITAL_TYPES
            and _names_authority(pid, 4, identifier)
        ]
    )


def _is_of(number: Number, pid: Segment) -> bool:
    """Whether a number of PID-2 names its authority or is of a hospital's type."""
    return number.type in HOSPITAL_TYPES or _names_authority(pid, 2, number)


def _names_authority(pid: Segment, field: int, number: Number) -> bool:
    """Whether a number was sent with an authority; one that the feed gives it does not count."""
    return any(
        part.text(4, 1) or part.text(4, 2) for part in pid.repetitions(field) if part.text(1).strip() == number.value
    )


def local_number(segment: Segment, field: int, feed: Feed) -> Number | None:
    """Return the number that names the patient in this hospital: by the feed's preference, else a hospital type, else
    the first. A trust that gives its patients their NHS number as hospital number has given them none."""
    return _local(numbers(segment, field, feed), feed)


def _local(held: list[Number], feed: Feed) -> Number | None:
    nhs = nhs_values(held)
    local = [
        identifier for identifier in held if not identifier.nhs and identifiers.normalise(identifier.value) not in nhs
    ]
    preferred = feed.settings.get("authorities") or ()
    if not isinstance(preferred, (list, tuple)):
        raise Invalid("setting authorities")
    for authority in preferred:
        for identifier in local:
            if identifier.authority == authority:
                return identifier
    ranked = sorted(
        local, key=lambda identifier: (identifier.type not in HOSPITAL_TYPES) + (identifier.type in OTHER_TYPES)
    )
    return ranked[0] if ranked and ranked[0].type not in OTHER_TYPES else None


def nhs_values(held: list[Number]) -> set[str]:
    return {identifier.value for identifier in held if identifier.nhs}


def patient_key(message: Message, feed: Feed) -> str:
    """Return ``authority|number`` of the message's patient: of PID-3, else of another field that may name them.

    A patient who has only an NHS number (reference laboratories send no other) is keyed by a digest of it and the
    birth date, so that a number which is wrongly another's makes no one patient of two; that the two are the same
    person as another hospital's is judged elsewhere. Raises ``Invalid("PID-3")`` when neither can be had.
    """
    pid = message["PID"]
    identifier = local_number(pid, 3, feed) or _local(numbers_of(pid, feed), feed)
    return identifier.key if identifier else _nhs_key(pid, feed)


def _nhs_key(pid: Segment, feed: Feed) -> str:
    nhs = [identifier.value for identifier in numbers_of(pid, feed) if identifier.nhs]
    valid = [value for value in nhs if identifiers.is_valid(value)]
    born = pid.text(7)[:8]
    if valid and born:
        return f"nhs:|{digest('patient', valid[0], born, namespace=feed.namespace)}"
    claims = claimed(pid, nhs, feed)
    if not claims:
        raise Invalid("PID-3 has no local patient number (an NHS number is never a key)")
    return UNPROVED + digest("claimed", *claims, namespace=feed.namespace)


def claimed(pid: Segment, nhs: list[str], feed: Feed) -> list[str]:
    """Return a number that proves nothing by itself, with the birth date, both names and the sex that all must agree
    for two messages to be of one person; [] where one of them was not sent.

    Such a number is one of ten digits as an NHS number whose check digit is wrong, but for one repeated digit, which
    stands for no number (unless the feed's ``test_numbers`` name it), or one of PID-2 or PID-4 that does not say whose
    it is and is no placeholder: everybody without a number may have been sent with the same one.
    """
    tests = feed.settings.get("test_numbers") or ()
    if not isinstance(tests, (list, tuple)):
        raise Invalid("setting test_numbers")
    mistyped = [value for value in nhs if re.fullmatch(r"\d{10}", value) and (len(set(value)) > 1 or value in tests)]
    bare = [f"PID-{field} {pid.text(field)}" for field in (2, 4) if is_telling(pid.text(field))]
    born, sex = pid.text(7)[:8], codes.target("gender", pid.text(8))
    who = [named(pid.text(5, 1, 1)), named(pid.text(5, 2)), sex if sex in ("male", "female") else ""]
    who.append(born if re.fullmatch(r"\d{8}", born) and born not in NO_BIRTH_DATES else "")
    return [(mistyped or bare)[0], *who] if (mistyped or bare) and all(who) else []


def named(text: str) -> str:
    """Return a name to compare, "" for an initial and for words that name nobody."""
    name = text.casefold()
    return "" if len(name) < 2 or NO_NAMES & set(re.findall(r"[a-z]+", name)) else name


def digest(*parts: str, namespace: bytes = b"") -> str:
    """Return a digest of some words, keyed with ``namespace``: without the store's own nobody can look for the number
    of somebody whose number they guess."""
    size = 16 if namespace else 8
    return blake2b("\x1f".join(parts).encode(), digest_size=size, key=namespace).hexdigest()


def prior_keys(message: Message, feed: Feed) -> list[str]:
    """Return ``authority|number`` of each patient a merge retires. Raises ``Invalid("MRG-1")`` for none, or the
    survivor."""
    keys = [identifier.key for identifier in prior_numbers(message, feed)]
    if not keys or patient_key(message, feed) in keys:
        raise Invalid("MRG-1")
    return list(dict.fromkeys(keys))


def kept_priors(row: Row) -> list[str]:
    """Return the keys of the patients that a merge retires, as the row was read: the feed's settings may have changed
    since, and the keys of resources have not."""
    keys = [key.removeprefix("pat:") for key in row.groups if key.startswith("pat:")]
    return [key for key in keys if key != row.patient]


def prior_numbers(message: Message, feed: Feed) -> list[Number]:
    """Return the hospital numbers of MRG-1. Where one names no authority, it is of the authority of PID-3: MRG-1 and
    PID-3 correspond place by place (HL7 UK A.3 §3.5.7.1). Raises ``Invalid("MRG-1…")`` where that may be one of
    two."""
    held, kept = numbers(message["MRG"], 1, feed), numbers(message["PID"], 3, feed)
    nhs = nhs_values([*held, *kept])
    local = [
        (place, identifier)
        for place, identifier in enumerate(held)
        if not identifier.nhs
        and identifiers.normalise(identifier.value) not in nhs
        and identifier.type not in OTHER_TYPES
    ]
    is_paired = len(held) == len(kept)
    return [
        identifier
        if identifier.authority
        else identifier._replace(authority=_authority(identifier, kept, kept[place] if is_paired else None))
        for place, identifier in local
    ]


def _authority(prior: Number, kept: list[Number], beside: Number | None) -> str:
    """Return the authority of a retired number that names none: the only one of PID-3, else that of its own type, else
    that at its place."""
    local = [identifier for identifier in kept if not identifier.nhs and identifier.type not in OTHER_TYPES]
    authorities = {identifier.authority for identifier in local}
    if len(authorities) > 1 and prior.type:
        authorities = {identifier.authority for identifier in local if identifier.type == prior.type} or authorities
    if len(authorities) > 1 and beside in local:
        authorities = {identifier.authority for identifier in local if identifier is beside}
    if len(authorities) > 1:
        raise Invalid("MRG-1: the retired number has no authority, and PID-3 names several")
    return authorities.pop() if authorities else ""


def publisher(message: Message, feed: Feed) -> str:
    """Return the code of the trust: the feed's ``senders`` by ``MSH-3|MSH-4`` or MSH-4, else MSH-4 itself; where that
    is empty the feed's ``publisher``, else MSH-3. Raises ``Invalid("MSH-4")``."""
    header = message["MSH"]
    facility, application = header.text(4, 1) or header.text(4, 2), header.text(3, 1) or header.text(3, 2)
    senders = codes.settings(feed, "senders")
    code = senders.get(f"{header.text(3)}|{facility}") or senders.get(facility) or facility
    code = code or feed.settings.get("publisher") or application
    if not code:
        raise Invalid("MSH-4")
    return str(code)


def moved_priors(message: Message, feed: Feed, patient: str) -> list[str]:
    """Return the keys of the patients whom a move takes visits from: none where the patient stays the same. Raises
    ``Invalid("MRG-1")`` for an account that moves from nobody."""
    keys = dict.fromkeys(identifier.key for identifier in prior_numbers(message, feed))
    if not keys and message.event == "A44":
        raise Invalid("MRG-1")
    return [key for key in keys if key != patient]


def is_of_one(message: Message, feed: Feed, patient: str) -> bool:
    """Whether what a message says of accounts is of one patient: MRG-1 names nobody else."""
    return all(identifier.key == patient for identifier in prior_numbers(message, feed))
