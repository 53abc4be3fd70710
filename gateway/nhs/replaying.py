"""Two versions of the tables of roles replayed over what was audited: who would have been shown more, and who less."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.nhs import policy_table, roles
from gateway.nhs.policy_table import Opened


@dataclass(slots=True)
class Change:
    """What one role with the same activities would gain and lose by one act on one type: how many events it did it in,
    and which callers (``issuer user``)."""

    role: str
    act: str
    type: str
    gains: list[str]
    loses: list[str]
    events: int = 0
    callers: set[str] = field(default_factory=set)

    def plain(self) -> dict[str, Any]:
        """The change as JSON tells it: callers are counted, and not named."""
        return {
            "role": self.role, "title": roles.ROLES.get(self.role, "unknown role"), "act": self.act, "type": self.type,
            "gains": self.gains, "loses": self.loses, "events": self.events, "callers": len(self.callers),
        }  # fmt: skip


@dataclass(slots=True)
class Replayed:
    """What a replay says: its changes, and how many events it was of. ``alike`` would be answered the same; of
    ``unknown`` the audit does not hold the activities."""

    changes: list[Change]
    alike: int = 0
    unknown: int = 0


def replayed(events: Iterable[Mapping[str, Any]], old: Mapping[str, Any], new: Mapping[str, Any]) -> Replayed:
    """Replay the events of members of staff. Scopes, relationships and choices are as they were: only the tables
    differ."""
    changes: dict[tuple[Any, ...], Change] = {}
    answers: dict[tuple[Any, ...], tuple[Opened, Opened]] = {}
    outcome = Replayed([])
    for event in events:
        if not event.get("role") or "trace" not in event:
            continue
        if "activities" not in event:
            outcome.unknown += 1
            continue
        key = (event["role"], tuple(event["activities"]), event["act"], event["type"])
        if key not in answers:
            role, activities, act, type_ = key
            answers[key] = (
                policy_table.opened(old, role, activities, act, type_), policy_table.opened(new, role, activities, act, type_)
            )  # fmt: skip
        before, after = answers[key]
        if before == after:
            outcome.alike += 1
            continue
        change = changes.setdefault(key, Change(key[0], key[2], key[3], after.beyond(before), before.beyond(after)))
        change.events += 1
        change.callers.add(f"{event.get('issuer', '')} {event['user']}")
    outcome.changes = sorted(changes.values(), key=lambda change: (change.role, change.act, change.type))
    return outcome
