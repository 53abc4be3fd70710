"""What keeps a resource, the GP records of a person, or a whole person out of an export."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.nhs import identity, labels

KEEPS_OUT = labels.HIDDEN_ALWAYS
"""A Patient with one of these labels excludes everyone who shares a number with them."""
ON_REQUEST = labels.SENSITIVE | labels.LINKED | labels.SERVICE
"""Labels that a project may exclude, in addition to those that are never released."""


WITHOUT_GP = labels.TYPE1
"""A Patient with this label keeps the GP records of everyone who shares a number with them out, of any practice."""


def may_give_gp(patients: Iterable[dict[str, Any]], episodes: Iterable[dict[str, Any]]) -> bool:
    """Whether the GP records of a person may leave, as far as registrations tell: only of who is regularly registered
    with a practice that we hold, or died while registered. Anybody else may have objected (Type 1) at a practice that
    we do not hold. ``episodes`` are the registrations that practices sent.

    The rule is OpenSAFELY's: https://github.com/opensafely-core/ehrql/pull/2060
    """
    registrations = [
        episode for episode in episodes if identity.is_regular_registration({**episode, "status": "active"})
    ]
    if any(identity.is_regular_registration(episode) for episode in registrations):
        return True
    deaths = [str(patient["deceasedDateTime"])[:10] for patient in patients if patient.get("deceasedDateTime")]
    ends = [end[:10] for episode in registrations if (end := str(episode.get("period", {}).get("end", "")))]
    return any(end[: len(death)] >= death[: len(end)] for death in deaths for end in ends)


def hidden(exclude_sensitive: bool) -> int:
    """The label bits that keep a resource out of a project's export.

    >>> hidden(True) & labels.SENSITIVE > 0, hidden(False) & labels.SENSITIVE
    (True, 0)
    """
    return labels.NEVER_RELEASED | (ON_REQUEST if exclude_sensitive else 0)
