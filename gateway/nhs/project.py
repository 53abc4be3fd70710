"""A project: an approved use of de-identified data, and its way from draft to expiry. No approved, in-date project: no key, no export."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from gateway.errors import Invalid, Refused
from gateway.nhs import disclosure, pseudonym

STATES = {
    "draft": frozenset({"approved"}),
    "approved": frozenset({"active", "suspended", "expired"}),
    "active": frozenset({"suspended", "expired"}),
    "suspended": frozenset({"active", "expired"}),
    "expired": frozenset(),
}
"""What may follow what. ``approved`` becomes ``active`` by its dates."""
APPROVERS = 2
BASES = ("anonymised-in-context", "explicit-consent", "s251", "legal-requirement", "overriding-public-interest")


@dataclass(frozen=True)
class Contributor:
    """One practice, trust or council that lets its rows leave for this project, from when to when."""

    ods: str
    agreement: str
    start: date
    end: date


@dataclass(frozen=True)
class Project:
    """What was approved. ``setting`` is ``in-sde`` or ``export`` (which states its basis); ``types`` are those its profile holds."""

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

    def live(self, today: date) -> frozenset[str]:
        """The ODS codes of contributors whose agreements are in date."""
        return frozenset(each.ods for each in self.contributors if each.start <= today <= each.end)


_NEEDED = ("name", "purpose", "lawful_basis", "common_law_basis", "controller", "recipient", "setting", "profile", "disclosure")
_BOOKKEEPING = {"requested_by", "approvals"}


def parse(document: dict) -> Project:
    """Read a project document. Raises ``Invalid`` naming the field that is missing, unknown or not allowed."""
    known = {*_NEEDED, "people", "contributors", "export_basis", "types", "key_version", "start", "end", "exclude_sensitive"}
    for name in document:
        if name not in known | _BOOKKEEPING:
            raise Invalid(f"project: {name} is not a field" if name.isidentifier() else "project: an unknown field")
    for name in _NEEDED:
        if not isinstance(document.get(name), str) or not document[name].strip():
            raise Invalid(f"project: {name}")
    if document["common_law_basis"] not in BASES:
        raise Invalid("project: common_law_basis")
    if document["setting"] not in pseudonym.SETTINGS:
        raise Invalid("project: setting")
    if document["setting"] == "export" and not document.get("export_basis"):
        raise Invalid("project: export_basis: access, not sharing, is the national default")
    if document["disclosure"] not in disclosure.PROFILES:
        raise Invalid("project: disclosure")
    try:
        types = tuple(pseudonym.compiled(document["profile"]))
    except Refused:
        raise Invalid("project: profile") from None
    asked = tuple(document.get("types", types))
    if not set(asked) <= set(types):
        raise Invalid("project: types")
    if not document.get("people"):
        raise Invalid("project: people")
    return Project(
        **{name: document[name] for name in _NEEDED},
        people=tuple(document["people"]),
        contributors=tuple(_contributor(each) for each in document.get("contributors") or _none("contributors")),
        export_basis=document.get("export_basis", ""),
        types=asked,
        key_version=_whole(document.get("key_version", 1)),
        start=_day(document.get("start"), "start"),
        end=_day(document.get("end"), "end"),
        exclude_sensitive=document.get("exclude_sensitive", True) is not False,
    )


def approve(state: str, document: dict, by: str, now: datetime) -> tuple[str, dict]:
    """Add one person's approval; two different people, neither of them who asked, make it approved. Raises ``Refused``."""
    if state != "draft":
        raise Refused("only a draft is approved")
    if not by.strip() or by == document.get("requested_by"):
        raise Refused("who asks for a project does not approve it")
    approvals = list(document.get("approvals", ()))
    if by in {each["by"] for each in approvals}:
        raise Refused("the same person does not approve twice")
    approvals.append({"by": by, "at": now.astimezone(UTC).isoformat(timespec="seconds")})
    return ("approved" if len(approvals) >= APPROVERS else "draft"), {**document, "approvals": approvals}


def change(state: str, to: str) -> str:
    """Move a project on. Raises ``Refused`` where the table of states has no such step."""
    if to not in STATES.get(state, frozenset()):
        raise Refused(f"a project that is {state} cannot become {to}")
    return to


def require_in_force(project: Project, state: str, now: datetime) -> None:
    """Raise ``Refused`` unless the project is approved or active and today lies within its dates."""
    if state not in ("approved", "active"):
        raise Refused(f"the project is {state}: no key, no export")
    if not project.start <= now.date() <= project.end:
        raise Refused("the project is not in date: no key, no export")


def _contributor(each: dict) -> Contributor:
    if not isinstance(each, dict) or not each.get("ods") or not each.get("agreement"):
        raise Invalid("project: contributors: ods and agreement")
    return Contributor(each["ods"], each["agreement"], _day(each.get("from"), "contributors.from"), _day(each.get("to"), "contributors.to"))


def _none(name: str) -> list:
    raise Invalid(f"project: {name}")


def _day(value: object, name: str) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise Invalid(f"project: {name}") from None


def _whole(value: object) -> int:
    if not isinstance(value, int) or value < 1:
        raise Invalid("project: key_version")
    return value
