"""Who looked at a person's record, in plain words: each event of the audit about them, several alike of a day as one.

No name of a member of staff is told, and of people at risk no organisation: where care was given could be where
somebody finds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.fhir.dates import moment
from gateway.nhs import oneself
from gateway.nhs.relationship import BASES, DENIED
from gateway.nhs.roles import ROLES, Caller

LOCAL = ZoneInfo("Europe/London")
NOT_NAMED = "An organisation that is not named here"
NO_PLACE = "Organisation not recorded"
SYSTEM = "A computer system"
OTHER_ACCOUNT = "Somebody who signed in with your NHS number, by another account than yours"
WHAT: Mapping[str, str] = {
    "summary": "Opened your summary",
    "shared": "Opened your shared record",
    "read": "Opened part of your record",
    "vread": "Opened an earlier version of part of your record",
    "history": "Opened earlier versions of part of your record",
    "search": "Searched your record, or found you in a search",
    "everything": "Fetched your whole record",
    "caseload": "Listed you among the people in their care",
    "notify": "Was told that something in your record changed",
    "permit": "Recorded permission to view your record",
    "break-glass": "Said that you could not be asked, to open your record",
    "audit.look": "A privacy officer looked at who used your record",
    "create": "Added to your record",
    "update": "Changed part of your record",
    "delete": "Removed part of your record",
    "looked": "Looked at who has used your record",
    "choices": "Looked at your choices",
}
"""THE TABLE of acts in plain words. An act that has no row is told as ``OTHERWISE``: nothing is left out for it."""
REFUSED_BY_YOU = "Recorded that you refused to have your record viewed"
HELD_BACK = frozenset({name for name, basis in BASES.items() if basis.act == "override"})
"""Bases that are not told, and nothing done by them: they would tip off whom an enquiry is about, or who forces a
person to open the page. The page says so to everybody."""
OTHERWISE = "Used your record in another way"
WHY: Mapping[str, str] = {
    "registered": "You are registered with this practice",
    "permission": "They recorded that you were asked and agreed",
    "permission-extended": "They recorded that you agreed for a stated time",
    "own-record": "They hold this part of your record",
    oneself.BASIS: "Your own sign-in",
}
"""Why it was allowed. A basis of permission to view that has no row is told by its title."""
ANOTHER_REASON = "Another reason, which the organisation can tell you"
REFUSED: Mapping[str, str] = {
    "ptv-required": "Refused: permission to view was not recorded",
    "no-relationship": "Refused: they were not caring for you then",
    "role": "Refused: their role does not allow it",
    "activity": "Refused: their role does not allow it",
}
"""Refusals in plain words. Of all others no reason is told: it could tell what is recorded of somebody."""
NOTHING_SHOWN = "Refused: nothing was shown"
WRITES = frozenset({"permit", "break-glass", "create", "update", "delete"})


@dataclass(frozen=True, slots=True)
class Look:
    """Uses of a record by one person or system on one day that are alike: when the first and the last of them was, by
    the reader's clock, how many there were, and the words for it. ``kind`` is "own" for the reader's own account."""

    first: datetime
    last: datetime
    count: int
    place: str
    who: str
    what: str
    why: str
    outcome: str
    is_refused: bool
    is_own: bool

    @property
    def day(self) -> date:
        """The day by the reader's clock."""
        return self.first.date()


def looks(
    events: Iterable[Mapping[str, Any]], caller: Caller, places: Mapping[str, str], *, is_at_risk: bool
) -> list[Look]:
    """What the audit tells a person of these events, newest first. ``places`` are the names of organisations by their
    code; of people at risk none is told, their own doings apart."""
    alike: dict[tuple[object, ...], list[datetime]] = {}
    words: dict[tuple[object, ...], tuple[str, str, str, str, str, bool, bool]] = {}
    for event in events:
        if event.get("act") == "override" or HELD_BACK.intersection(str(event.get("basis", "")).split()):
            continue
        at = moment(event["at"]).astimezone(LOCAL)
        is_own = event.get("user") == caller.user and event.get("issuer") == caller.issuer
        cells = (
            "" if is_own or _is_of_citizen(event) else NOT_NAMED if is_at_risk else _place(event, places),
            "You" if is_own else _who(event),
            _what(event),
            _why(event),
            _outcome(event),
            event.get("outcome") == "refused",
            is_own,
        )
        key = (at.date(), event.get("issuer"), event.get("user"), *cells)
        alike.setdefault(key, []).append(at)
        words[key] = cells
    grouped = [Look(min(times), max(times), len(times), *words[key]) for key, times in alike.items()]
    return sorted(grouped, key=lambda look: look.last, reverse=True)


def _place(event: Mapping[str, Any], places: Mapping[str, str]) -> str:
    code = str(event.get("organisation", ""))
    return places.get(code) or (f"Organisation {code}" if code else NO_PLACE)


def _is_of_citizen(event: Mapping[str, Any]) -> bool:
    return event.get("act") in oneself.ACTS


def _who(event: Mapping[str, Any]) -> str:
    """Who it was by their role. Someone else who signs in with the same NHS number is told of as what they are."""
    if _is_of_citizen(event):
        return OTHER_ACCOUNT
    role = str(event.get("role", ""))
    return ROLES.get(role, "A role that is not known here") if role else SYSTEM


def _what(event: Mapping[str, Any]) -> str:
    if event.get("act") == "permit" and event.get("basis") == DENIED:
        return REFUSED_BY_YOU
    return WHAT.get(str(event.get("act", "")), OTHERWISE)


def _why(event: Mapping[str, Any]) -> str:
    basis = str(event.get("basis", ""))
    if not basis or basis == DENIED:
        return ""
    if basis in BASES and basis not in WHY:
        return f"They recorded: {BASES[basis].title}"
    return WHY.get(basis, ANOTHER_REASON)


def _outcome(event: Mapping[str, Any]) -> str:
    if event.get("outcome") == "refused":
        return REFUSED.get(str(event.get("refusal", "")), NOTHING_SHOWN)
    act = event.get("act")
    if act in WRITES or act not in WHAT:
        return "Done"
    if act in oneself.ACTS:
        return "Shown"
    return "Shown" if event.get("count") else "Nothing was shown"
