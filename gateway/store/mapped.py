"""What a group of rows became on its way in: resources to write, or the place and the reason of its fault."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import msgspec

MADE_TWICE = "made twice"
"""The fault of a group that makes a resource of another group. The other group may no longer make it once it is
mapped."""
OTHER_VERSION = "another version"
"""The reason of a group that makes a resource whose current version is not the expected one."""


class Put(msgspec.Struct, array_like=True, gc=False):
    """A resource on its way in: its bytes, what to index, its own label bits with their causes. Made by intake."""

    type: int
    id: str
    patient: int
    order: int
    body: bytes
    hash: bytes
    low: int
    high: int
    own: int
    causes: dict[int, str]
    tokens: tuple[tuple[int, int], ...]
    globals: tuple[tuple[int, int], ...]
    words: tuple[tuple[int, str], ...]
    dates: tuple[tuple[int, int, int], ...]
    preference: tuple[str, str] | None = None


class Mapped(msgspec.Struct, array_like=True, gc=False):
    """What a group became: its resources, or the place and reason of its fault (``puts`` is None).

    ``hides`` are the label bits that rows at fault put on the Patient and on everything else the group made before.
    ``withdrawn`` takes the place of what the group holds under the same names although the group is at fault.
    ``concepts`` counts the main concepts of its resources, ``coded`` those with a standard code.
    """

    grp: int
    patient: int
    publisher: int
    kind: int
    puts: list[Put] | None
    place: str = ""
    reason: str = ""
    asked: tuple[int, ...] = ()
    evidence: list[tuple[int, tuple[str, ...], bytes]] = []
    faults: tuple[str, ...] = ()
    unmapped: tuple[str, ...] = ()
    hides: tuple[int, int] = (0, 0)
    unlisted: tuple[str, ...] = ()
    withdrawn: list[Put] = []
    warnings: tuple[str, ...] = ()
    concepts: int = 0
    coded: int = 0


Name = tuple[str, str]
"""The type and the id of a resource."""


class Version(NamedTuple):
    """A version of a resource after a write: what was ``created``, ``updated``, ``unchanged`` or ``deleted``."""

    type: str
    id: str
    number: int
    outcome: str


class Written(NamedTuple):
    """What a write did: the version of every resource that its groups make or made, the patients of whatever changed,
    and the resources whose version was not the expected one."""

    versions: list[Version]
    patients: set[int]
    conflicts: list[Name]

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """How many there are by (type, outcome)."""
        return Counter([(version.type, version.outcome) for version in self.versions])
