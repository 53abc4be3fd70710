"""Which of a person's observations ``$lastn`` answers with: the newest few of each code.

https://hl7.org/fhir/R4/observation-operation-lastn.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.fhir.codes import tokens

Resource = dict[str, Any]
NEVER_HAPPENED = frozenset({"entered-in-error", "cancelled"})
"""Statuses of an observation that says nothing of the person: as the last one it would hide the one that does."""


def last(observations: Sequence[tuple[Resource, int]], most: int) -> list[int]:
    """The places of the newest ``most`` observations of each code, group by group, newest first. ``observations`` come
    with the beginning of their time (µs UTC). What is as new as the last of a group comes with it.

    >>> last([({"code": {"text": "a"}}, 1), ({"code": {"text": "a"}}, 2), ({"code": {"text": "b"}}, 0)], 1)
    [1, 2]
    """
    places = [place for place, (resource, _) in enumerate(observations) if resource.get("status") not in NEVER_HAPPENED]
    newest_first = sorted(places, key=lambda place: -observations[place][1])
    chosen: list[int] = []
    for group in _groups([(place, _names(observations[place][0])) for place in newest_first]):
        oldest = observations[group[min(most, len(group)) - 1]][1]
        chosen += [place for place in group if observations[place][1] >= oldest]
    return chosen


def _names(observation: Resource) -> set[tuple[str, str]]:
    """What names the code of an observation: its codings, which mean one thing, else its words."""
    code = observation.get("code", {})
    return set(tokens(code)) or {("", str(code.get("text", "")).casefold())}


def _groups(named: Sequence[tuple[int, set[tuple[str, str]]]]) -> list[list[int]]:
    """The places by code, in the order of their first: those that share a name, directly or by another, are of one."""
    leaders: dict[int, int] = {}
    bearers: dict[tuple[str, str], int] = {}
    for place, names in named:
        leaders[place] = place
        for name in names:
            leaders[_leader(leaders, place)] = _leader(leaders, bearers.setdefault(name, place))
    groups: dict[int, list[int]] = {}
    for place, _ in named:
        groups.setdefault(_leader(leaders, place), []).append(place)
    return list(groups.values())


def _leader(leaders: dict[int, int], place: int) -> int:
    """The place that stands for the group of a place; the way to it gets shorter as it is gone."""
    while leaders[place] != place:
        leaders[place] = leaders[leaders[place]]
        place = leaders[place]
    return place
