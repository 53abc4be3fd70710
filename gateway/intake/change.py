"""One change that a contributor asks for, its place in a request, and the bounds and the order of several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from gateway.errors import Conflict, Invalid, NotAllowed, NotFound, Stale, TooLarge, Unprocessable, Unsupported
from gateway.fhir.issues import Issue
from gateway.store.mapped import Name
from mappings.fhir.references import target

MOST = 1000
"""Changes of one request: so many are written within the time that other writers wait."""
ORDER = ("delete", "create", "update")
"""The order in which changes that are made together are processed (https://hl7.org/fhir/R4/http.html#trules)."""
FOUND = "found"
"""The act of a create whose resource is there already."""
PLAIN = (Invalid, Unsupported, TooLarge, NotFound, NotAllowed, Stale, Conflict)
"""Failures that are no more than their words."""
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Ahead:
    """A resource that a patch made of one version of an id."""

    id: str
    number: int
    resource: dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One change that is asked for: to create, update or delete the resource of a type and id. ``expected`` is the
    version that must be current. ``criteria`` are what to look for among the contributor's own: what a create does
    not make again, what an update or delete is of, in the place of an id. ``patch`` are operations on what stands.
    ``is_new`` says that nothing may stand there. ``full_url`` is what the rest of a transaction calls it, ``place``
    where it stands in the request. ``ahead`` is what its patch makes of the version that stood before the lock."""

    act: str
    type: str
    id: str = ""
    resource: dict[str, Any] | None = None
    expected: int | None = None
    criteria: Pairs | None = None
    patch: tuple[dict[str, Any], ...] | None = None
    full_url: str = ""
    place: str = ""
    is_new: bool = False
    ahead: Ahead | None = None

    @property
    def name(self) -> Name:
        return self.type, self.id


@contextmanager
def placed(place: str) -> Iterator[None]:
    """Tell what is wrong with one change of several with its place in the request."""
    try:
        yield
    except Unprocessable as fault:
        if not place:
            raise
        raise Unprocessable([within(place, issue) for issue in fault.issues]) from None
    except PLAIN as fault:
        if not place or str(fault).startswith(place):
            raise
        raise type(fault)(f"{place}: {fault}") from None


def within(place: str, issue: Issue) -> Issue:
    """An issue of a resource as one of the Bundle that holds it."""
    if issue.location.startswith(place):
        return issue
    _, dot, path = issue.location.partition(".")
    return replace(issue, location=f"{place}.resource{dot}{path}")


def names_of(changes: Iterable[Change]) -> dict[str, str]:
    """``Type/id`` of each resource of a request by what the request calls it: its full address, and for one that has
    no id yet also the end of that address."""
    names = {}
    for change in changes:
        if change.full_url:
            names[change.full_url] = f"{change.type}/{change.id}"
            type_, key = target("/".join(change.full_url.split("/")[-2:]))
            if type_ == change.type and change.act == "create":
                names[f"{type_}/{key}"] = f"{change.type}/{change.id}"
    return names


def in_order(changes: Sequence[Change]) -> list[int]:
    """The places of changes that are made together in the order in which they are. Raises ``TooLarge`` for too many."""
    if len(changes) > MOST:
        raise TooLarge(f"more than {MOST} changes at once")
    return sorted(range(len(changes)), key=lambda place: ORDER.index(changes[place].act))


def require_apart(changes: Iterable[Change]) -> None:
    """Raise ``Invalid`` for changes that are one and the same by what they are called or by their criteria."""
    changes = list(changes)
    urls = [change.full_url for change in changes if change.full_url]
    if len(set(urls)) < len(urls):
        raise Invalid("Bundle.entry.fullUrl: the same twice")
    asked = [(change.type, tuple(sorted(change.criteria))) for change in changes if change.criteria is not None]
    if len(set(asked)) < len(asked):
        raise Invalid("criteria: the same twice")
