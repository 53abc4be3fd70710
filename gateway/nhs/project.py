"""A project: an approved use of de-identified data, and its way from draft to expiry. No approved, in-date project: no
key, no export."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from gateway.errors import Invalid, Refused
from gateway.nhs import disclosure
from gateway.nhs.four_eyes import APPROVERS, folded
from gateway.nhs.identifiers import is_council_code, is_ods_code
from gateway.nhs.pseudonym import policy
from gateway.nhs.pseudonym.crowds import DEFAULT_K

STATES = {
    "draft": frozenset({"approved"}),
    "approved": frozenset({"active", "suspended", "expired"}),
    "active": frozenset({"suspended", "expired"}),
    "suspended": frozenset({"active", "expired"}),
    "expired": frozenset(),
}
"""The states that may follow each state. An ``approved`` project is in force within its dates; ``expired`` is for
ever."""
IN_FORCE = frozenset({"approved", "active"})
FEW_PEOPLE = ("coarsen", "refuse")
"""What becomes of facts and codes that fewer than k people share."""
MOST_K = 1000
BASES = ("anonymised-in-context", "explicit-consent", "s251", "legal-requirement", "overriding-public-interest")
"""How the common law duty of confidence is met."""


@dataclass(frozen=True)
class Contributor:
    """One practice, trust or council that lets its rows leave for this project, from when to when."""

    ods: str
    agreement: str
    start: date
    end: date


@dataclass(frozen=True)
class Project:
    """What was approved. ``setting`` is ``in-sde`` or ``export`` (which states its basis); ``types`` are those its
    profile holds. At least ``k`` people share the facts and hold each code that leaves; where fewer do, ``few_people``
    says whether these are made coarser or the release is refused. A ``k`` of 1 asks nothing."""

    name: str
    purpose: str
    lawful_basis: str
    common_law_basis: str
    controller: str
    recipient: str
    people: tuple[str, ...]
    contributors: tuple[Contributor, ...]
    setting: str
    export_basis: str
    profile: str
    types: tuple[str, ...]
    disclosure: str
    key_version: int
    start: date
    end: date
    exclude_sensitive: bool = True
    k: int = DEFAULT_K
    few_people: str = "coarsen"

    def live(self, today: date) -> frozenset[str]:
        """The ODS codes of contributors whose agreements are in date."""
        return frozenset(
            contributor.ods for contributor in self.contributors if contributor.start <= today <= contributor.end
        )


_TEXTS = (
    "name",
    "purpose",
    "lawful_basis",
    "common_law_basis",
    "controller",
    "recipient",
    "setting",
    "profile",
    "disclosure",
)
_OTHERS = (
    "people",
    "contributors",
    "export_basis",
    "types",
    "key_version",
    "start",
    "end",
    "exclude_sensitive",
    "k",
    "few_people",
)
WAITS: dict[str, str] = {}
"""Fields that nothing asks yet, and the issue that will."""
_BOOKKEEPING = ("requested_by", "approvals")


def parse(document: dict[str, Any]) -> Project:
    """Read a project document. Raises ``Invalid`` naming the field that is missing, unknown or not allowed."""
    for name in document:
        if name not in (*_TEXTS, *_OTHERS, *_BOOKKEEPING):
            raise Invalid(
                f"project: {name} is not a field" if str(name).isidentifier() else "project: an unknown field"
            )
    texts = {name: _text(document.get(name), name) for name in _TEXTS}
    for name, allowed in (
        ("common_law_basis", BASES),
        ("setting", policy.SETTINGS),
        ("disclosure", disclosure.PROFILES),
    ):
        if texts[name] not in allowed:
            raise Invalid(f"project: {name}")
    export_basis = _text(document["export_basis"], "export_basis") if document.get("export_basis") else ""
    if texts["setting"] == "export" and not export_basis:
        raise Invalid("project: export_basis: access, not sharing, is the national default")
    start, end = _day(document.get("start"), "start"), _day(document.get("end"), "end")
    if end < start:
        raise Invalid("project: end")
    few_people = document.get("few_people", "coarsen")
    if few_people not in FEW_PEOPLE:
        raise Invalid("project: few_people")
    sensitive = document.get("exclude_sensitive", True)
    if not isinstance(sensitive, bool):
        raise Invalid("project: exclude_sensitive")
    return Project(
        **texts,
        people=_texts(document.get("people"), "people"),
        contributors=_contributors(document.get("contributors")),
        export_basis=export_basis,
        types=_types(document, texts),
        key_version=_whole(document.get("key_version", 1), "key_version"),
        start=start,
        end=end,
        exclude_sensitive=sensitive,
        k=_whole(document.get("k", DEFAULT_K), "k", MOST_K),
        few_people=few_people,
    )


def approve(state: str, document: dict[str, Any], by: str, now: datetime) -> tuple[str, dict[str, Any]]:
    """Add one person's approval; two different people, neither of them who asked, make it approved. Raises ``Refused``.

    Names that differ only in case or spaces are one person.
    """
    if state != "draft":
        raise Refused("only a draft is approved")
    requested_by = document.get("requested_by")
    if not isinstance(requested_by, str) or not folded(requested_by):
        raise Refused("a project without a requester cannot be approved")
    if not folded(by) or folded(by) == folded(requested_by):
        raise Refused("the requester of a project cannot approve it")
    approvals = list(document.get("approvals", ()))
    if folded(by) in {folded(approval["by"]) for approval in approvals}:
        raise Refused("the same person does not approve twice")
    approvals.append({"by": by.strip(), "at": now.astimezone(UTC).isoformat(timespec="seconds")})
    return ("approved" if len(approvals) >= APPROVERS else "draft"), {**document, "approvals": approvals}


def change(state: str, to: str, document: dict[str, Any], by: str) -> str:
    """Change the state of a project. Only ``approve`` approves a draft, and the requester cannot resume the project.
    Raises ``Refused`` where the table of states has no such step."""
    if to == "approved" or to not in STATES.get(state, frozenset()):
        raise Refused(f"a project that is {state} cannot become {to}" if to in STATES else "no such state")
    if to in IN_FORCE and folded(by) in ("", folded(document.get("requested_by", ""))):
        raise Refused("the requester of a project cannot resume it")
    return to


def require_in_force(project: Project, state: str, now: datetime) -> None:
    """Raise ``Refused`` unless the project is approved or active and today lies within its dates."""
    if state not in IN_FORCE:
        raise Refused(f"the project is {state}: no key, no export")
    if not project.start <= now.date() <= project.end:
        raise Refused("the project is not in date: no key, no export")


def _types(document: dict[str, Any], texts: dict[str, str]) -> tuple[str, ...]:
    """The types asked for, of those the profile holds; all of them where none are named."""
    try:
        held = policy.compiled(texts["profile"])
    except Refused:
        raise Invalid("project: profile") from None
    if texts["setting"] == "export" and policy.has_days(held):
        raise Invalid("project: profile: days never leave in an export")
    asked = _texts(document["types"], "types") if "types" in document else tuple(held)
    if not set(asked) <= set(held):
        raise Invalid("project: types")
    return asked


def _contributors(entries: object) -> tuple[Contributor, ...]:
    if not isinstance(entries, list) or not entries:
        raise Invalid("project: contributors")
    return tuple(map(_contributor, entries))


def _contributor(entry: object) -> Contributor:
    if not isinstance(entry, dict):
        raise Invalid("project: contributors")
    ods, agreement = (
        _text(entry.get("ods"), "contributors.ods"),
        _text(entry.get("agreement"), "contributors.agreement"),
    )
    if not (is_ods_code(ods) or is_council_code(ods)):
        raise Invalid("project: contributors.ods")
    start, end = _day(entry.get("from"), "contributors.from"), _day(entry.get("to"), "contributors.to")
    if end < start:
        raise Invalid("project: contributors.to")
    return Contributor(ods, agreement, start, end)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Invalid(f"project: {name}")
    return value.strip()


def _texts(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        raise Invalid(f"project: {name}")
    return tuple(_text(text, name) for text in value)


def _day(value: object, name: str) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise Invalid(f"project: {name}") from None


def _whole(value: object, name: str, most: int | None = None) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1 or (most is not None and value > most):
        raise Invalid(f"project: {name}")
    return value
