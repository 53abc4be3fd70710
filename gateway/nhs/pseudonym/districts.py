"""The one outward district of a person: of where they live now, never a history of where they have lived."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import msgspec
from msgspec import UNSET, Struct, UnsetType

_POSTCODE = re.compile(r"([A-Z]{1,2}\d[A-Z\d]?)\d[A-Z]{2}")
_NO_PLACE = re.compile(r"(?:ZZ|XX|BX|BF|QC)\d.*|(?!BT)[A-Z]{1,2}9\d")
"""Outward codes of no district: pseudo-postcodes (ZZ99: no fixed abode, abroad), forces' post, and the numbers from 90
on, each of one large organisation (SA99). BT92 to BT94 are places in Fermanagh."""
_NOT_HOME = frozenset({"old", "temp", "billing"})


class _Span(Struct, gc=False):
    end: str | UnsetType = UNSET


class _Address(Struct, gc=False):
    use: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    postalCode: str | UnsetType = UNSET
    period: _Span | UnsetType = UNSET


class _Patient(Struct, gc=False):
    address: list[_Address] | UnsetType = UNSET


_patient = msgspec.json.Decoder(_Patient).decode


def outward(postcode: str) -> str:
    """The outward half of a whole postcode of a place; empty for a part of one and for a pseudo-postcode.

    >>> outward("ls1 1aa"), outward("ZZ99 3VZ"), outward("LS1")
    ('LS1', '', '')
    """
    parts = _POSTCODE.fullmatch(postcode.replace(" ", "").upper())
    return parts[1] if parts and not _NO_PLACE.fullmatch(parts[1]) else ""


def district_of(patients: Iterable[bytes]) -> str:
    """The district of a person: the one that most of their Patients call home, of equals the first; empty where none
    does."""
    homes = Counter(home for body in patients if (home := _home(body)))
    return homes.most_common(1)[0][0] if homes else ""


def _home(body: bytes) -> str:
    try:
        addresses = _patient(body).address or []
    except msgspec.MsgspecError:
        return ""
    current = [
        address
        for address in addresses
        if address.use not in _NOT_HOME and address.type != "postal" and not (address.period and address.period.end)
    ]
    for address in sorted(current, key=lambda address: address.use != "home"):
        if address.postalCode and (place := outward(address.postalCode)):
            return place
    return ""
