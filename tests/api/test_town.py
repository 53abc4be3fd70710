"""The synthetic people from all three sources, asked for over HTTP as a practice, a ward and a council would."""

import csv
import re

import pytest

from gateway.fhir import model, params

NUMBER = "https://fhir.nhs.uk/Id/nhs-number"


def of(made, role: str) -> dict[str, str]:
    return {"patient.identifier": f"{NUMBER}|{made.people[role].nhs_number}"}


def walk(api, path: str, user: str, **asked) -> list[bytes]:
    """The bytes of every page, by following ``next``."""
    pages, answer = [], api.get(path, user, **asked)
    while True:
        assert answer.status_code == 200, answer.text
        pages.append(answer.content)
        link = next((each["url"] for each in answer.json()["link"] if each["relation"] == "next"), None)
        if link is None:
            return pages
        answer = api.get(link.partition(":8000")[2], user)


@pytest.mark.parametrize("type_", params.PATIENT_TYPES)
def test_what_a_practice_finds_is_valid_complete_and_found_once(town, made, type_):
    pages = walk(town, f"/fhir/{type_}", "dr-green", **of(made, "demo"), _count="7")
    assert all(model.check(page) == [] for page in pages)
    found = [id_ for page in pages for id_ in re.findall(rb'"fullUrl":"[^"]*/([^"/]+)"', page)]
    total = town.get(f"/fhir/{type_}", **of(made, "demo"), _total="accurate", _count="1").json()["total"]
    assert len(found) == len(set(found)) == total


def test_every_resource_found_is_read_with_the_same_bytes(town, made):
    page = walk(town, "/fhir/Observation", "dr-green", **of(made, "demo"), _count="20")[0]
    for id_ in re.findall(rb'"fullUrl":"[^"]*/([^"/]+)"', page):
        body = town.get(f"/fhir/Observation/{id_.decode()}").content
        assert body in page and model.check(body) == []


def test_decimals_keep_the_digits_of_the_source(town, made):
    """Each result with a zero at its end that the practice wrote of somebody comes out with it."""
    (path,) = made.path("emis").glob("*CareRecord_Observation_*.csv")
    who = made.people["demo"].emis_patient
    with open(path, encoding="utf-8-sig", newline="") as file:
        written = {
            row["Value"]
            for row in csv.DictReader(file)
            if row["PatientGuid"] == who and row["Value"].endswith("0") and "." in row["Value"]
        }
    served = b"".join(walk(town, "/fhir/Observation", "dr-green", **of(made, "demo"), _count="250"))
    assert len(written) > 3
    assert written <= {value.decode() for value in re.findall(rb'"value":([\d.]+)[,}]', served)}


def test_the_ward_sees_its_own_then_all_after_permission_but_nothing_sensitive(town, made):
    number = made.people["demo"].nhs_number
    before = walk(town, "/fhir/Observation", "dr-ward", **of(made, "demo"), _count="250")
    assert town.permit(number, "dr-ward").status_code == 201
    after = walk(town, "/fhir/Observation", "dr-ward", **of(made, "demo"), _count="250")
    count = [sum(page.count(b'"mode":"match"') for page in pages) for pages in (before, after)]
    assert 0 < count[0] < count[1]
    assert b"urn:emis:A99001" in after[0] and b"urn:emis:" not in before[0]


@pytest.mark.parametrize("user", ["dr-green", "dr-ward", "social-worker", "receptionist"])
def test_a_restricted_person_is_found_by_nobody(town, made, user):
    who = made.people["restricted"]
    town.permit(who.nhs_number, user)
    answer = town.get("/fhir/Patient", user, identifier=f"{NUMBER}|{who.nhs_number}")
    assert answer.status_code == 403 and who.name.split()[-1] not in answer.text
    given, family = who.name.split()
    assert town.found("/fhir/Patient", user, family=family, given=given, birthdate=who.birth) == []


def test_the_directory_is_open_to_any_role_and_names_no_patient(town):
    roles = walk(town, "/fhir/PractitionerRole", "nurse-ward", _include="PractitionerRole:practitioner", _count="5")
    assert all(model.check(page) == [] for page in roles)
    assert b'"resourceType":"Practitioner"' in roles[0]
    assert town.get("/fhir/Practitioner", "receptionist", _count="1").status_code == 200
    assert town.get("/fhir/Organization", "researcher").status_code == 403


REFERENCE = re.compile(rb'"reference":"((?:Organization|Practitioner|PractitionerRole|Location|Slot|Schedule)/[^"]+)"')


def named(pages: list[bytes]) -> list[str]:
    return [name.decode() for page in pages for name in re.findall(rb'"fullUrl":"[^"]*/fhir/([^"]+)"', page)]


def searched(api, user: str, asked: dict[str, str]) -> set[str]:
    """What a person's searches of every type find, and what of the directory these lead to."""
    answers = {type_: api.get(f"/fhir/{type_}", user, **asked, _count="250") for type_ in params.PATIENT_TYPES}
    answers["Patient"] = api.get("/fhir/Patient", user, identifier=asked["patient.identifier"])
    bodies = [answer.content for answer in answers.values() if answer.status_code == 200]
    found, waiting = set(named(bodies)), [name.decode() for body in bodies for name in REFERENCE.findall(body)]
    for name in waiting:
        if name not in found and (answer := api.get(f"/fhir/{name}", user)).status_code == 200:
            found.add(name)
            waiting += [other.decode() for other in REFERENCE.findall(answer.content)]
    return found


@pytest.mark.hazard("HZ-API-07")
@pytest.mark.parametrize("user", ["dr-green", "dr-ward", "social-worker", "receptionist"])
def test_everything_is_what_every_search_finds_and_where_it_leads_each_once(town, made, user):
    for role in ("demo", "hospital") if "hospital" in made.people else ("demo",):
        asked = of(made, role)
        expected = searched(town, user, asked)
        patients = sorted(name for name in expected if name.startswith("Patient/"))
        for patient in patients:
            pages = walk(town, f"/fhir/{patient}/$everything", user, _count="17")
            found = named(pages)
            assert set(found) == expected and len(found) == len(expected)
            assert named(walk(town, f"/fhir/{patient}/$everything", user)) == found
        assert patients or user != "dr-green"
