"""One person of a project: the pseudonym key, how precise dates and place may be, and what is in the release."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.hmac import HMAC

from gateway.nhs.pseudonym.crowds import STATUS_SYSTEMS
from gateway.nhs.pseudonym.life import Stages
from gateway.nhs.pseudonym.project_keys import pseudonym_of

PERSON_SYSTEM = "urn:nhs-record-gateway:person-pseudonym"
LENGTHS = {"year": 4, "month": 7, "day": 10}


class Subject:
    """One person of a project: the key, what their dates may tell, who is in the release with them. ``district`` is
    the only one that leaves of them; ``aliases`` are the Patients who stand for retired ones,
    ``common`` the codes that enough people hold (None: nobody counted, all leave)."""

    __slots__ = (
        "_aliases", "_common", "_cut", "_hmac", "_is_member", "_months_from", "_names", "_until", "_years_from", "district",
        "identifier", "is_ninety", "references",
    )  # fmt: skip

    def __init__(
        self,
        key: HMAC,
        person: str,
        setting: str,
        life: Stages,
        is_member: Callable[[str], bool],
        district: str = "",
        aliases: Mapping[str, str] | None = None,
        common: frozenset[str] | None = None,
    ):
        self._hmac, self._is_member, self.is_ninety = key, is_member, life.is_ninety
        self._until, self._months_from = life.until.encode(), life.months_from.encode()
        self._years_from, self._cut = life.years_from.encode(), 10 if setting == "in-sde" else 7
        self._aliases, self._common = aliases or {}, common
        self.district = "" if setting == "export" and life.is_dead else district
        self._names: dict[bytes, bytes] = {}
        self.references: dict[bytes, bytes] = {}
        name = self.pseudonym(b"person:" + person.encode())
        self.identifier = b',"identifier":[{"system":"%s","value":"%s"}]' % (PERSON_SYSTEM.encode(), name)

    def pseudonym(self, text: bytes) -> bytes:
        """The keyed pseudonym of an id (``Type/id``, as references write it) or a person."""
        known = self._names.get(text)
        if known is None:
            known = self._names[text] = pseudonym_of(self._hmac, text)
        return known

    def target(self, target: str) -> bytes | None:
        """The pseudonym that a reference to ``Type/id`` leaves with; None where its target is not in the project."""
        target = self._aliases.get(target, target)
        return self.pseudonym(target.encode()) if self._is_member(target) else None

    def is_rare(self, code: str) -> bool:
        """Whether a code ("system code") is held by too few people to leave; none is where nobody counted."""
        return self._common is not None and code not in self._common and code.partition(" ")[0] not in STATUS_SYSTEMS

    def cut(self, written: bytes, action: str) -> bytes:
        """A date as the project may have it: by setting to the day or month; coarser for infants and around a
        death."""
        if action == "death":
            return written[: 7 if self._cut == 10 else 4]
        length = self._cut if action == "by-setting" else LENGTHS[action]
        if length == 10 and (written[:10] < self._until or written[:10] >= self._months_from):
            length = 7
        if length == 7 and self._cut == 7 and written[:10] >= self._years_from:
            length = 4
        return written[:length]
