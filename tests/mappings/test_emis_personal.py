"""Ethnic category, language and interpreter: coded entries in EMIS, elements of the Patient in FHIR."""

import pytest

from mappings.emis import SOURCE
from mappings.emis.personal import beginnings
from mappings.vocabulary import ETHNIC_CATEGORY
from tests.mappings.harness import faults, map_all
from tests.mappings.harness_emis import dated, owned, qualifier, write

CODES = {
    "1": {"Term": "White British - ethnic category 2001 census", "ReadTermId": "9i00.00", "EmisCodeCategoryDescription": "Ethnicity"},
    "2": {"Term": "Pakistani or British Pakistani", "ReadTermId": "9i8..00", "EmisCodeCategoryDescription": "Ethnicity"},
    "3": {"Term": "Ethnic category - 2001 census", "ReadTermId": "9i...00", "EmisCodeCategoryDescription": "Ethnicity"},
    "4": {"Term": "Main spoken language Polish", "ReadTermId": "13l5.00", "EmisCodeCategoryDescription": "Personal Health and Social"},
    "5": {"Term": "Main spoken language Kashubian", "EmisCodeCategoryDescription": "Personal Health and Social"},
    "6": {"Term": "Interpreter needed", "SnomedCTConceptId": "315594003", "EmisCodeCategoryDescription": "Administration"},
    "7": {"Term": "Interpreter not needed", "SnomedCTConceptId": "315595002", "EmisCodeCategoryDescription": "Administration"},
    "8": {"Term": "Asthma", "ReadTermId": "H33..00", "EmisCodeCategoryDescription": "Conditions, operations and procedures"},
}  # fmt: skip
PERSON = {"PatientGuid": "{P1}", "Sex": "F", "GivenName": "Ann", "Surname": "Marsh", "NhsNumber": "9990000018",
          "DateOfBirth": "1960-01-15", "DateOfRegistration": "2001-05-05", "PatientTypeDescription": "Regular"}  # fmt: skip


def delivery(folder, *entries: dict[str, str], time: str = "20240312010000"):
    codes = [("Coding_ClinicalCode", {"CodeId": code, **values}) for code, values in CODES.items()]
    told = [("CareRecord_Observation", dated(**{"ObservationGuid": f"{{O{number}}}", "Abnormal": "false", **entry}))
            for number, entry in enumerate(entries)]  # fmt: skip
    return write(folder / time, [*codes, ("Admin_Patient", owned(**PERSON)), *told], time)


def person(folder, *entries: dict[str, str]):
    delivery(folder, *entries)
    (made,) = map_all(SOURCE, folder).resources("Patient")
    assert faults([made]) == []
    return made


def said(patient) -> dict[str, object]:
    """What a Patient says of its person, by the end of each element's name."""
    answer: dict[str, object] = {}
    for extension in patient.get("extension", ()):
        name = extension["url"].rpartition("-")[2]
        answer[name] = extension.get(
            "valueBoolean", extension.get("valueCodeableConcept", {}).get("coding", [{}])[0].get("code")
        )
    for spoken in patient.get("communication", ()):
        answer["language"] = (spoken["language"].get("coding", [{}])[0].get("code"), spoken["language"]["text"])
    return answer


ON = "EffectiveDate"
CASES = [
    ("an ethnicity", [{"CodeId": "1"}], {"EthnicCategory": "A"}),
    ("the newer of two", [{"CodeId": "2", ON: "2024-01-01"}, {"CodeId": "1", ON: "2010-01-01"}], {"EthnicCategory": "J"}),
    ("a heading after it names none", [{"CodeId": "1", ON: "2010-01-01"}, {"CodeId": "3", ON: "2024-01-01"}], {"EthnicCategory": "A"}),
    ("a confidential one is not told", [{"CodeId": "1", "IsConfidential": "true"}], {}),
    ("a denied one is not told", [{"CodeId": "1", "Qualifiers": qualifier("Presence", "Absent")}], {}),
    ("a language", [{"CodeId": "4"}], {"language": ("pl", "Polish")}),
    ("one that the table lacks", [{"CodeId": "5"}], {"language": (None, "Kashubian")}),
    ("an interpreter", [{"CodeId": "6"}], {"interpreterRequired": True}),
    ("none is needed since", [{"CodeId": "6", ON: "2010-01-01"}, {"CodeId": "7", ON: "2024-01-01"}], {"interpreterRequired": False}),
    ("all of them", [{"CodeId": "2"}, {"CodeId": "4"}, {"CodeId": "6"}],
     {"EthnicCategory": "J", "language": ("pl", "Polish"), "interpreterRequired": True}),
    ("an illness", [{"CodeId": "8"}], {}),
]  # fmt: skip


@pytest.mark.hazard("HZ-EMIS-61")
@pytest.mark.parametrize("entries, told", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_coded_entries_say_of_a_person_is_on_the_patient(tmp_path, entries, told):
    patient = person(tmp_path, *entries)
    assert said(patient) == told
    for extension in patient.get("extension", ()):
        assert (
            extension.get("valueCodeableConcept", {"coding": [{"system": ETHNIC_CATEGORY}]})["coding"][0]["system"]
            == ETHNIC_CATEGORY
        )


@pytest.mark.hazard("HZ-EMIS-61")
def test_an_entry_that_is_deleted_or_becomes_confidential_is_off_the_patient(tmp_path):
    for name, later in (("deleted", {"Deleted": "true"}), ("confidential", {"CodeId": "1", "IsConfidential": "true"})):
        delivery(tmp_path / name, {"CodeId": "1"})
        write(
            tmp_path / name / "later",
            [("CareRecord_Observation", owned(ObservationGuid="{O0}", **later) if name == "deleted" else dated(ObservationGuid="{O0}", **later))],
            "20240313010000",
        )  # fmt: skip
        (patient,) = map_all(SOURCE, tmp_path / name).resources("Patient")
        assert said(patient) == {}, name


@pytest.mark.hazard("HZ-EMIS-64")
def test_a_patient_does_not_wait_for_the_date_of_an_ethnicity(tmp_path):
    delivery(tmp_path, {"CodeId": "1", ON: "2024-02-31"}, {"CodeId": "4"})
    answer = map_all(SOURCE, tmp_path)
    (patient,) = answer.resources("Patient")
    assert said(patient) == {"language": ("pl", "Polish")} and list(answer.faults.values()) == ["column EffectiveDate"]


@pytest.mark.hazard("HZ-EMIS-61")
def test_of_two_ethnicities_of_one_day_the_one_that_was_entered_last_counts_whichever_is_sent_again(tmp_path):
    first = {"ObservationGuid": "{O1}", "CodeId": "1", "EnteredDate": "2024-03-11", "EnteredTime": "09:00:00"}
    last = {"ObservationGuid": "{O0}", "CodeId": "2", "EnteredDate": "2024-03-11", "EnteredTime": "10:00:00"}
    for name, entries in {"first": (first, last), "last": (last, first)}.items():
        delivery(tmp_path / name, *entries)
        delivery(tmp_path / name, entries[0], time="20240313010000")
        (patient,) = map_all(SOURCE, tmp_path / name).resources("Patient")
        assert said(patient) == {"EthnicCategory": "J"}, name


def test_every_category_of_the_data_dictionary_has_its_beginnings():
    assert {category for category, _ in beginnings().values()} == {*"ABCDEFGHJKLMNPRSZ", ""}
