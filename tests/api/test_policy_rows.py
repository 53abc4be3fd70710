"""Every row of policy decides something: each has a test that fails without it, or names the issue it waits for."""

import ast
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from gateway import records
from gateway.errors import Unavailable
from gateway.export import approval, national_list
from gateway.fhir import params
from gateway.nhs import access, kinds, labels, project, roles, sandbox
from gateway.nhs.codesets import CodeSets
from gateway.records import open_door
from gateway.store.database import open_store
from tests.api.conftest import Api
from tests.api.people import ANN, EVERYTHING, SETS, fill, observation, patient, to, uid
from tests.export.conftest import document
from tests.toy import deliver, resource, row, says

ROOT = Path(__file__).parents[2]
ISSUES = {"Direct care", "Secondary use"}


# Roles: each row is removed, and what it allowed is refused at the front door


@pytest.fixture(scope="module")
def area(tmp_path_factory, data_dir) -> Api:
    """The practices and the trust, and a council that cares for Ann; the ward and the council have her permission."""
    folder = data_dir(tmp_path_factory.mktemp("area") / "data")
    store = open_store(f"sqlite:///{folder / 'gateway.db'}", create="sandbox")
    fill(store)
    care = resource("EpisodeOfCare", uid(52), status="active", patient=to("Patient", 51))
    council = row("ann", patient(51, ANN, "Ames", "Ann"), care, observation(53, 51), publisher="C")
    deliver(store, [says("C", 1, ods="990"), council], SETS, name="council", kind="social-care")
    api = Api(store, folder)
    for user in ("dr-ward", "social-worker"):
        assert api.permit(ANN, user).status_code == 201
    listed = folder / "optouts.csv"
    listed.write_text("9999999468\n")
    national_list.load(store, listed)
    approval.add(store, document("demo"), "asker")
    for name in ("guardian", "controller"):
        approval.approve(store, "demo", name)
    yield api
    api.close()
    store.close()


def _get(path: str, user: str) -> Callable[[Api], int]:
    return lambda api: api.get(path, user).status_code


def _permit(user: str, basis: str = "permission") -> Callable[[Api], int]:
    return lambda api: api.permit(ANN, user, basis).status_code


def _validate(user: str) -> Callable[[Api], int]:
    return lambda api: api.ask("POST", "/fhir/Patient/$validate", user, json={"resourceType": "Patient"}).status_code


SHARED = f"/fhir/Patient/$summary?identifier={ANN}"
SUMMARY = f"{SHARED}&view=summary"
ASKED: dict[tuple[frozenset[str], str], Callable[[Api], int]] = {
    (roles.CLINICIANS, "read"): _get(f"/fhir/Observation/{uid(3)}", "dr-green"),
    (roles.CLINICIANS, "summary"): _get(SUMMARY, "dr-ward"),
    (roles.CLINICIANS, "permit"): _permit("dr-ward"),
    (roles.PHARMACISTS, "summary"): _get(SUMMARY, "pharmacist"),
    (roles.SOCIAL_WORKERS, "summary"): _get(SUMMARY, "social-worker"),
    (roles.GUARDIANS, "audit"): _get("/alerts", "privacy-officer"),
    (roles.SYSTEM, "export"): lambda api: (
        api.get("/fhir/$export", "researcher", {"Prefer": "respond-async"}).status_code
    ),
    (roles.PHARMACISTS, "shared"): _get(SHARED, "pharmacist"),
    (roles.PHARMACISTS, "read"): _get(f"/fhir/Observation/{uid(3)}", "pharmacist"),
    (roles.PHARMACISTS, "permit"): _permit("pharmacist"),
    (roles.SOCIAL_WORKERS, "shared"): _get(SHARED, "social-worker"),
    (roles.SOCIAL_WORKERS, "read"): _get(f"/fhir/Observation/{uid(53)}", "social-worker"),
    (roles.SOCIAL_WORKERS, "permit"): _permit("social-worker"),
    (roles.CLINICIANS | roles.SOCIAL_WORKERS, "caseload"): _get("/fhir/Group", "social-worker"),
    (roles.OFFICE, "permit"): _permit("receptionist"),
    (roles.CLINICIANS | roles.PHARMACISTS, "break-glass"): _permit("dr-ward", "emergency"),
    (roles.CLINICIANS | roles.GUARDIANS, "override"): _permit("dr-ward", "statute"),
    (roles.OFFICE, "search"): _get("/fhir/Patient?family=ames&birthdate=1980-02-29&given=ann", "receptionist"),
    (roles.GUARDIANS, "history"): _get(f"/fhir/Observation/{uid(3)}/_history", "privacy-officer"),
    (roles.SUPPORT, "jobs"): _get("/metrics", "admin"),
    (roles.SUPPORT, "validate"): _validate("admin"),
    (roles.CLINICIANS, "validate"): _validate("dr-green"),
    (roles.SYSTEM, "create"): lambda api: (
        api.ask("POST", "/fhir/Patient", "tester", json={"resourceType": "Patient"}).status_code
    ),
    (roles.SYSTEM, "validate"): _validate("tester"),
    (roles.CITIZENS, "looked"): _get("/my/looked", "patient"),
    (roles.SYSTEM, "subscribe"): lambda api: api.get("/fhir/Subscription", "tester").status_code,
}
"""What each row allows, asked over HTTP by one who has it."""


