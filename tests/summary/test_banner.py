"""The banner: a name, a birth date, an age, a sex and a number as the NHS writes them, and a death only as sure as who
reported it."""

import pytest

from gateway.summary.banner import age, banner
from tests.nhs.records import COUNCIL, TRUST, held, patient, record

NUMBER = "https://fhir.nhs.uk/Id/nhs-number"


def shown(*patients):
    return banner(record(patients=patients))


def test_the_banner_is_written_as_the_nhs_writes_it():
    found = shown(patient())
    assert (found.name, found.born, found.age, found.sex, found.number, found.deceased) == (
        "NORRIDGE, Joan Jean (Mrs)", "12-Sep-1948", "77y", "Female", "999 000 0018", "",
    )  # fmt: skip


@pytest.mark.parametrize(
    "names, said",
    [
        ([{"family": "Norridge"}], "NORRIDGE"),
        ([{"given": ["Joan"]}], "Joan"),
        ([{"text": "Joan Norridge"}], "Joan Norridge"),
        ([], "NAME NOT KNOWN"),
        ([{}], "NAME NOT KNOWN"),
        ([{"use": "maiden", "family": "Old"}, {"use": "official", "family": "New", "given": ["Jo"]}], "NEW, Jo"),
        ([{"use": "old", "family": "Old"}, {"family": "Plain"}], "PLAIN"),
        ([{"family": "O'Brien", "given": ["Zoë"], "prefix": ["Dr"]}], "O'BRIEN, Zoë (Dr)"),
    ],
)
def test_a_name_is_the_official_one_or_the_nearest_there_is(names, said):
    assert shown(patient(name=names)).name == said


@pytest.mark.parametrize(
    "born, until, said",
    [
        ("2026-03-14", "2026-03-15", "1d"),
        ("2026-02-16", "2026-03-15", "27d"),
        ("2026-02-15", "2026-03-15", "4w 0d"),
        ("2025-03-16", "2026-03-15", "52w 0d"),
        ("2025-03-15", "2026-03-15", "12m 0d"),
        ("2025-01-31", "2026-03-15", "13m 15d"),
        ("2024-03-15", "2026-03-15", "2y 0m"),
        ("2008-03-16", "2026-03-15", "17y 11m"),
        ("2008-03-15", "2026-03-15", "18y"),
        ("2008-02-29", "2026-02-28", "17y 11m"),
        ("1926-03-16", "2026-03-15", "99y"),
        ("1948-09", "2026-03-15", ""),
        ("1948", "2026-03-15", ""),
        ("", "2026-03-15", ""),
        ("2026-03-16", "2026-03-15", ""),
    ],
)
def test_an_age_is_in_the_unit_that_matters_at_that_age(born, until, said):
    assert age(born, until) == said


@pytest.mark.parametrize(
    "gender, said", [("male", "Male"), ("other", "Indeterminate"), ("unknown", "Not known"), (None, "Not known")]
)
def test_a_sex_that_is_not_known_is_not_guessed(gender, said):
    assert shown(patient(gender=gender)).sex == said


@pytest.mark.parametrize(
    "identifiers, said",
    [
        ([{"system": NUMBER, "value": "9990000018"}], "999 000 0018"),
        ([{"system": NUMBER, "value": "9990000019"}], "not known"),
        ([{"system": "urn:x", "value": "9990000018"}], "not known"),
        ([], "not known"),
    ],
)
def test_only_a_number_that_can_be_one_is_an_nhs_number(identifiers, said):
    assert shown(patient(identifier=identifiers)).number == said


def test_a_number_that_the_patient_asked_for_lacks_is_that_of_the_others():
    assert shown(patient(identifier=[]), held(patient(id="p2"), TRUST)).number == "999 000 0018"


@pytest.mark.hazard("HZ-SUMMARY-21")
@pytest.mark.parametrize(
    "patients, deceased, years",
    [
        ((patient(deceasedDateTime="2026-01-02"),), "02-Jan-2026", "77y"),
        ((patient(deceasedDateTime="2001-01-02T10:00:00+00:00"),), "02-Jan-2001", "52y"),
        ((patient(deceasedBoolean=True),), "date unknown", ""),
        ((patient(deceasedBoolean=False),), "", "77y"),
        ((held(patient(deceasedDateTime="2001-01-02"), TRUST),), f"reported by {TRUST}, 02-Jan-2001; not confirmed", "77y"),
        ((patient(), held(patient(id="p2", deceasedBoolean=True), COUNCIL)), f"reported by {COUNCIL}, date unknown; not confirmed", "77y"),
        (
            (held(patient(deceasedDateTime="2001-01-01"), TRUST), held(patient(id="p2", deceasedDateTime="2001-01-02"))),
            "02-Jan-2001", "52y",
        ),
    ],
)  # fmt: skip
def test_a_death_is_confirmed_by_the_gps_record_only(patients, deceased, years):
    found = shown(*patients)
    assert (found.deceased, found.age) == (deceased, years)


@pytest.mark.hazard("HZ-SUMMARY-34")
def test_what_others_hold_differently_is_said():
    other = patient(id="p2", name=[{"family": "Norrige", "given": ["Joan"]}], birthDate="1948-09-21")
    same = patient(id="p3", name=[{"family": "NORRIDGE", "given": ["Joan"]}])
    found = shown(patient(), held(other, COUNCIL), held(same, TRUST))
    assert found.also == (f"NORRIGE, Joan, born 21-Sep-1948 by {COUNCIL}",)
    assert ("Also held as", found.also[0]) in found.lines()


def test_a_death_that_the_practice_recorded_is_told_to_who_sees_nothing_of_it():
    found = banner(record(patients=(held(patient(), TRUST),), died="2001-01-02"))
    assert (found.deceased, found.died, found.birth) == (
        "02-Jan-2001, recorded by the GP practice", "02-Jan-2001, recorded by the GP practice (aged 52y)", "12-Sep-1948",
    )  # fmt: skip


def test_address_phone_and_the_name_gone_by_are_said_where_they_are_held():
    found = shown(
        patient(
            address=[
                {"use": "old", "line": ["Old Lane"]},
                {"use": "home", "line": ["1 Mill Lane"], "city": "Corveham", "postalCode": "ZA1 1AA"},
            ],
            telecom=[
                {"system": "phone", "value": "01632 960001", "use": "home"},
                {"system": "email", "value": "a@example.com"},
            ],
            name=[{"use": "official", "family": "Norridge", "given": ["Joan"]}, {"use": "nickname", "given": ["Jo"]}],
        )
    )
    assert (found.known_as, found.address, found.phone) == (
        "Jo",
        "1 Mill Lane, Corveham, ZA1 1AA",
        "01632 960001 (home)",
    )
