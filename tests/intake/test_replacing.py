"""A whole delivery sent again: what it no longer has is counted, and deleted only where the operator asks for it."""

import pytest

from gateway.errors import Refused
from gateway.fhir import build
from gateway.intake import load
from gateway.intake.replacing import Replace
from gateway.store.database import open_store
from mappings import Feed, sources
from tests.mappings import harness_emis as emis

EMIS = sources()["emis"]
ASTHMA = {"CodeId": "1", "Term": "Asthma", "EmisCodeCategoryDescription": emis.CONDITIONS, "ReadTermId": "H33.."}


def observation(number: int, patient: str = "{P1}", **more: str) -> tuple[str, dict[str, str]]:
    row = {"ObservationGuid": f"{{O{number}}}", "CodeId": "1", "PatientGuid": patient, "Abnormal": "false"}
    return "CareRecord_Observation", emis.dated(**row, **more)


def patient(guid: str = "{P1}") -> tuple[str, dict[str, str]]:
    values = {"PatientGuid": guid, "Surname": "Marsh", "DateOfBirth": "1960-01-15", "DateOfRegistration": "2001-05-05"}
    return "Admin_Patient", emis.owned(**values, PatientTypeDescription="Regular")


CODES = ("Coding_ClinicalCode", ASTHMA)


@pytest.fixture
def take(new_store, tmp_path, code_sets):
    """Load rows as one extract after the other."""
    store = new_store()
    taken = []

    def take_rows(*rows, replace: Replace | None = None, feed: Feed | None = None, **more):
        taken.append(rows)
        folder = emis.write(tmp_path / str(len(taken)), rows, time=f"202404{len(taken):02d}010000", **more)
        return load.load(store, EMIS, folder, feed or Feed(), code_sets, workers=0, replace=replace)

    take_rows.store = store
    return take_rows


def held(store) -> dict[str, int]:
    counts: dict[str, int] = {}
    with store.read() as session:
        for (body,) in session.rows("SELECT v.body FROM head h JOIN version v ON v.key = h.body WHERE h.deleted = 0"):
            name = build.decode(body)["resourceType"]
            counts[name] = counts.get(name, 0) + 1
    return counts


@pytest.mark.hazard("HZ-EMIS-44")
def test_a_whole_delivery_deletes_what_it_lacks_where_that_is_asked_for(take):
    take(CODES, patient(), observation(1), observation(2))
    report = take(CODES, patient(), observation(1), replace=Replace())
    assert report.replaced is True and report.rows["gone"] == 1 and report.exit_code == 0
    assert held(take.store)["Condition"] == 1
    take(CODES, patient(), observation(1), observation(2))
    assert held(take.store)["Condition"] == 2, "a later row brings it back"


def test_a_deleted_row_does_not_come_back_with_an_older_delivery(take, code_sets, tmp_path):
    take(CODES, patient(), observation(1), observation(2))
    take(CODES, patient(), observation(1), replace=Replace())
    load.load(take.store, EMIS, tmp_path / "1", Feed(), code_sets, workers=0)
    assert held(take.store)["Condition"] == 1


@pytest.mark.hazard("HZ-EMIS-44")
def test_without_the_wish_it_is_only_counted(take):
    take(CODES, patient(), observation(1), observation(2))
    report = take(CODES, patient(), observation(1))
    assert report.as_dict()["absent"] == {"CareRecord_Observation": 1} and report.replaced is None
    assert held(take.store)["Condition"] == 2


def test_a_delivery_of_changes_is_not_taken_for_a_whole_one(take):
    take(CODES, *(patient(f"{{P{n}}}") for n in range(9)), *(observation(n, f"{{P{n}}}") for n in range(9)))
    assert not take(CODES, patient("{P1}"), observation(1)).absent


@pytest.mark.hazard("HZ-EMIS-45")
def test_a_part_of_a_delivery_deletes_nothing_until_the_number_is_confirmed(take):
    people = [patient(f"{{P{number}}}") for number in range(3)]
    take(CODES, *people, *(observation(number, f"{{P{number % 3}}}") for number in range(300)))
    some = [CODES, *people, *(observation(number, f"{{P{number % 3}}}") for number in range(150))]
    refused = take(*some, replace=Replace())
    assert refused.replaced is False and refused.exit_code == 1 and refused.absent.total() == 150
    assert held(take.store)["Condition"] == 300
    assert take(*some, replace=Replace(confirmed=149)).replaced is False
    agreed = take(*some, replace=Replace(confirmed=150))
    assert agreed.replaced is True and held(take.store)["Condition"] == 150


