"""Limits in SQL and in memory: both are made from one table of columns, so that they let the same resources through."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter

from gateway.fhir.search import Allow, Limits, Whose
from gateway.store.numbers import KIND_NUMBER, TYPE_NUMBER
from gateway.store.resources import Stored
from gateway.store.session import Session

NOTHING = "1 = 0"
"""The SQL condition that matches no resource."""

Sql = tuple[str, list[object]]
Test = Callable[[Stored], bool]


@dataclass(frozen=True, slots=True)
class _Column:
    """One column that a limit speaks of: the field of ``Allow``, the column of ``head``, the attribute of ``Stored``,
    and the numbers that stand for its words in the store (None: it holds numbers already)."""

    allow: str
    head: str
    stored: str
    numbers: Mapping[str, int] | None = None

    def asked(self, allow: Allow) -> Collection[str] | Collection[int] | None:
        """The values that ``allow`` lets through, None for any."""
        values: Collection[str] | Collection[int] | None = getattr(allow, self.allow)
        return values

    def sql(self, session: Session, values: Collection[str] | Collection[int]) -> tuple[str, object]:
        """The condition that the column holds one of the values. A word without a number is not in the store, so it
        matches nothing."""
        numbers = [value if isinstance(value, int) else (self.numbers or {}).get(value) for value in values]
        return session.within(self.head), session.listed(sorted(number for number in numbers if number is not None))


_COLUMNS = (
    _Column("types", "h.type", "type", TYPE_NUMBER),
    _Column("publishers", "h.publisher", "publisher"),
    _Column("kinds", "h.kind", "kind", KIND_NUMBER),
)
_LABELS, _PATIENT = "h.labels", "h.patient"


def of_type(limits: Limits, resource_type: str) -> Limits:
    """Return the limits on one type: allows for other types go, and the type is not asked again.

    A query for one type has its own condition on it.
    """
    allows = (allow for allow in limits.allow if allow.types is None or resource_type in allow.types)
    return replace(limits, allow=tuple(replace(allow, types=None) for allow in allows))


def condition(session: Session, limits: Limits) -> Sql:
    """Return the condition on ``head h`` that a resource lies within limits, with its parameters.

    ``NOTHING`` where no resource can. A patient, and at least one way to be seen.
    """
    is_about, parameters = _about(session, limits)
    ways = []
    for allow in limits.allow:
        way, values = _way(session, allow)
        ways.append(way)
        parameters += values
    if not ways or is_about == NOTHING:
        return NOTHING, []
    return f"{is_about} AND ({' OR '.join(ways)})", parameters


def passes(limits: Limits) -> Test:
    """Return the test whether a stored resource lies within limits: the same as ``condition``, in memory."""
    patients = limits.patients
    ways = [
        (allow.hidden, [(attrgetter(column.stored), values) for column in _COLUMNS if (values := column.asked(allow)) is not None])
        for allow in limits.allow
    ]  # fmt: skip

    def test(stored: Stored) -> bool:
        if not _is_about(stored.patient, patients):
            return False
        for hidden, columns in ways:
            if not stored.labels & hidden and all(read(stored) in values for read, values in columns):
                return True
        return False

    return test


def _is_about(patient: int, patients: Collection[int] | Whose) -> bool:
    if isinstance(patients, Whose):
        return patients is Whose.ANYBODY or patient == 0
    return patient in patients


def _about(session: Session, limits: Limits) -> Sql:
    """The condition on whom a resource is about. One patient is compared, because that is the quickest plan."""
    match limits.patients:
        case Whose.ANYBODY:
            return "1 = 1", []
        case Whose.NOBODY:
            return f"{_PATIENT} = 0", []
        case patients if not patients:
            return NOTHING, []
        case patients if len(patients) == 1:
            return f"{_PATIENT} = ?", list(patients)
        case patients:
            return session.within(_PATIENT), [session.listed(sorted(patients))]


def _way(session: Session, allow: Allow) -> Sql:
    """The condition of one way to be seen."""
    parts, parameters = [f"({_LABELS} & ?) = 0"], [allow.hidden]
    listed: list[object] = []
    for column in _COLUMNS:
        values = column.asked(allow)
        if values is not None:
            part, parameter = column.sql(session, values)
            parts.append(part)
            listed.append(parameter)
    return f"({' AND '.join(parts)})", [*parameters, *listed]
