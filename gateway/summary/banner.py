"""The patient banner, as every page and print says it (NHS common user interface: patient banner, and how dates, ages
and numbers are shown)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from gateway.fhir.codes import NHS_NUMBER
from gateway.nhs import access, identifiers, kinds
from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.rows import day, months_before, shown_date

TITLES = {access.SHARED: "Shared record", access.SUMMARY: "Summary record"}
"""What page and document are called, by the view that was asked for."""
SEX = {"male": "Male", "female": "Female", "other": "Indeterminate"}
NAME_USES = ("official", "usual", "", "temp", "nickname", "anonymous", "maiden", "old")


@dataclass(frozen=True, slots=True)
class Banner:
    """Who this is, in words. ``age`` is the age now, or at a confirmed death. ``also`` says what other sources hold of
    this person that differs."""

    name: str
    born: str
    age: str
    sex: str
    number: str
    deceased: str
    is_confirmed: bool
    known_as: str
    address: str
    phone: str
    practice: str
    also: tuple[str, ...]

    def lines(self) -> list[tuple[str, str]]:
        """Everything but the name, each with its title; what is not known of address, phone and practice is left out,
        and an age at death stands with the death."""
        died = [("Died", self.died)] if self.deceased else []
        return [("Born", self.birth), *died, ("Sex", self.sex), ("NHS number", self.number), *self.more()]

    @property
    def birth(self) -> str:
        """The birth date, with the age of the living."""
        return self.born + (f" ({self.age})" if self.age and not self.is_confirmed else "")

    @property
    def died(self) -> str:
        """The death, with the age at a confirmed one."""
        return self.deceased + (f" (aged {self.age})" if self.age and self.is_confirmed else "")

    def more(self) -> list[tuple[str, str]]:
        """What helps to identify and reach the person, each with its title."""
        known = (
            ("Known as", self.known_as),
            ("Address", self.address),
            ("Phone", self.phone),
            ("Practice", self.practice),
        )
        return [(title, said) for title, said in known if said] + [("Also held as", said) for said in self.also]


def banner(record: Record) -> Banner:
    """The banner's words, from the best known Patient (the practice's where there is one); a death, from whoever knows
    of it; and how others hold the person, where that differs."""
    patient = record.patients[0].resource
    born, died = patient.get("birthDate", ""), _death(record)
    return Banner(
        name=name_line(patient),
        born=shown_date(born),
        age=age(born, _until(record, died)),
        sex=SEX.get(patient.get("gender", ""), "Not known"),
        number=next(_numbers(record), "not known"),
        deceased=_deceased(record, died),
        is_confirmed=record.died is not None or (died is not None and _confirms(died)),
        known_as=_known_as(patient),
        address=address_line(patient),
        phone=", ".join(phones(patient)),
        practice=" and ".join(_practices(record)),
        also=tuple(dict.fromkeys(_differing(record))),
    )


def _practices(record: Record) -> Iterator[str]:
    """Each practice with its telephone number, where that is held."""
    phones_ = (*record.practice_phones, *[""] * len(record.registered_at))
    return (", ".join(part for part in (name, phone) if part) for name, phone in zip(record.registered_at, phones_))


def _until(record: Record, died: Held | None) -> str:
    """The day to which an age is counted: today, or a confirmed death; "" where that has no exact day. A death that
    nobody confirmed does not stop it."""
    if died is not None and _confirms(died):
        return day(str(died.resource.get("deceasedDateTime", "")))
    return record.today.isoformat() if record.died is None else day(record.died)


def age(born: str, until: str) -> str:
    """An age as the NHS writes it, "" where either date is not exact.

    >>> age("2026-11-01", "2026-11-25"), age("2026-01-31", "2026-11-25")
    ('24d', '42w 4d')
    >>> age("2025-06-30", "2026-11-25"), age("2014-02-28", "2026-11-25")
    ('16m 26d', '12y 8m')
    >>> age("1948-09-12", "2026-09-11"), age("1948", "2026-09-11"), age("2026-11-25", "2026-11-24")
    ('77y', '', '')
    """
    if len(born) != 10 or len(until) != 10 or born > until:
        return ""
    start, end = date.fromisoformat(born), date.fromisoformat(until)
    days = (end - start).days
    months = (end.year - start.year) * 12 + end.month - start.month - (end.day < start.day)
    if days < 28:
        return f"{days}d"
    if months < 12:
        return f"{days // 7}w {days % 7}d"
    if months < 24:
        return f"{months}m {(end - date.fromisoformat(months_before(start, -months))).days}d"
    return f"{months // 12}y {months % 12}m" if months < 216 else f"{months // 12}y"


def _names(patient: dict[str, Any]) -> list[dict[str, Any]]:
    return sorted(
        patient.get("name", ()),
        key=lambda name: NAME_USES.index(name.get("use", "")) if name.get("use", "") in NAME_USES else 2,
    )


def name_line(patient: dict[str, Any]) -> str:
    """The best known name of a Patient, as the NHS writes it: SURNAME, Given (Title)."""
    names = _names(patient)
    if not names:
        return "NAME NOT KNOWN"
    name = names[0]
    family, first_names, title = (
        name.get("family", "").upper(),
        " ".join(name.get("given", ())),
        " ".join(name.get("prefix", ())),
    )
    said = ", ".join(part for part in (family, first_names) if part) or name.get("text", "") or "NAME NOT KNOWN"
    return said + (f" ({title})" if title else "")


def _known_as(patient: dict[str, Any]) -> str:
    """The name the person goes by, where it is not the one shown."""
    nicknames = (name for name in patient.get("name", ()) if name.get("use") in ("nickname", "usual"))
    said = (" ".join(name.get("given", ())) or name.get("text", "") for name in nicknames)
    shown = _names(patient)[0].get("given", ()) if patient.get("name") else ()
    return next((name for name in said if name and name != " ".join(shown)), "")


def address_line(patient: dict[str, Any]) -> str:
    """Where the person lives, as one line: not an old address, and home before others."""
    addresses = [address for address in patient.get("address", ()) if address.get("use") != "old"]
    if not addresses:
        return ""
    address = min(addresses, key=lambda address: address.get("use") != "home")
    parts = (
        *address.get("line", ()),
        address.get("city", ""),
        address.get("district", ""),
        address.get("postalCode", ""),
    )
    return ", ".join(dict.fromkeys(part for part in parts if part)) or address.get("text", "")


def phones(patient: dict[str, Any]) -> Iterator[str]:
    """The telephone numbers of a Patient or of a contact that are in use, each with what it is for."""
    for contact in patient.get("telecom", ()):
        if contact.get("system") == "phone" and contact.get("use") != "old" and contact.get("value"):
            yield contact["value"] + (f" ({contact['use']})" if contact.get("use") else "")


def _differing(record: Record) -> Iterator[str]:
    """How other sources hold the person where the name, the birth date or the sex is another: who is treated must be
    sure that they are one."""
    first, *others = record.patients
    for other in others:
        mine, theirs = _identity(first.resource), _identity(other.resource)
        said = [words for words, own in zip(theirs, mine) if words and words.casefold() != own.casefold()]
        if said:
            yield f"{', '.join(said)} by {other.publisher}"


def _identity(patient: dict[str, Any]) -> tuple[str, str, str]:
    name = _names(patient)[0] if patient.get("name") else {}
    held = ", ".join(part for part in (name.get("family", "").upper(), next(iter(name.get("given", ())), "")) if part)
    born, sex = patient.get("birthDate", ""), SEX.get(patient.get("gender", ""), "")
    return held, f"born {shown_date(born)}" if born else "", sex


def _numbers(record: Record) -> Iterator[str]:
    """The NHS numbers that can be one, of the Patient asked for first."""
    for held in record.patients:
        for identifier in held.resource.get("identifier", ()):
            if identifier.get("system") == NHS_NUMBER and identifiers.is_valid(identifier.get("value", "")):
                yield identifiers.spaced(identifier["value"])


def _death(record: Record) -> Held | None:
    """Return the Patient that records the death. The GP's comes first, because only the GP confirms a death."""
    dead = (
        held
        for held in record.patients
        if held.resource.get("deceasedDateTime") or held.resource.get("deceasedBoolean") is True
    )
    return min(dead, key=lambda held: not _confirms(held), default=None)


def _deceased(record: Record, died: Held | None) -> str:
    """A death in words. One that the practice recorded is told to who may see nothing else of the practice's."""
    if died is not None and _confirms(died):
        return shown_date(died.resource.get("deceasedDateTime", ""))
    if record.died is not None:
        return f"{shown_date(record.died)}, recorded by the GP practice"
    if died is None:
        return ""
    return f"reported by {died.publisher}, {shown_date(died.resource.get('deceasedDateTime', ''))}; not confirmed"


def _confirms(held: Held) -> bool:
    """Whether a Patient's death is confirmed by who says so: the practices, which register patients."""
    return kinds.of(held.kind).registers
