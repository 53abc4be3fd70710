"""A person is known to several sources: an answer that holds less than the whole says so."""

import pytest

from gateway.fhir.codes import NHS_NUMBER, SNOMED
from gateway.records import including, reading
from tests.api.people import ANN, SETS, observation, to, uid
from tests.toy import deliver, resource, row

BOUNDS_OF_INCLUDES = [(250, [3], False), (5, [2, 1], False), (3, [1, 1, 1], False), (1, [1, 1, 1], True)]
ANN_IS = f"{NHS_NUMBER}|{ANN}"


def outcomes(answer) -> list[str]:
    return [
        entry["resource"]["issue"][0]["diagnostics"]
        for entry in answer.json().get("entry", ())
        if entry["search"]["mode"] == "outcome"
    ]


@pytest.mark.hazard("HZ-API-02")
def test_a_search_on_one_record_tells_that_others_of_the_person_hold_more(clinic):
    assert outcomes(clinic.get("/fhir/Encounter", patient=uid(1))) == [reading.MORE_HELD]
    assert outcomes(clinic.get("/fhir/Encounter", **{"patient.identifier": ANN_IS})) == []
    assert outcomes(clinic.get("/fhir/Observation", patient=uid(1))) == []
    assert outcomes(clinic.get("/fhir/Observation", patient=uid(31))) == [reading.MORE_HELD]
    assert outcomes(clinic.get("/fhir/Observation", patient=uid(31), code="none")) == []


def test_a_note_tells_nothing_of_whom_the_caller_may_not_see(clinic):
    assert outcomes(clinic.get("/fhir/Encounter", patient=uid(21))) == []
    assert outcomes(clinic.get("/fhir/Encounter", patient=uid(9))) == []


@pytest.mark.hazard("HZ-API-02")
@pytest.mark.parametrize("asked", [{}, {"code": f"{SNOMED}|"}, {"code": f"{SNOMED}|x"}, {"encounter": uid(33)}])
@pytest.mark.parametrize("own", [31, 32, 35])
def test_no_search_tells_the_ward_that_a_person_whom_it_may_not_see_elsewhere_is_known_there(clinic, own, asked):
    answer = clinic.get(f"/fhir/Patient/{uid(own)}", "dr-ward")
    assert answer.status_code == 200 and "link" not in answer.json()
    assert outcomes(clinic.get("/fhir/Observation", "dr-ward", patient=uid(own), **asked)) == []


@pytest.mark.hazard("HZ-API-03")
def test_each_patient_leads_to_the_others_and_the_practices_stands_first(clinic):
    answer = clinic.get("/fhir/Patient", identifier=ANN_IS).json()
    assert [entry["resource"]["id"] for entry in answer["entry"]] == [uid(1), uid(31)]
    for id_, other in ((1, 31), (31, 1)):
        link = [{"other": {"reference": f"Patient/{uid(other)}"}, "type": "seealso"}]
        assert clinic.get(f"/fhir/Patient/{uid(id_)}").json()["link"] == link
        by_name = clinic.get("/fhir/Patient", family="ames", given="ann").json()["entry"]
        assert link in [entry["resource"]["link"] for entry in by_name]


@pytest.fixture
def reports(clinic):
    """Three reports of two results each."""
    rows = [
        row(
            f"report{n}",
            resource("DiagnosticReport", uid(300 + n), status="final", code={"text": "x"}, subject=to("Patient", 1),
                     result=[to("Observation", 400 + 2 * n), to("Observation", 401 + 2 * n)]),
            observation(400 + 2 * n, 1), observation(401 + 2 * n, 1),
        )
        for n in range(3)
    ]  # fmt: skip
    deliver(clinic.store, rows, SETS)
    return clinic


@pytest.mark.hazard("HZ-API-04")
@pytest.mark.parametrize(
    "most, sizes, is_told", [(250, [3], False), (5, [2, 1], False), (3, [1, 1, 1], False), (1, [1, 1, 1], True)]
)
def test_no_result_of_a_report_is_cut_without_a_word(reports, monkeypatch, most, sizes, is_told):
    monkeypatch.setattr(including, "MOST_INCLUDED", most)
    path = f"/fhir/DiagnosticReport?patient={uid(1)}&_include=DiagnosticReport:result"
    found, told, seen = [], [], set()
    while path:
        answer = reports.get(path)
        modes = [entry["search"]["mode"] for entry in answer.json()["entry"]]
        found.append(modes.count("match"))
        seen |= {entry["resource"]["id"] for entry in answer.json()["entry"] if entry["search"]["mode"] == "include"}
        told.append(reading.CUT in outcomes(answer))
        links = {link["relation"]: link["url"] for link in answer.json()["link"]}
        path = links.get("next")
    assert (found, set(told)) == (sizes, {is_told})
    assert is_told or len(seen) == 6


@pytest.mark.hazard("HZ-API-05")
def test_a_reference_to_another_server_finds_nobody_of_ours(clinic):
    assert clinic.found("/fhir/Observation", patient=f"https://elsewhere.example/fhir/Patient/{uid(1)}") == []
    assert clinic.found("/fhir/Observation", subject=f"urn:uuid:{uid(1)}") == []
    for name, value in (
        ("patient", f"http://127.0.0.1:8000/fhir/Patient/{uid(1)}"), ("subject:Patient", uid(1)), ("patient:Patient", f"Patient/{uid(1)}"),
    ):  # fmt: skip
        assert clinic.found("/fhir/Observation", **{name: value}) == [f"Observation/{uid(3)}"], name
    assert clinic.get("/fhir/Observation", patient=f"elsewhere/Patient/{uid(1)}").status_code == 400


@pytest.mark.hazard("HZ-API-06")
def test_a_sync_by_the_last_update_misses_nothing(clinic):
    moment = clinic.get(f"/fhir/Observation/{uid(3)}").json()["meta"]["lastUpdated"]
    found = {
        prefix: len(clinic.found("/fhir/Observation", patient=uid(1), _lastUpdated=prefix + moment))
        for prefix in ("eq", "ne", "ge", "le", "gt", "lt", "sa", "eb")
    }
    assert found == {"eq": 1, "ne": 0, "ge": 1, "le": 1, "gt": 0, "lt": 0, "sa": 0, "eb": 0}
