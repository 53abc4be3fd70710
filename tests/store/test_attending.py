"""Whom a publisher may be caring for: nobody is missed whom the facts could find, and no more is read than is asked."""

import pytest

from gateway.nhs import relationship
from gateway.store import attending, registry
from tests.api.people import HL7, patient, registered, to, uid
from tests.toy import deliver, resource, row, says

NOW = 1_772_000_000_000_000
"""2026-02-25."""
IMP = {"system": HL7 + "v3-ActCode", "code": "IMP"}


def care(type_: str, number: int, **elements) -> dict:
    about = {"patient" if type_ == "EpisodeOfCare" else "subject": to("Patient", number)}
    more = {"class_": IMP} if type_ == "Encounter" else {"intent": "order"} if type_ == "ServiceRequest" else {}
    return resource(type_, uid(100 + number), **about, **more, **elements)


CARE = {
    1: (care("Encounter", 1, status="in-progress", period={"start": "2026-02-01"}), True),
    2: (care("Encounter", 2, status="in-progress"), True),
    3: (care("Encounter", 3, status="in-progress", period={"start": "2026-02-01", "end": "2026-02-02"}), False),
    4: (care("Encounter", 4, status="finished", period={"start": "2026-02-01", "end": "2027-01-01"}), False),
    5: (care("EpisodeOfCare", 5, status="active", period={"start": "1990"}), True),
    6: (care("EpisodeOfCare", 6, status="active", period={"start": "1990", "end": "2000"}), False),
    7: (care("ServiceRequest", 7, status="active", authoredOn="2001-01-01"), True),
    8: (care("ServiceRequest", 8, status="completed", authoredOn="2026-02-01"), False),
    9: (registered(109, 9), True),
    11: (care("Encounter", 11, status="onleave", period={"start": "2026-02-01", "end": "2027-01-01"}), True),
    12: (care("Encounter", 12, status="finished", period={"start": "2010-01-01"}), False),
    13: (care("EpisodeOfCare", 13, status="finished", period={"start": "2010-01-01"}), True),
    10: (resource("Procedure", uid(110), status="completed", subject=to("Patient", 10)), False),
}  # fmt: skip
"""Patient → what there is of them, and whether they may be in care. Of a registration the facts ask no status."""


@pytest.fixture
def publisher(store) -> int:
    rows = [row(f"p{n}", patient(n, f"99900{n:05d}", "Ames", "Ann"), made) for n, (made, _) in CARE.items()]
    away = row("away", patient(50, "9990000050", "Ames", "Ann"), registered(150, 50), publisher="P2")
    deliver(store, [says("P1", 1, ods="A99001"), says("P2", 1, ods="A99002"), *rows, away])
    with store.read() as session:
        return next(row.key for row in registry.publishers(session).values() if row.ods == "A99001")


def test_those_with_open_care_are_found_and_nobody_of_another_publisher(store, publisher, monkeypatch):
    with store.read() as session:
        keys = dict(session.rows("SELECT patient, id FROM head WHERE type = 0"))
        found = {
            int(keys[patient][:8]) for patient in attending.patients(session, [publisher], NOW, relationship.ATTENDING)
        }
        assert found == {number for number, (_, is_open) in CARE.items() if is_open}
        assert attending.patients(session, [], NOW, relationship.ATTENDING) == set()
        monkeypatch.setattr(attending, "MOST_LOOKED_AT", 2)
        assert attending.patients(session, [publisher], NOW, relationship.ATTENDING) is None


def test_the_index_of_open_care_is_what_is_read(store, publisher):
    """On SQLite, which plans without counting rows."""
    if store.postgres:
        return
    with store.read() as session:
        plans: list[str] = []
        real = session.rows

        def explained(sql: str, *params: object) -> list:
            plans.append(" ".join(str(line[3]) for line in real(f"EXPLAIN QUERY PLAN {sql}", *params)))
            return real(sql, *params)

        session.rows = explained
        attending.patients(session, [publisher], NOW, relationship.ATTENDING)
    assert plans and all("head_attending" in plan and "SCAN head" not in plan for plan in plans), plans
