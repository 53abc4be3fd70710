"""Every resource type that is stored speaks in every table that must say something of it, or says why it does not."""

import ast
from functools import cache
from pathlib import Path

import pytest

from gateway.fhir import capability, params
from gateway.fhir.r4 import table as r4
from gateway.nhs import links, roles, sensitive, ukcore
from gateway.nhs.pseudonym import policy
from gateway.store.numbers import TYPES
from mappings.fhir import mapped
from tests.api.people import EVERYTHING

ROOT = Path(__file__).parents[1]


def elements(type_: str) -> set[str]:
    return {name for element in r4.types()[type_].elements for name in element.names}


def _dated() -> set[str]:
    return {type_ for type_ in TYPES if params.main_date(type_)}


def _summarised() -> set[str]:
    """The types that a selection of the summary reads, as its modules name them."""
    modules = (ROOT / "gateway/nhs/summary/sections").glob("*.py")
    return {"Patient"} | {
        node.value
        for path in modules
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in r4.resource_types()
    }


@cache
def tables() -> dict[str, set[str]]:
    """Table → the types that it speaks of."""
    statement = capability.statement("0", "http://x")["rest"][0]["resource"]
    return {
        "route (fhir.params.SEARCHABLE)": set(params.SEARCHABLE),
        "capability statement": {each["type"] for each in statement},
        "identifier (fhir.params.PARAMS)": {type_ for type_ in TYPES if "identifier" in params.searchable(type_)},
        "main date (fhir.params.PARAMS)": _dated(),
        "section (nhs.roles)": {"Patient"} | roles.DIRECTORY | roles.types_of(roles.SECTION_TYPES),
        "words (nhs.sensitive.CODED)": set(sensitive.CODED),
        "unreviewed (nhs.sensitive.WITHHELD_UNREVIEWED)": set(sensitive.WITHHELD_UNREVIEWED),
        "links (nhs.links.LINKS)": {link.type for link in links.LINKS},
        "summary (nhs.summary.sections)": _summarised(),
        "profile (nhs.ukcore.PROFILES)": set(ukcore.PROFILES),
        "export (nhs.pseudonym)": set(policy.compiled("sde-research")),
        "example (tests.api.people)": set(EVERYTHING),
    }


NO_SOURCE = {
    "Medication": "a medicine's code is in its request or statement",
    "CareTeam": "no delivery holds care teams",
    "DeviceRequest": "appliances come as medicines",
    "Device": "no delivery names devices",
    "List": "problem lists come as Conditions",
    "Communication": "no delivery holds messages",
    "Coverage": "the NHS asks for no insurance",
    "Group": "a cohort is a project's, and no source sends one",
    "HealthcareService": "a service is named by its Organization or Location",
    "Composition": "a summary is made at each request and stored nowhere",
    "Bundle": "an answer, stored nowhere",
    "QuestionnaireResponse": "assessments come as coded Observations",
    "ClinicalImpression": "impressions come as Conditions and Observations",
}
"""Type → why no source makes it. When one does, the type goes from here, and every table must speak of it."""

_ALL = frozenset(NO_SOURCE)
_NO_PATIENT = frozenset({"HealthcareService"})
_NO_RECORD = frozenset({"Bundle", "Coverage", "Device", "Group"})
_PEOPLE = frozenset({"CareTeam"})
WAITING: dict[str, dict[frozenset[str], str]] = {
    "route (fhir.params.SEARCHABLE)": {_ALL: "nothing is stored that could be asked for"},
    "capability statement": {_ALL - {"Group"}: "it tells of routes, and there is none"},
    "identifier (fhir.params.PARAMS)": {_ALL: "no route takes parameters of it"},
    "main date (fhir.params.PARAMS)": {_ALL: "no route takes parameters of it"},
    "section (nhs.roles)": {
        _NO_PATIENT: "about no patient",
        _NO_RECORD: "no section of a care record holds it",
        frozenset({"ClinicalImpression", "Communication", "Composition", "List"}): "no role's section names it yet, so no role sees it",
    },
    "words (nhs.sensitive.CODED)": {
        _NO_PATIENT | _NO_RECORD: "says nothing of a patient's care",
        _PEOPLE: "says who people are, and not what of",
        frozenset({"List"}): "its entries are judged themselves",
        frozenset({"Medication"}): "a medicine is never removed for a code that no set covers",
    },
    "unreviewed (nhs.sensitive.WITHHELD_UNREVIEWED)": {
        _NO_PATIENT | _NO_RECORD: "says nothing of a patient's care",
        _PEOPLE: "says who people are, and not what of",
        frozenset({"List"}): "its entries are judged themselves",
        frozenset({"Medication"}): "a medicine is never removed for a code that no set covers",
        frozenset({"DeviceRequest"}): "as ServiceRequest: its words and codes are judged",
    },
    "links (nhs.links.LINKS)": {
        _NO_PATIENT | _NO_RECORD: "holds no reference to a clinical item that is stored",
        frozenset({"Medication"}): "refers to no item of a record",
    },
    "summary (nhs.summary.sections)": {_ALL: "nothing is stored that a section could show"},
    "profile (nhs.ukcore.PROFILES)": {_ALL - {"Medication"}: "its constraints are checked when a source makes it"},
    "export (nhs.pseudonym)": {_ALL: "no policy of elements: what has none never leaves"},
    "example (tests.api.people)": {_ALL: "nothing is stored that an example could stand for"},
}  # fmt: skip
"""Table → types that no source makes → why the table says nothing of them. Every cell has its reason."""