@pytest.mark.parametrize("rule", [rule for rule in roles.RULES if not rule.waits], ids=lambda rule: rule.reason)
def test_what_a_rule_allows_is_refused_without_it(area, monkeypatch, rule):
    (ask,) = [ask for (group, act), ask in ASKED.items() if group == rule.roles and act in rule.acts]
    assert ask(area) in (200, 201, 202)
    monkeypatch.setattr(roles, "RULES", tuple(other for other in roles.RULES if other is not rule))
    roles._rules.cache_clear()
    try:
        assert ask(area) == 403
    finally:
        roles._rules.cache_clear()


# Sections: each type leaves its section, and is not found


READABLE = [
    (section, type_) for section, types in roles.SECTION_TYPES.items() for type_ in sorted(types) if type_ in params.SEARCHABLE
]  # fmt: skip


@pytest.mark.parametrize("section, type_", READABLE)
def test_a_type_is_found_by_its_section_and_by_nothing_else(everything, monkeypatch, section, type_):
    me, path = f"{type_}/{EVERYTHING[type_]['id']}", f"/fhir/{type_}?patient={uid(1)}"
    assert me in everything.found(path)
    monkeypatch.setitem(roles.SECTION_TYPES, section, roles.SECTION_TYPES[section] - {type_})
    roles._types.cache_clear()
    try:
        answer = everything.get(path)
        assert answer.status_code in (403, 404) or me not in answer.text
    finally:
        roles._types.cache_clear()


def test_no_section_is_without_a_readable_type():
    assert roles.SECTION_TYPES.keys() == {section for section, _ in READABLE}


# Rows that are enforced by a test of their own


