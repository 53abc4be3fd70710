"""Procedures, and the implants that they left: an implant comes first and is never cut off."""

from __future__ import annotations

import re
from typing import Any

from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.rows import Row, is_error, newest, notes, order, row, text, when

IMPLANT = "implant or device"
IMPLANTS = re.compile(
    r"\b(pacemaker|(cardioverter.?)?defibrillator|icd\b|crt-?[dp]\b|ppm\b|stent|implant|\w*prosthe|\w*arthroplast|coil(s|ing|ed)?\b|shunt|"
    r"stimulator|pump|port-?a-?cath|(hip|knee|shoulder|joint|elbow|ankle|disc|valve) replacement|intrauterine|iucd|iud\b|cochlear|"
    r"intra-?ocular lens|iol\b|graft|plate|internal fixation|intramedullary nail|nailing|dynamic hip screw|mesh|loop recorder|nerve device|"
    r"tavi\b|tavr\b|transcatheter (aortic|mitral|pulmonary|tricuspid)|e?t?evar\b|ventricular assist|lvad\b|clip(ping)? of .{0,80}aneurysm|"
    r"aneurysm clip|(cava|caval|ivc) filter|filter (insertion|placement)|(insertion|placement) of .{0,80}filter|replacement of (?!"
    r"(\w+ )?(dressing|plaster|cast|bandage|catheter|tube|bag|fluid|blood|electrolyte)))",
    re.IGNORECASE,
)  # fmt: skip
"""Words of what stays in the body, and matters for scanning, infection and resuscitation."""
TAKEN_OUT = re.compile(r"\b(remov|explant|extract|taking out)", re.IGNORECASE)
PUT_IN = re.compile(
    r"\b((re-?)?(insert(ion|ing)?|implant(ation|ing))|fitting|placement|siting)\b|\b(exchang|renew|revision|upgrad)|"
    r"\b(and|with|then|followed by) (re-?)?(replac|fit|plac|implant|insert)",
    re.IGNORECASE,
)
"""Words of something that is put in, in the name of a removal too: then one is there. "Replacement" alone may be the
name of what was taken out."""
STATUS = {
    "not-done": "NOT DONE", "preparation": "planned", "in-progress": "in progress", "on-hold": "on hold", "stopped": "stopped before its end",
    "unknown": "not known whether done",
}  # fmt: skip


def procedures(record: Record) -> list[Row]:
    """Every procedure that is no error, implants first; one that was not done is never shown as done."""
    rows = newest(_procedure(held) for held in record.of("Procedure") if not is_error(held.resource))
    return sorted(rows, key=lambda line: IMPLANT not in line.flags)


def is_implant(resource: dict[str, Any]) -> bool:
    """Whether a procedure left something in the body: it says so with a device, or in its name. A removal did not,
    unless something was put in with it.

    >>> [is_implant({"code": {"text": name}}) for name in ("Insertion of cardiac pacemaker", "Removal of stent")]
    [True, False]
    """
    name = text(resource.get("code"))
    return (
        _is_done(resource)
        and not _is_removal(name)
        and (bool(resource.get("focalDevice")) or bool(IMPLANTS.search(name)))
    )


def _is_done(resource: dict[str, Any]) -> bool:
    return resource.get("status") not in ("not-done", "preparation")


def _is_removal(name: str) -> bool:
    return TAKEN_OUT.search(name) is not None and PUT_IN.search(name) is None


def implant_words(name: str) -> frozenset[str]:
    """The words of a name that say what stays in the body.

    >>> sorted(implant_words("Removal of cardiac pacemaker system"))
    ['pacemaker']
    """
    return frozenset(match.group().casefold() for match in IMPLANTS.finditer(name))


def removals(record: Record) -> list[tuple[frozenset[str], str, str]]:
    """What was taken out: its words, when, and the procedure's name; the latest first."""
    names = (
        (text(held.resource.get("code")), when(held.resource))
        for held in record.of("Procedure")
        if not is_error(held.resource) and _is_done(held.resource)
    )
    taken = [(implant_words(name), at, name) for name, at in names if _is_removal(name)]
    return sorted(taken, key=lambda removal: order(removal[1]), reverse=True)


def _procedure(held: Held) -> Row:
    resource, status = held.resource, held.resource.get("status", "")
    site = ", ".join(filter(None, map(text, resource.get("bodySite", ()))))
    outcome, reason = text(resource.get("outcome")), text(resource.get("statusReason"))
    details = (site, f"outcome: {outcome}" if outcome else "", reason, notes(resource))
    flags = (IMPLANT if is_implant(resource) else "", STATUS.get(status, ""))
    return row(held, text(resource.get("code")), when(resource), details, flags)
