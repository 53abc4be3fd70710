"""A row that cannot be mapped but says that it is to be hidden hides what its group made before; mended, it is itself
again."""

import pytest

from gateway.intake import load
from gateway.nhs import labels
from gateway.store import labelling
from mappings import Feed, Group, Row, Values, sources
from tests.mappings import harness_emis as emis
from tests.mappings import harness_hl7v2 as hl7

PATIENT = {
    "PatientGuid": "{P1}", "OrganisationGuid": emis.PRACTICE, "Sex": "F", "DateOfBirth": "1960-01-15", "GivenName": "Ann", "Surname": "Marsh",
    "NhsNumber": "9990000018", "DateOfRegistration": "2001-05-05", "PatientTypeDescription": " Regular",
}  # fmt: skip


def labelled(store) -> dict[str, int]:
    with store.read() as session:
        return dict(session.rows("SELECT id, labels FROM head WHERE deleted = 0"))


def take(store, source: str, path, code_sets):
    return load.load(store, sources()[source], path, Feed(), code_sets, workers=0)


@pytest.mark.hazard("HZ-LOAD-05")
def test_a_restriction_does_not_wait_for_a_fault_beside_it_to_be_mended(store, tmp_path, code_sets):
    def send(day: int, **values: str):
        path = emis.write(tmp_path / str(day), [("Admin_Patient", {**PATIENT, **values})], time=f"202403{day}010000")
        return take(store, "emis", path, code_sets)

    assert not send(11).rejects
    assert not any(bits & labels.RESTRICTED for bits in labelled(store).values())
    with store.read() as session:
        before = labelling.label_seq(session)
    assert send(12, IsConfidential="true", DateOfBirth="1960-13-45").rejects
    assert labelled(store) and all(bits & labels.RESTRICTED for bits in labelled(store).values())
    with store.read() as session:
        assert labelling.label_seq(session) > before, "parts of exports cut before are cut again"
    assert not send(13).rejects
    assert not any(bits & labels.RESTRICTED for bits in labelled(store).values())


@pytest.mark.hazard("HZ-LOAD-05")
def test_a_fault_that_asks_for_nothing_hides_nothing(store, tmp_path, code_sets):
    for day, born in (("11", "1960-01-15"), ("12", "1960-13-45")):
        take(
            store,
            "emis",
            emis.write(
                tmp_path / day, [("Admin_Patient", {**PATIENT, "DateOfBirth": born})], time=f"202403{day}010000"
            ),
            code_sets,
        )
    assert not any(labelled(store).values())


@pytest.mark.parametrize(
    "source, table, values, expected",
    [
        ("emis", "CareRecord_Observation", {"IsConfidential": "True"}, True),
        ("emis", "CareRecord_Observation", {"IsConfidential": "false"}, False),
        ("emis", "Admin_Patient", {"SpineSensitive": "1"}, True),
        ("hl7v2", "ADT", {"message": hl7.adt("A08", "20250601", "ZU8||||1")}, True),
        ("hl7v2", "ADT", {"message": hl7.adt("A08", "20250601", "ZU8||||0")}, False),
        ("hl7v2", "ADT", {"message": hl7.adt("A08", "20250601")}, False),
        ("cld", "Person", {"Accommodation Status": "Refuge"}, True),
        ("cld", "Person", {"Accommodation Status": "Tenant"}, False),
    ],
)
def test_every_source_can_say_what_asks_to_be_hidden_without_mapping_it(source, table, values, expected):
    group = Group("g", "P", (Row(table, "k", "P", 1, Values(values)),))
    assert sources()[source].hides(group) is expected
