"""A project's document, its two approvers and its states."""

from datetime import UTC, date, datetime

import pytest

from gateway.errors import Invalid, Refused
from gateway.nhs.project import STATES, approve, change, parse, require_in_force

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
DOCUMENT = {
    "name": "asthma", "purpose": "Who is admitted", "lawful_basis": "6(1)(e), 9(2)(j)", "common_law_basis": "s251", "controller": "QH8",
    "recipient": "University", "people": ["Ann Marsh"], "setting": "in-sde", "profile": "minimal", "disclosure": "hes",
    "contributors": [{"ods": "A81001", "agreement": "DSA-1", "from": "2026-01-01", "to": "2026-12-31"}, {"ods": "503", "agreement": "DSA-2",
                      "from": "2026-01-01", "to": "2026-03-31"}],
    "start": "2026-01-01", "end": "2026-12-31",
}  # fmt: skip


def document(**given) -> dict:
    return {name: value for name, value in (DOCUMENT | given).items() if value is not None}


def test_a_document_becomes_a_project():
    found = parse(document())
    assert (found.types, found.key_version, found.exclude_sensitive) == (
        ("Patient", "Encounter", "Condition", "Observation"),
        1,
        True,
    )
    assert (
        found.live(date(2026, 2, 1)) == {"A81001", "503"}
        and found.live(date(2026, 5, 6)) == {"A81001"}
        and not found.live(date(2027, 1, 1))
    )


@pytest.mark.parametrize(
    "given, place",
    [
        *(({name: None}, name) for name in DOCUMENT),
        *(({name: " "}, name) for name in ("name", "purpose", "recipient", "controller")),
        ({"purpose": 3}, "purpose"),
        ({"common_law_basis": "we asked"}, "common_law_basis"),
        ({"setting": "anywhere"}, "setting"),
        ({"setting": "export"}, "export_basis"),
        ({"disclosure": "none"}, "disclosure"),
        ({"profile": "everything"}, "profile"),
        ({"types": ["Practitioner"]}, "types"),
        ({"types": "Patient"}, "types"),
        ({"types": []}, "types"),
        ({"people": "Ann Marsh"}, "people"),
        ({"people": []}, "people"),
        ({"people": [""]}, "people"),
        ({"contributors": []}, "contributors"),
        ({"contributors": ["A81001"]}, "contributors"),
        (
            {"contributors": [{"ods": "practice one", "agreement": "x", "from": "2026-01-01", "to": "2026-12-31"}]},
            "contributors.ods",
        ),
        ({"contributors": [{"ods": "A81001", "from": "2026-01-01", "to": "2026-12-31"}]}, "contributors.agreement"),
        (
            {"contributors": [{"ods": "A81001", "agreement": "x", "from": "2026-01-01", "to": "2025-12-31"}]},
            "contributors.to",
        ),
        ({"contributors": [{"ods": "A81001", "agreement": "x", "from": "2026-01-01"}]}, "contributors.to"),
        ({"key_version": 0}, "key_version"),
        ({"key_version": True}, "key_version"),
        ({"key_version": "1"}, "key_version"),
        ({"exclude_sensitive": "no"}, "exclude_sensitive"),
        ({"end": "2025-12-31"}, "end"),
        ({"start": "soon"}, "start"),
        ({"opt_outs": "none"}, "opt_outs is not a field"),
        ({"Ann Marsh": 1}, "an unknown field"),
    ],
)
def test_a_document_at_fault_is_told_by_its_field_and_never_by_its_value(given, place):
    with pytest.raises(Invalid) as fault:
        parse(document(**given))
    assert str(fault.value).startswith(f"project: {place}") and "Ann" not in str(fault.value)


def test_an_export_states_its_basis():
    assert parse(document(setting="export", export_basis="trial sponsor")).export_basis == "trial sponsor"


def test_two_different_people_neither_of_whom_asked_make_a_project_approved():
    state, found = approve("draft", document(requested_by="Ann"), "Bob", NOW)
    assert state == "draft"
    state, found = approve(state, found, " Carol", NOW)
    assert state == "approved" and [each["by"] for each in found["approvals"]] == ["Bob", "Carol"]
    parse(found)


@pytest.mark.parametrize(
    "state, given, by",
    [
        ("draft", {"requested_by": "Ann"}, "Ann"),
        ("draft", {"requested_by": "Ann"}, " ann "),
        ("draft", {"requested_by": "Ann"}, " "),
        ("draft", {"requested_by": "Ann", "approvals": [{"by": "Bob", "at": ""}]}, "bob"),
        ("draft", {}, "Bob"),
        ("draft", {"requested_by": " "}, "Bob"),
        ("approved", {"requested_by": "Ann"}, "Bob"),
        ("expired", {"requested_by": "Ann"}, "Bob"),
    ],
)
def test_nobody_approves_alone_twice_or_what_is_no_draft(state, given, by):
    with pytest.raises(Refused):
        approve(state, document(**given), by, NOW)


def test_an_approval_leaves_the_document_it_was_given_as_it_was():
    given = document(requested_by="Ann", approvals=[])
    approve("draft", given, "Bob", NOW)
    assert given["approvals"] == []


ASKED = {"requested_by": "Ann"}
STEPS = {
    ("approved", "active"), ("approved", "suspended"), ("approved", "expired"), ("active", "suspended"), ("active", "expired"),
    ("suspended", "active"), ("suspended", "expired"),
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("to", [*STATES, "deleted"])
def test_a_project_moves_by_the_table_and_is_never_approved_without_approvers(state, to):
    if (state, to) in STEPS:
        assert change(state, to, ASKED, "Bob") == to
    else:
        with pytest.raises(Refused):
            change(state, to, ASKED, "Bob")


@pytest.mark.parametrize("by", ["Ann", " ANN", "", " "])
def test_who_asked_may_stop_a_project_and_not_start_it_again(by):
    assert change("active", "suspended", ASKED, by) == "suspended"
    with pytest.raises(Refused, match="cannot resume it"):
        change("suspended", "active", ASKED, by)


@pytest.mark.parametrize(
    "state, when, in_force",
    [
        ("approved", NOW, True),
        ("active", NOW, True),
        ("draft", NOW, False),
        ("suspended", NOW, False),
        ("expired", NOW, False),
        ("active", datetime(2025, 12, 31, 23, tzinfo=UTC), False),
        ("active", datetime(2027, 1, 1, tzinfo=UTC), False),
        ("active", datetime(2026, 12, 31, 23, tzinfo=UTC), True),
    ],
)
def test_no_key_without_an_approved_project_in_date(state, when, in_force):
    if in_force:
        require_in_force(parse(document()), state, when)
    else:
        with pytest.raises(Refused, match="no key, no export"):
            require_in_force(parse(document()), state, when)