ITEM = "tests/api/test_label_effects.py::test_a_label_does_this_to_its_item_and_nothing_else"
PATIENT = "tests/api/test_label_effects.py::test_a_label_of_the_patient_does_this_to_the_rest_of_the_record"
LABELS = {
    **dict.fromkeys(
        ("confidential", "not-to-patient", "restricted", "sensitive", "linked", "unclassified", "withheld", "legally-excluded", "type1",
         "sensitive-service"), ITEM,
    ),
    "sharing-objection": PATIENT,
    "summary-dissent": "tests/api/test_access.py::test_dissent_from_the_summary_takes_what_the_practice_recorded_out_of_both_documents",
    "summary-core-only": "tests/api/test_access.py::test_of_a_core_summary_no_more_is_shown_and_nothing_more_is_told_as_none",
    "blanked": "tests/api/test_access.py::test_an_allergy_stays_though_what_it_points_at_is_hidden_and_does_not_tell_of_it",
    "choice": "tests/nhs/test_sensitive.py::test_choices_lie_on_the_patient_only",
    "ambiguous-time": "tests/nhs/test_sensitive.py::test_the_sources_flags_become_bits_and_an_unknown_flag_closes",
}  # fmt: skip
REFUSALS = {
    "login": "tests/api/test_callers.py::test_nothing_of_anybody_is_answered_to_nobody",
    "role": "tests/api/test_callers.py::test_a_role_is_refused_before_anything_is_looked_up",
    "activity": "tests/nhs/test_access.py::test_what_depends_on_the_caller_alone_is_refused_before_any_look_up",
    "organisation": "tests/nhs/test_access.py::test_what_depends_on_the_caller_alone_is_refused_before_any_look_up",
    "scope": "tests/records/test_leaks.py::test_an_include_brings_no_type_that_the_scopes_do_not",
    "not-approved": "tests/api/test_export.py::test_only_an_approved_client_of_the_recipient_is_given_an_export",
    "no-relationship": "tests/api/test_access.py::test_permission_without_a_relationship_opens_nothing",
    "permission-refused": "tests/care/test_permission.py::test_what_was_recorded_opens_this_and_no_more",
    "deceased": "tests/nhs/test_access.py::test_the_practice_that_recorded_a_death_is_told_so_and_nobody_else_is",
    "code-sets": "tests/api/test_policy_rows.py::test_a_door_without_its_code_sets_answers_nobody",
    "ptv-required": "tests/api/test_access.py::test_without_relationship_and_permission_every_number_is_answered_alike",
    "not-found": "tests/api/test_access.py::test_what_is_not_yours_is_as_what_is_not_there",
    "no-record": "tests/api/test_access.py::test_after_permission_restricted_dissent_and_none_held_are_one_answer",
    "not-online": "tests/api/test_own_pages.py::test_where_nothing_is_shown_online_the_words_tell_no_reason",
}
IN_FORCE = "tests/export/test_export.py::test_no_project_or_one_not_approved_by_two_others_gets_nothing"
OUT_OF_DATE = "tests/export/test_export.py::test_a_project_out_of_date_gets_nothing"
AT_FAULT = "tests/nhs/test_project.py::test_a_document_at_fault_is_told_by_its_field_and_never_by_its_value"
OTHER_KEYS = "tests/export/test_export.py::test_another_project_has_other_pseudonyms_and_a_key_of_its_own"
APPROVED = "tests/api/test_export.py::test_only_an_approved_client_of_the_recipient_is_given_an_export"
PROJECT = {
    "people": APPROVED, "recipient": APPROVED,
    "name": OTHER_KEYS, "controller": OTHER_KEYS, "key_version": OTHER_KEYS, "start": OUT_OF_DATE, "end": OUT_OF_DATE,
    "purpose": AT_FAULT, "lawful_basis": AT_FAULT, "common_law_basis": AT_FAULT,
    "contributors": "tests/export/test_export.py::test_a_contributor_without_an_agreement_gives_nothing",
    "setting": "tests/nhs/test_project.py::test_an_export_states_its_basis",
    "export_basis": "tests/nhs/test_project.py::test_an_export_states_its_basis",
    "profile": "tests/test_canary.py::test_nothing_of_anybody_is_in_any_byte_of_an_export",
    "types": "tests/export/test_standing.py::test_types_asked_for_narrow_and_never_widen",
    "disclosure": "tests/export/test_export.py::test_small_counts_are_not_shown_to_the_recipient",
    "exclude_sensitive": ITEM,
    "k": "tests/export/test_crowding.py::test_at_least_k_people_share_every_set_of_facts_and_hold_every_code",
    "few_people": "tests/export/test_crowding.py::test_a_project_may_have_its_release_refused_instead",
}  # fmt: skip
"""Row → the test that fails without it."""


@cache
def _tests(path: str) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize("enforced", [LABELS, REFUSALS, PROJECT], ids=["labels", "refusals", "project"])
def test_the_tests_that_are_named_exist(enforced):
    for name, test in enforced.items():
        path, _, function = test.partition("::")
        assert function in _tests(path), f"{name}: {test} does not exist"


def test_every_row_is_enforced_or_waits():
    waiting = {label.name: label.waits for label in labels.LABELS if label.waits} | project.WAITS
    assert LABELS.keys() == {label.name for label in labels.LABELS} - waiting.keys()
    assert REFUSALS.keys() == access.REFUSALS.keys()
    assert PROJECT.keys() == {field.name for field in fields(project.Project)} - waiting.keys()
    assert set(waiting.values()) | {rule.waits for rule in roles.RULES} - {""} <= ISSUES


def test_what_waits_is_this_and_nothing_more():
    waiting = [f"{rule.waits}: {', '.join(sorted(rule.acts))}" for rule in roles.RULES if rule.waits]
    waiting += [f"{label.waits}: {label.name}" for label in labels.LABELS if label.waits]
    waiting += [f"{issue}: {name}" for name, issue in project.WAITS.items()]
    assert sorted(waiting) == [
        "Direct care: review", "Secondary use: export-admin",
    ]  # fmt: skip


def test_a_door_without_its_code_sets_answers_nobody(tmp_path):
    """A live store refuses to start without its code sets; a door that is opened all the same answers nobody."""
    store = open_store(f"sqlite:///{tmp_path / 'gateway.db'}", create="live")
    door = open_door(store, CodeSets())
    green = roles.caller_from_claims(sandbox.claims("dr-green"))
    for type_ in ("Patient", "Organization"):
        with pytest.raises(Unavailable):
            records.read(door, green, type_, uid(1), "r").open()
    with pytest.raises(Unavailable, match="code-sets"):
        records.check(door)
    door.audit.close()
    store.close()


def test_the_section_of_social_care_is_opened_of_social_care_only():
    assert {kind.name for kind in kinds.ROWS if kinds.opened_by({kinds.SOCIAL_CARE}, kind)} == {"social-care"}
