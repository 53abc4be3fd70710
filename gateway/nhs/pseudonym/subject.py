"""One person of a project: the pseudonym key, how precise dates may be, and what is in the release."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from gateway.nhs.pseudonym.project_keys import base32

PERSON_SYSTEM = "urn:nhs-record-gateway:person-pseudonym"
LENGTHS = {"year": 4, "month": 7, "day": 10}


class Subject:
    """One person of a project: the key, what their dates may tell, who is in the release with them."""

    __slots__ = ("_cut", "_from", "_hmac", "_is_member", "_names", "_until", "identifier", "is_ninety", "references")

    def __init__(
        self,
        key: hmac.HMAC,
        person: str,
        setting: str,
        span: tuple[str, str],
        is_member: Callable[[str], bool],
        is_ninety: bool = False,
    ):
        self._hmac, self._is_member, self.is_ninety = key, is_member, is_ninety
        self._until, self._from = (day.encode() for day in span)
        self._cut = 10 if setting == "in-sde" else 7
        self._names: dict[bytes, bytes] = {}
        self.references: dict[bytes, bytes] = {}
        name = self.pseudonym(b"person:" + person.encode())
        self.identifier = b',"identifier":[{"system":"%s","value":"%s"}]' % (PERSON_SYSTEM.encode(), name)

    def pseudonym(self, text: bytes) -> bytes:
        """The keyed pseudonym of an id (``Type/id``, as references write it) or a person."""
        known = self._names.get(text)
        if known is None:
            mac = self._hmac.copy()
            mac.update(text)
            known = self._names[text] = base32(mac.digest())
        return known

    def cut(self, written: bytes, action: str) -> bytes:
        """A date as the project may have it: by setting to the day or month; the month for babies and at the end of
        life."""
        length = self._cut if action == "by-setting" else LENGTHS[action]
        if length == 10 and (written[:10] < self._until or written[:10] >= self._from):
            length = 7
        return written[:length]

    def is_member(self, target: str) -> bool:
        return self._is_member(target)