DIRECTORY = dict.fromkeys(params.DIRECTORY_TYPES, "about no patient")
BY_TARGET = {"Provenance": "says how something came to be, and is hidden with it whatever hides that"}
KEPT = dict.fromkeys(links.KEPT_TYPES, "an allergy or medicine is never removed for a code that no set covers")
CONTACT = {"RelatedPerson": "says who people are, and not what of"}
EPISODE = {"EpisodeOfCare": "a registration or a service: its type is judged as sensitive codes are"}
NOT_HERE: dict[str, dict[str, str]] = {
    "identifier (fhir.params.PARAMS)": {"Provenance": "R4 gives it none"},
    "main date (fhir.params.PARAMS)": {
        **{type_: why for type_, why in DIRECTORY.items() if type_ not in params.BOOK_TYPES},
        "RelatedPerson": "R4 has no date parameter of when somebody was a relation",
        "Specimen": "R4 has no date parameter of its main date but collected, which no source sends"},
    "words (nhs.sensitive.CODED)": {
        **DIRECTORY, **KEPT, **BY_TARGET, **CONTACT, "Patient": "judged by its flag alone", "Consent": "a choice, read by nhs.optout"},
    "unreviewed (nhs.sensitive.WITHHELD_UNREVIEWED)": {
        **DIRECTORY, **KEPT, **EPISODE, **BY_TARGET, **CONTACT, "Appointment": "as Encounter", "Patient": "judged by its flag alone",
        "Consent": "a choice, read by nhs.optout",
        "Encounter": "where somebody was: sensitive services are a set of their own", "ServiceRequest": "as Encounter",
        "CarePlan": "as ServiceRequest: its words and codes are judged",
        "Immunization": "a missing immunisation harms",
    },
    "links (nhs.links.LINKS)": {**DIRECTORY, "RelatedPerson": "refers to its Patient only", "Patient": "its label is on everything of it", "Consent": "a choice, shown with nothing else"},
    "summary (nhs.summary.sections)": {
        **DIRECTORY,
        **dict.fromkeys(("FamilyMemberHistory", "Appointment"), "waits: Direct care"),
        "Provenance": "says who keyed in a row, which no reader of a summary asks",
        "Specimen": "shown with its result: waits: Direct care",
    },
    "export (nhs.pseudonym)": {
        **DIRECTORY,
        **dict.fromkeys(("Flag", "Consent", "CarePlan"), "about care of one person, of no use to research"),
        **dict.fromkeys(("FamilyMemberHistory", "RelatedPerson"), "speaks of relatives, who have not been asked"),
        "Specimen": "holds nothing that its result does not",
        "DocumentReference": "its content never leaves, and R4 has no document without content",
        "Appointment": "its times are instants, which nothing cuts, and its participants are staff beside the patient",
        "Provenance": "says what staff did, of no use to research",
    },
}  # fmt: skip
"""Table → type → why the table says nothing of it."""


def test_the_tables_are_of_types_that_are_stored():
    assert set(TYPES) <= r4.resource_types()
    for name, types in tables().items():
        # The contents of a Binary lie in its DocumentReference.
        known = types - {"MedicationDispense", "MedicationAdministration", "Binary"}
        spoken = {each.partition("-")[0] for each in known} if name.startswith("profile") else known
        assert spoken <= set(TYPES), f"{name}: {sorted(spoken - set(TYPES))} are stored nowhere"


@pytest.mark.parametrize("name", tables())
def test_every_type_speaks_in_the_table_or_says_why_not(name):
    reasons = NOT_HERE.get(name, {})
    silent = set(TYPES) - tables()[name] - NO_SOURCE.keys()
    assert silent <= reasons.keys(), f"{name} says nothing of {sorted(silent - reasons.keys())}"
    spoken = tables()[name] & reasons.keys()
    assert not spoken, f"{name} speaks of {sorted(spoken)}: the reason against it goes"


@pytest.mark.parametrize("name", tables())
def test_every_type_that_no_source_makes_has_its_reason_in_each_table_that_is_silent_of_it(name):
    reasons = [type_ for types in WAITING[name] for type_ in types]
    assert len(reasons) == len(set(reasons)), "one reason for each type"
    assert set(reasons) == NO_SOURCE.keys() - tables()[name]
    assert all(WAITING[name].values())


ONLY_READ = {
    ("fhir", "Bundle"): "what resources come in",
    ("fhir", "Medication"): "written into what refers to it",
    ("gp_connect", "Medication"): "written into what refers to it",
    ("gp_connect", "HealthcareService"): "shown by its name where a referral names it",
    ("gp_connect", "QuestionnaireResponse"): "its members are named by the group that refers to it",
    ("gp_connect", "List"): "says what is missing or gone, and where items stand",
}
"""Types that a source names because it reads them: it makes none."""


def test_no_source_makes_a_type_that_the_tables_do_not_speak_of():
    named = {
        (path.relative_to(ROOT / "mappings").parts[0], node.value)
        for path in (ROOT / "mappings").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert {pair for pair in named if pair[1] in NO_SOURCE} == ONLY_READ.keys()
    assert not mapped.TYPES & NO_SOURCE.keys()


@pytest.mark.parametrize("type_", sorted(set(TYPES) - NO_SOURCE.keys()))
def test_who_a_type_is_about_is_an_element_that_r4_has(type_):
    subject = params.subject(type_)
    if type_ in ("Patient", *params.DIRECTORY_TYPES):
        assert not subject
        return
    first, *rest = subject.split(".")
    (element,) = [element for element in r4.types()[type_].elements if element.name == first]
    for name in rest:
        (element,) = [each for each in r4.types()[element.names[element.name]].elements if each.name == name]
    assert not element.targets or "Patient" in element.targets


def test_there_is_one_list_of_types_about_nobody():
    assert set(params.DIRECTORY_TYPES) == roles.DIRECTORY
    assert all(not params.about(type_) for type_ in params.DIRECTORY_TYPES)
