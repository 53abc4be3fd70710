"""Patients that their source retired for another: they do not leave, and references to them lead to the other."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, Struct, UnsetType


class _Other(Struct, gc=False):
    reference: str | UnsetType = UNSET


class _Link(Struct, gc=False):
    type: str | UnsetType = UNSET
    other: _Other | UnsetType = UNSET


class _Patient(Struct, gc=False):
    link: list[_Link] | UnsetType = UNSET


_patient = msgspec.json.Decoder(_Patient).decode


def survivors(patients: Mapping[str, bytes]) -> dict[str, str]:
    """``Patient/id`` of each retired Patient → that of the Patient who stands for it: the one that its source names, if
    that leaves, else the first of the person that does. Empty where none does. ``patients`` are those of one person.

    >>> retired = b'{"link":[{"type":"replaced-by","other":{"reference":"Patient/b"}}]}'
    >>> survivors({"Patient/a": retired, "Patient/b": b"{}"})
    {'Patient/a': 'Patient/b'}
    """
    replaced = {name: other for name, body in patients.items() if (other := _replaced_by(body)) is not None}
    standing = [name for name in sorted(patients) if name not in replaced]
    return {name: _last(name, replaced, standing) for name in replaced}


def _last(name: str, replaced: Mapping[str, str], standing: list[str]) -> str:
    seen: set[str] = set()
    while name in replaced and name not in seen:
        seen.add(name)
        name = replaced[name]
    return name if name in standing else (standing[0] if standing else "")


def _replaced_by(body: bytes) -> str | None:
    try:
        links = _patient(body).link or []
    except msgspec.MsgspecError:
        return None
    for link in links:
        if link.type == "replaced-by":
            return str(link.other.reference) if link.other and link.other.reference else ""
    return None
