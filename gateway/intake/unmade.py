"""The audit of changes that were not made: who asked for what, of which ids, and whom those are about.

A refusal that is not audited would let somebody try ids until one is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import GatewayError, Invalid, Unavailable
from gateway.fhir import build, params, paths
from gateway.intake.change import Change
from gateway.intake.ownership import require_id
from gateway.nhs import access
from gateway.nhs.roles import Caller
from gateway.records import Door
from gateway.records.door import event
from gateway.store import resources
from gateway.store.mapped import Name
from gateway.store.resources import Stored


def refused(door: Door, caller: Caller, changes: Sequence[Change], fault: GatewayError, request_id: str) -> None:
    """Audit changes that were not made: one event for each kind of them, with the ids that they name and the patients
    whom those are about. Of an outage there is none, and nothing to audit."""
    if isinstance(fault, Unavailable):
        return
    outcome = f"not written: {type(fault).__name__}"
    patients = _patients_named(door, changes)
    for act, type_ in dict.fromkeys((change.act, change.type) for change in changes):
        mine = [change for change in changes if (change.act, change.type) == (act, type_)]
        criteria = [name for change in mine for name, _ in change.criteria or ()]
        said = event(caller, access.Act(act, type_), access.Decision(None), outcome, request_id, names=criteria)
        names = [f"{change.type}/{change.id}" for change in mine if _is_id(change.id)]
        whom = {patient for change in mine for patient in patients.get(change.name, ())}
        door.audit.record({**said, "resources": names, "patients": sorted(whom)})


def _is_id(id_: str) -> bool:
    """Whether an id may be told: it is one, and no NHS number."""
    try:
        require_id(id_)
    except Invalid:
        return False
    return True


def _patients_named(door: Door, changes: Sequence[Change]) -> dict[Name, set[str]]:
    """The patients whom what changes name is about, whoever recorded it, by the names of the changes."""
    named: dict[Name, set[str]] = {}
    with door.store.read() as session:
        for change in changes:
            if _is_id(change.id):
                named.setdefault(change.name, set()).update(about(resources.head_of(session, *change.name)))
    return named


def about(stored: Stored | None) -> set[str]:
    """The ids of the patients whom a resource is about as it stands."""
    if stored is None or stored.deleted:
        return set()
    if stored.type == "Patient":
        return {stored.id}
    element = params.subject(stored.type)
    references = paths.references(build.decode(stored.body), paths.path(element)) if element else []
    return {reference.rpartition("/")[2] for reference in references if reference.startswith("Patient/")}