PEOPLE = [f"{{P{number}}}" for number in range(40)]
RECORD = [*map(patient, PEOPLE), *(observation(number, guid) for number, guid in enumerate(PEOPLE))]
DAMAGED = {
    "a table that is only a header": (RECORD[:40], {"CareRecord_Observation": 40}),
    "a table cut short": (RECORD[:50], {"CareRecord_Observation": 30}),
    "the patients' table cut short": (RECORD[30:], {"Admin_Patient": 30}),
    "all of one patient": ([*RECORD[1:40], *RECORD[41:]], {"patients": 1}),
}


@pytest.mark.hazard("HZ-EMIS-49")
@pytest.mark.parametrize(("sent", "emptied"), DAMAGED.values(), ids=DAMAGED)
def test_most_of_a_table_or_all_of_a_patient_is_deleted_only_by_the_confirmed_number(take, sent, emptied):
    take(CODES, *RECORD)
    before = held(take.store)
    refused = take(CODES, *sent, replace=Replace())
    assert refused.replaced is False and refused.exit_code == 1 and held(take.store) == before
    assert refused.as_dict()["emptied"] == emptied
    gone = refused.absent.total()
    assert take(CODES, *sent, replace=Replace(gone + 1)).replaced is False
    agreed = take(CODES, *sent, replace=Replace(gone))
    assert agreed.replaced is True and agreed.rows["gone"] == gone


@pytest.mark.hazard("HZ-EMIS-49")
def test_the_last_row_of_a_table_needs_the_number_too(take):
    take(CODES, patient(), observation(1))
    assert take(CODES, patient(), replace=Replace()).replaced is False
    assert held(take.store)["Condition"] == 1
    assert take(CODES, patient(), replace=Replace(1)).replaced is True


@pytest.mark.hazard("HZ-EMIS-49")
def test_a_delivery_that_lacks_a_table_is_refused(take, tmp_path, code_sets):
    take(CODES, *RECORD)
    before = held(take.store)
    folder = emis.write(tmp_path / "lacking", [CODES, *RECORD], time="20240601010000")
    next(folder.glob("*CareRecord_Observation_*")).unlink()
    with pytest.raises(Refused, match="missing from the extract"):
        load.load(take.store, EMIS, folder, Feed(), code_sets, workers=0, replace=Replace(40))
    assert held(take.store) == before


@pytest.mark.hazard("HZ-EMIS-45")
def test_nothing_is_deleted_where_a_row_could_not_be_read(take):
    take(CODES, patient(), observation(1), observation(2))
    report = take(CODES, patient(), observation(1), observation(3, ProcessingId="x"), replace=Replace())
    assert report.replaced is False and held(take.store)["Condition"] == 2


def test_another_practices_rows_are_not_touched(take):
    elsewhere = {"OrganisationGuid": "{0F30B81C-0000-4A05-89DF-58CC877FD719}"}
    other = ("CareRecord_Observation", {**observation(7)[1], **elsewhere})
    take(CODES, patient(), observation(1), other, ("Admin_Patient", {**patient()[1], **elsewhere}))
    take(CODES, patient(), observation(1), replace=Replace())
    assert held(take.store)["Condition"] == 2


@pytest.mark.parametrize(
    ("name", "feed"), [("emis", Feed(settings={"partial": True})), ("cld", Feed()), ("hl7v2", Feed())]
)
def test_where_absence_says_nothing_it_is_refused(new_store, tmp_path, code_sets, name, feed):
    with pytest.raises(Refused, match="--replace"):
        load.load(new_store(), sources()[name], tmp_path, feed, code_sets, replace=Replace())


@pytest.mark.hazard("HZ-EMIS-44")
def test_it_is_the_same_on_postgresql(postgres_schema_url, tmp_path, code_sets):
    store = open_store(postgres_schema_url, create="sandbox")
    shares = ("Agreements_SharingOrganisation", {"OrganisationGuid": emis.PRACTICE, "IsActivated": "true"})
    for number, rows in enumerate(((observation(1), observation(2)), (observation(1),))):
        folder = emis.write(
            tmp_path / str(number), [CODES, shares, patient(), *rows], time=f"2024040{number + 1}010000"
        )
        report = load.load(store, EMIS, folder, Feed(), code_sets, workers=0, replace=Replace() if number else None)
    assert report.replaced is True and held(store)["Condition"] == 1
    with store.read() as session:
        assert session.rows("SELECT state, count(*) FROM sharing GROUP BY state") == [("active", 1)]
    store.close()


def test_columns_that_nothing_reads_are_named(new_store, tmp_path, code_sets):
    folder = emis.write(tmp_path / "extract", [CODES, patient()])
    file = next(folder.glob("*Admin_Patient_*"))
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join(f'"{"NewColumn" if not n else "words"}",{line}' for n, line in enumerate(lines)) + "\n")
    report = load.load(new_store(), EMIS, folder, Feed(), code_sets, workers=0)
    assert report.as_dict()["unreadColumns"] == {"Admin_Patient NewColumn": 1}
