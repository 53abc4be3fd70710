"""The access decision: who sees what, and what a refusal looks like."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.fhir.search import Whose
from gateway.nhs import access, labels, links, roles, sandbox
from gateway.nhs.access import Act, Facts, PatientFact, Permission, decide
from tests.effects import BIT, EFFECTS, HIDDEN_ALWAYS, HIDDEN_FROM_OTHERS

GOLDEN = Path(__file__).parents[1] / "golden" / "access.txt"
GP, TRUST, COUNCIL, OTHER = 10, 20, 30, 40
ODS = {GP: sandbox.PRACTICE, TRUST: sandbox.TRUST, COUNCIL: sandbox.COUNCIL, OTHER: sandbox.OTHER_PRACTICE}
ACTIVE = frozenset(ODS)
NOW = 1_700_000_000_000_000
USERS = {user: roles.caller_from_claims(sandbox.claims(user)) for user in sandbox.USERS}
GREEN, ELSEWHERE, WARD = USERS["dr-green"], USERS["dr-other"], USERS["dr-ward"]

PERSON = (
    PatientFact("gp", 1, GP, ODS[GP], "gp", grade="registered", registered=True),
    PatientFact("hospital", 2, TRUST, ODS[TRUST], "hospital", grade="verified", attending=True),
    PatientFact("council", 3, COUNCIL, ODS[COUNCIL], "social-care", attending=True),
)


def facts(caller, patients=PERSON, *, permitted=True, **changes):
    own = frozenset(key for key, ods in ODS.items() if ods == caller.organisation)
    permission = Permission("permission", NOW + 1, caller.organisation) if permitted else None
    made = Facts(patients, patients, (1,) if patients else (), own, ACTIVE, permission, False, (), NOW)
    return replace(made, **changes)


def labelled(bits, which=0, patients=PERSON):
    return tuple(replace(each, labels=bits) if number == which else each for number, each in enumerate(patients))


def visible(decision, resource_type, publisher, kind, bits=0):
    """What the store does with limits, in three lines."""
    return decision.refusal is None and any(
        resource_type in allow.types
        and publisher in allow.publishers
        and (allow.kinds is None or kind in allow.kinds)
        and not allow.hidden & bits
        for allow in decision.limits.allow
    )


@pytest.mark.hazard("HZ-EMIS-43")
def test_a_practice_sees_its_own_part_of_the_summary_of_a_temporary_resident():
    """With permission, and nothing of what the registered practice or anybody else would not show."""
    visitor = PatientFact("visitor", 4, OTHER, ODS[OTHER], "gp", grade="claimed", attending=True)
    people = (*PERSON, visitor)
    allowed = decide(ELSEWHERE, Act("summary", "Patient", True), facts(ELSEWHERE, people))
    assert visible(allowed, "AllergyIntolerance", OTHER, "gp") and visible(allowed, "AllergyIntolerance", GP, "gp")
    assert decide(ELSEWHERE, Act("summary", "Patient", True), facts(ELSEWHERE, people, permitted=False)).refusal
    from_here = decide(GREEN, Act("summary", "Patient", True), facts(GREEN, people))
    assert not visible(from_here, "AllergyIntolerance", OTHER, "gp")


# Steps 0 to 2: the caller alone


@pytest.mark.parametrize(
    "caller, act, code",
    [
        (USERS["no-role"], Act("search", "Observation", True), "login"),
        (replace(GREEN, user=""), Act("search", "Observation", True), "login"),
        (replace(USERS["researcher"], project=""), Act("export"), "login"),
        (replace(GREEN, role="R9999"), Act("search", "Observation", True), "role"),
        (replace(GREEN, activities=frozenset()), Act("search", "Observation", True), "activity"),
        (replace(GREEN, activities=frozenset({"B0360"})), Act("summary", "Patient", True), "activity"),
        (replace(GREEN, activities=frozenset({"B0370"})), Act("search", "Observation", True), "activity"),
        (replace(GREEN, organisation=""), Act("search", "Observation", True), "organisation"),
        (replace(GREEN, scopes=frozenset({"user/Patient.rs"})), Act("search", "Observation", True), "scope"),
        (USERS["receptionist"], Act("summary", "Patient", True), "role"),
        (USERS["receptionist"], Act("search", "Observation", True), "role"),
        (USERS["social-worker"], Act("search", "Procedure", True), "role"),
        (USERS["student"], Act("summary", "Patient", True), "role"),
        (USERS["privacy-officer"], Act("read", "Patient"), "role"),
        (USERS["admin"], Act("search", "Patient", True), "role"),
        (USERS["researcher"], Act("search", "Patient", True), "role"),
        (GREEN, Act("audit"), "role"),
        (GREEN, Act("export"), "role"),
        (GREEN, Act("no such act", "Patient"), "role"),
        (GREEN, Act("search", "NoSuchType", True), "role"),
    ],
)
def test_what_depends_on_the_caller_alone_is_refused_before_any_look_up(caller, act, code):
    for about in (facts(caller), Facts.of_nobody(NOW), facts(caller, labelled(labels.RESTRICTED)), facts(caller, ())):
        decision = decide(caller, act, about)
        assert decision.refusal == access.before_lookup(caller, act, about) == access.REFUSALS[code]
        assert decision.refusal.before_lookup and decision.refusal.status in (401, 403)
        assert not decision.limits.allow and not decision.facts.patients


def test_a_live_store_without_its_code_sets_answers_nobody():
    for act in (Act("summary", "Patient", True), Act("read", "Organization")):
        assert decide(GREEN, act, facts(GREEN, live=True, missing=("legal",))).refusal.status == 503
    assert decide(GREEN, Act("summary", "Patient", True), facts(GREEN, live=False, missing=("legal",))).refusal is None


def test_facts_nobody_filled_in_refuse():
    assert decide(GREEN, Act("summary", "Patient", True), Facts()).refusal.status == 503


# Steps 3 and 4: own record, relationship, permission


NOT_BOTH = {
    "nobody": facts(WARD, (), permitted=False),
    "known elsewhere only": facts(WARD, PERSON[:1]),
    "known elsewhere only, restricted": facts(WARD, labelled(labels.RESTRICTED)[:1]),
    "known elsewhere only, dissent": facts(WARD, labelled(labels.SUMMARY_DISSENT | labels.OBJECTION)[:1]),
    "known elsewhere only, dead": facts(WARD, (replace(PERSON[0], deceased=True),)),
    "permission of another number of theirs": facts(WARD, (PERSON[0], replace(PERSON[1], attending=False))),
    "relationship without permission": facts(WARD, permitted=False),
    "relationship, permission of a number that is not surely theirs": facts(WARD, permitted=False, recorded=True),
    "another organisation's permission": facts(WARD, permission=Permission("permission", NOW + 1, ODS[GP])),
    "permission has ended": facts(WARD, permission=Permission("permission", NOW, ODS[TRUST])),
    "permission on a basis we do not know": facts(WARD, permission=Permission("curiosity", NOW + 1, ODS[TRUST])),
    "several people claim the number": facts(WARD, PERSON[:1], persons=(1, 2)),
    "another organisation's encounter": facts(WARD, (PERSON[0], replace(PERSON[1], publisher=OTHER, ods=ODS[OTHER]))),
}
NO_RELATIONSHIP = {
    "nobody": facts(WARD, (), permitted=False, recorded=True),
    "known elsewhere only": facts(WARD, PERSON[:1], recorded=True),
    "known elsewhere only, restricted": facts(WARD, labelled(labels.RESTRICTED)[:1], recorded=True),
    "known elsewhere only, dead": facts(WARD, (replace(PERSON[0], deceased=True),), recorded=True),
    "the visit has ended": facts(WARD, (PERSON[0], replace(PERSON[1], attending=False)), recorded=True),
    "another organisation's encounter": facts(
        WARD, (PERSON[0], replace(PERSON[1], publisher=OTHER, ods=ODS[OTHER])), recorded=True
    ),
}


@pytest.mark.parametrize("about", NOT_BOTH.values(), ids=NOT_BOTH)
@pytest.mark.parametrize("view", ["summary", "shared"])
@pytest.mark.hazard("HZ-ACCESS-09")
def test_by_number_missing_relationship_or_permission_is_the_same_refusal_for_every_number(about, view):
    decision = decide(WARD, Act(view, "Patient", True), about)
    assert decision.refusal is access.PTV_REQUIRED and not decision.limits.allow


@pytest.mark.parametrize("about", NO_RELATIONSHIP.values(), ids=NO_RELATIONSHIP)
@pytest.mark.parametrize("view", ["summary", "shared"])
def test_where_permission_of_the_number_is_recorded_the_relationship_is_what_is_missing(about, view):
    assert decide(WARD, Act(view, "Patient", True), about).refusal is access.NO_RELATIONSHIP
    assert decide(WARD, Act(view, "Patient"), about).refusal is access.NOT_FOUND


@pytest.mark.hazard("HZ-ACCESS-18")
def test_the_practice_that_recorded_a_death_is_told_so_and_nobody_else_is():
    dead = (replace(PERSON[0], deceased=True, registered=False), replace(PERSON[1], attending=False), PERSON[2])
    for view, recorded in itertools.product(("summary", "shared"), (False, True)):
        act = Act(view, "Patient", True)
        told = decide(GREEN, act, facts(GREEN, dead, permitted=False, recorded=recorded))
        assert told.refusal is access.DECEASED and "died" in told.refusal.text
        other = decide(WARD, act, facts(WARD, dead, permitted=False, recorded=recorded))
        assert other.refusal is (access.NO_RELATIONSHIP if recorded else access.PTV_REQUIRED)
    own = decide(GREEN, Act("search", "Condition", True), facts(GREEN, dead, permitted=False))
    assert visible(own, "Condition", GP, "gp"), "what the words say can still be read"


@pytest.mark.parametrize("about", NOT_BOTH.values(), ids=NOT_BOTH)
def test_by_id_the_same_is_not_found(about):
    assert decide(WARD, Act("summary", "Patient"), about).refusal is access.NOT_FOUND


@pytest.mark.parametrize("by_number", [True, False])
def test_another_practice_cannot_tell_the_patient_exists(by_number):
    acts = [Act(name, "Observation", by_number) for name in ("read", "vread", "history", "search")]
    for act, about in itertools.product(
        acts, (facts(ELSEWHERE), facts(ELSEWHERE, ()), facts(ELSEWHERE, labelled(labels.RESTRICTED)))
    ):
        assert decide(ELSEWHERE, act, about).refusal is (access.PTV_REQUIRED if by_number else access.NOT_FOUND)


def test_the_registered_practice_needs_no_permission():
    decision = decide(GREEN, Act("shared", "Patient", True), facts(GREEN, permitted=False))
    assert decision.refusal is None and decision.basis == "registered"
    assert visible(decision, "Observation", TRUST, "hospital")


def test_without_permission_an_organisation_still_reads_what_it_recorded_and_nothing_else():
    decision = decide(WARD, Act("search", "Observation", True), facts(WARD, permitted=False))
    assert decision.basis == "own-record"
    assert visible(decision, "Observation", TRUST, "hospital", labels.CONFIDENTIAL | labels.SENSITIVE)
    assert not visible(decision, "Observation", GP, "gp")


def test_a_request_that_names_several_people_is_answered_for_none():
    assert decide(GREEN, Act("search", "Observation", True), facts(GREEN, persons=(1, 2))).refusal is access.NOT_SHOWN


# Steps 5 and 6: status and choices


@pytest.mark.parametrize(
    "caller", [GREEN, WARD, USERS["social-worker"]], ids=lambda caller: caller.role + caller.organisation
)
@pytest.mark.parametrize("act", ["summary", "shared", "everything", "read", "search", "vread", "history"])
@pytest.mark.hazard("HZ-ACCESS-04")
def test_a_restricted_patient_is_shown_to_nobody_however_it_is_known(caller, act):
    someone_else = PatientFact("claimed", 9, OTHER, ODS[OTHER], "gp", labels=labels.RESTRICTED)
    for about in (
        facts(caller, labelled(labels.RESTRICTED, 0)),
        facts(caller, labelled(labels.RESTRICTED, 2)),
        facts(caller, claimants=(someone_else,)),
    ):
        resource_type = "Patient" if act in access.VIEWS else "Encounter"
        assert decide(caller, Act(act, resource_type, True), about).refusal is access.NOT_SHOWN
        assert decide(caller, Act(act, resource_type), about).refusal is access.NOT_FOUND


def test_after_permission_none_held_dissent_and_restricted_are_one_refusal():
    abouts = {
        "none held": facts(WARD, PERSON[1:]),
        "dissent": facts(WARD, labelled(labels.SUMMARY_DISSENT)),
        "dissent claimed by another": facts(WARD, claimants=labelled(labels.SUMMARY_DISSENT)),
        "restricted": facts(WARD, labelled(labels.RESTRICTED)),
    }
    answers = {decide(WARD, Act("summary", "Patient", True), about).refusal for about in abouts.values()}
    assert answers == {access.NOT_SHOWN}
    assert access.NOT_SHOWN.text == (
        "No record can be shown. This does not mean there is no record or no allergies. "
        "Ask the patient; contact the GP or the organisation's privacy officer."
    )


def test_dissent_takes_the_practices_record_out_of_both_documents_and_an_objection_what_any_other_recorded():
    for bits, view, is_shown in (
        (labels.SUMMARY_DISSENT, "summary", {GP: False, COUNCIL: False}),
        (labels.SUMMARY_DISSENT, "shared", {GP: False, COUNCIL: True}),
        (labels.OBJECTION, "shared", {GP: False, COUNCIL: False}),
        (labels.OBJECTION, "summary", {GP: True, COUNCIL: False}),
    ):
        decision = decide(WARD, Act(view, "Patient", True), facts(WARD, labelled(bits)))
        shown = {
            publisher: visible(decision, "AllergyIntolerance", publisher, kind)
            for publisher, kind in ((GP, "gp"), (COUNCIL, "social-care"))
        }
        assert shown == is_shown, (bits, view)
    search = Act("search", "Condition", True)
    assert visible(decide(WARD, search, facts(WARD, labelled(labels.SUMMARY_DISSENT))), "Condition", GP, "gp")


def test_objection_governs_reads_across_organisations_and_not_own_records():
    decision = decide(WARD, Act("search", "Condition", True), facts(WARD, labelled(labels.OBJECTION)))
    assert visible(decision, "Condition", TRUST, "hospital") and not visible(decision, "Condition", GP, "gp")


def test_the_practice_sees_its_own_summary_whatever_the_patient_chose():
    decision = decide(GREEN, Act("summary", "Patient", True), facts(GREEN, labelled(labels.SUMMARY_DISSENT)))
    assert visible(decision, "Condition", GP, "gp")


def test_core_only_leaves_allergies_and_medicines():
    decision = decide(WARD, Act("summary", "Patient", True), facts(WARD, labelled(labels.SUMMARY_CORE_ONLY)))
    assert decision.sections == {"allergies", "medicines"}
    assert visible(decision, "MedicationRequest", GP, "gp") and not visible(decision, "Condition", GP, "gp")
    assert visible(
        decide(GREEN, Act("summary", "Patient", True), facts(GREEN, labelled(labels.SUMMARY_CORE_ONLY))),
        "Condition",
        GP,
        "gp",
    )


def test_core_only_leaves_of_a_practice_no_more_in_the_shared_document_either():
    decision = decide(WARD, Act("shared", "Patient", True), facts(WARD, labelled(labels.SUMMARY_CORE_ONLY)))
    assert visible(decision, "MedicationRequest", GP, "gp") and not visible(decision, "Condition", GP, "gp")
    assert visible(decision, "Condition", TRUST, "hospital") and visible(decision, "Task", COUNCIL, "social-care")
    assert decision.core_only == {GP} and "problems" in decision.sections


def test_the_summary_is_authored_by_the_registered_practice_alone():
    former = PatientFact("former", 4, OTHER, ODS[OTHER], "gp", grade="registered")
    decision = decide(WARD, Act("summary", "Patient", True), facts(WARD, (*PERSON, former)))
    assert visible(decision, "Condition", GP, "gp")
    assert not visible(decision, "Condition", OTHER, "gp") and not visible(decision, "Condition", TRUST, "hospital")


@pytest.mark.parametrize("change", [{"deceased": True}, {"grade": "claimed"}])
def test_the_dead_and_the_untraced_are_shown_to_who_recorded_them_only(change):
    patients = tuple(
        replace(each, grade="claimed" if "grade" in change else each.grade, deceased="deceased" in change)
        for each in PERSON
    )
    decision = decide(WARD, Act("search", "Condition", True), facts(WARD, patients))
    assert visible(decision, "Condition", TRUST, "hospital") and not visible(decision, "Condition", GP, "gp")
    assert decide(WARD, Act("summary", "Patient", True), facts(WARD, patients)).refusal is access.NOT_SHOWN


def test_a_publisher_that_is_not_active_shows_nothing_even_to_itself():
    decision = decide(WARD, Act("search", "Condition", True), facts(WARD, active=frozenset({TRUST})))
    assert not visible(decision, "Condition", GP, "gp")
    assert (
        decide(WARD, Act("search", "Condition", True), facts(WARD, active=frozenset({GP}))).refusal
        is access.PTV_REQUIRED
    )


# Steps 7 and 8: role and labels


@pytest.mark.parametrize("name", EFFECTS)
def test_a_label_hides_from_others_what_the_table_says_and_own_records_stay(name):
    bit, effects = BIT[name], EFFECTS[name]
    decision = decide(WARD, Act("search", "Condition", True), facts(WARD))
    is_hidden, is_hidden_always = HIDDEN_FROM_OTHERS in effects, HIDDEN_ALWAYS in effects
    assert visible(decision, "Condition", GP, "gp", bit) == (not is_hidden)
    assert visible(decision, "Condition", TRUST, "hospital", bit) == (not is_hidden_always)
    assert decision.hides(GP, bit) == (is_hidden and not is_hidden_always)
    assert not decision.hides(TRUST, bit)


def test_a_blanked_medicine_is_blanked_for_others_only():
    decision = decide(WARD, Act("shared", "Patient", True), facts(WARD))
    assert (
        decision.blanks(GP, labels.BLANKED)
        and not decision.blanks(TRUST, labels.BLANKED)
        and not decision.blanks(GP, 0)
    )


def test_express_consent_opens_sensitive_services_and_nothing_else():
    decision = decide(WARD, Act("shared", "Patient", True), facts(WARD, consented=True))
    assert visible(decision, "Condition", GP, "gp", labels.SERVICE)
    assert not visible(decision, "Condition", GP, "gp", labels.SERVICE | labels.SENSITIVE)


@pytest.mark.hazard("HZ-ACCESS-10")
def test_a_social_worker_sees_care_services_of_the_council_and_not_the_gps_problems():
    worker = USERS["social-worker"]
    decision = decide(worker, Act("search", "Condition", True), facts(worker))
    assert visible(decision, "Condition", COUNCIL, "social-care") and not visible(decision, "Condition", GP, "gp")


def test_scopes_narrow_the_limits_and_never_widen_them():
    narrowed = replace(WARD, scopes=frozenset({"user/Patient.rs", "user/Task.rs"}))
    decision = decide(narrowed, Act("search", "Patient", True), facts(narrowed))
    assert set().union(*(allow.types for allow in decision.limits.allow)) == {"Patient", "Task"}


@pytest.mark.hazard("HZ-ACCESS-19")
@pytest.mark.parametrize("view", ["summary", "shared"])
@pytest.mark.parametrize(
    "scope, sections",
    [
        ("user/Patient.rs user/Condition.rs", {"problems"}),
        ("user/Patient.rs user/MedicationRequest.rs", set()),
        ("user/Patient.rs user/MedicationRequest.rs user/MedicationStatement.rs", {"medicines"}),
        ("user/Patient.rs user/Condition.r", set()),
        ("user/Patient.rs", set()),
    ],
)
def test_a_document_holds_the_sections_that_the_scopes_cover_whole_and_no_others(scope, sections, view):
    """A section that is not among them is told as not available: it must not read as empty."""
    narrowed = replace(GREEN, scopes=frozenset(scope.split()))
    decision = decide(narrowed, Act(view, "Patient", True), facts(narrowed))
    if not sections:
        assert decision.refusal is access.NO_SCOPE
        return
    assert decision.sections == sections
    shown = {each for each in roles.types_of(roles.ALL) if visible(decision, each, GP, "gp")}
    assert shown == {name.removeprefix("user/").partition(".")[0] for name in scope.split()}


@pytest.mark.hazard("HZ-ACCESS-02")
@pytest.mark.parametrize("type_", sorted(links.BLANKED_TYPES & roles.types_of(roles.ALL)))
def test_what_is_excluded_by_law_is_hidden_but_a_medicine_stays_blanked(type_):
    decision = decide(WARD, Act("search", "Patient", True), facts(WARD))
    assert visible(decision, type_, GP, "gp", labels.LEGAL) and decision.blanks(GP, labels.LEGAL)
    assert not visible(decision, "Condition", GP, "gp", labels.LEGAL) and decision.hides(GP, labels.LEGAL)
    assert not decision.hides(GP, labels.LEGAL | labels.BLANKED) and not decision.blanks(TRUST, labels.LEGAL)


def test_history_is_for_the_recording_organisation_and_its_privacy_officer():
    officer = USERS["privacy-officer"]
    for act in ("vread", "history"):
        assert decide(WARD, Act(act, "Condition"), facts(WARD)).limits.history == {TRUST}
        assert decide(GREEN, Act(act, "Condition"), facts(GREEN)).limits.history == {GP}
        seen = decide(officer, Act(act, "Condition"), facts(officer))
        assert (
            seen.limits.history == {GP}
            and visible(seen, "Condition", GP, "gp")
            and not visible(seen, "Condition", TRUST, "hospital")
        )
    elsewhere = replace(officer, organisation=ODS[OTHER])
    assert decide(elsewhere, Act("history", "Condition"), facts(elsewhere)).refusal is access.NOT_FOUND


def test_reception_sees_its_own_patients_demographics_only():
    desk = USERS["receptionist"]
    decision = decide(desk, Act("search", "Patient", True), facts(desk))
    assert [(allow.types, allow.publishers) for allow in decision.limits.allow] == [({"Patient"}, {GP})]


def test_a_row_for_own_records_never_opens_others_beside_a_row_that_does(monkeypatch):
    mine = replace(
        next(rule for rule in roles.RULES if rule.acts == {"history", "vread"}),
        roles=roles.CLINICIANS,
        activity="B0360",
        acts={"search"},
    )
    narrow = replace(next(rule for rule in roles.RULES if "search" in rule.acts), sections=roles.CORE)
    monkeypatch.setattr(roles, "RULES", (mine, narrow))
    monkeypatch.setattr(roles, "_rules", roles._rules.__wrapped__)  # without what it remembers of the real table
    decision = decide(WARD, Act("search", "MedicationRequest", True), facts(WARD))
    assert visible(decision, "MedicationRequest", GP, "gp")
    assert visible(decision, "Condition", TRUST, "hospital") and not visible(decision, "Condition", GP, "gp")


# What is about no person


@pytest.mark.hazard("HZ-ACCESS-27")
@pytest.mark.parametrize("type_", sorted(roles.BOOK))
def test_an_appointment_book_is_read_by_its_own_organisation_only(type_):
    for user, caller in USERS.items():
        decision = decide(caller, Act("search", type_), facts(caller))
        for publisher, kind in ((GP, "gp"), (TRUST, "hospital"), (COUNCIL, "social-care")):
            is_own = caller.kind == "user" and caller.activities and ODS[publisher] == caller.organisation
            shown = decision.refusal is None and visible(decision, type_, publisher, kind)
            assert shown == bool(is_own), (user, publisher)


def test_the_directory_is_open_to_any_role_and_shows_no_patient():
    for user in ("dr-green", "receptionist", "privacy-officer", "admin"):
        decision = decide(USERS[user], Act("search", "Organization"), Facts.of_nobody(NOW))
        assert decision.refusal is None and decision.limits.patients is Whose.NOBODY
        assert [allow.types for allow in decision.limits.allow] == [roles.DIRECTORY - roles.BOOK, roles.BOOK]
    assert decide(USERS["researcher"], Act("search", "Organization"), Facts.of_nobody(NOW)).refusal


@pytest.mark.parametrize("act, users", [
    ("permit", {"dr-green", "dr-other", "nurse-ward", "dr-ward", "pharmacist", "social-worker", "receptionist"}),
    ("break-glass", {"dr-ward"}),
    ("override", {"dr-ward"}),
    ("audit", {"privacy-officer"}),
    ("export", {"researcher"}),
    ("export-admin", {"admin"}),
])  # fmt: skip
def test_acts_about_nobody_are_for_the_callers_the_table_names(act, users):
    assert {
        user for user, caller in USERS.items() if decide(caller, Act(act), Facts.of_nobody(NOW)).refusal is None
    } == users


def test_what_is_recorded_as_permission_has_one_of_these_bases():
    national = {"permission", "permission-extended", "self-claimed-lr", "emergency", "court-order", "statute", "public-interest"}  # fmt: skip
    assert set(access.BASES) == national and set(access.ANSWERS) == national | {"denied"}


# The whole table


def test_the_trace_names_every_step_in_order_and_no_value():
    decision = decide(WARD, Act("shared", "Patient", True), facts(WARD))
    assert [line[0] for line in decision.trace] == sorted(line[0] for line in decision.trace)
    assert {line[0] for line in decision.trace} == set("012345678")
    assert not any(value in line for line in decision.trace for value in ("hospital", ODS[TRUST], WARD.user, WARD.name))


def test_more_labels_or_fewer_facts_never_show_more():
    """Damage one fact at a time: the answer only narrows."""
    for caller, view in itertools.product((GREEN, WARD), ("summary", "shared")):
        act = Act(view, "Patient", True)
        whole = decide(caller, act, facts(caller))
        for number, bit in itertools.product(
            range(3), (labels.RESTRICTED, labels.SUMMARY_DISSENT, labels.SUMMARY_CORE_ONLY, labels.OBJECTION)
        ):
            less = decide(caller, act, facts(caller, labelled(bit, number)))
            for resource_type, (publisher, kind) in itertools.product(
                roles.types_of(roles.ALL), ((GP, "gp"), (TRUST, "hospital"), (COUNCIL, "social-care"))
            ):
                assert not visible(less, resource_type, publisher, kind) or visible(
                    whole, resource_type, publisher, kind
                )


def test_the_matrix_of_roles_and_acts_is_the_one_that_was_signed(golden):
    golden(GOLDEN, matrix())


def matrix() -> str:
    """Role × act × own or other: what governance reads and signs."""
    lines = [
        f"Access matrix, role tables {roles.VERSION}. Sandbox users, asking by number about a person registered "
        f"with practice",
        f"{ODS[GP]} and attending trust {ODS[TRUST]} and council {ODS[COUNCIL]}, permission recorded. Capitals: "
        f"all types of a section.",
        "The diff of this file is what governance approves.",
        "",
    ]
    for user, caller in USERS.items():
        title = "system client" if caller.kind == "system" else roles.ROLES.get(caller.role, "no role")
        lines.append(f"{user}: {title}, {caller.organisation or 'nowhere'}")
        for name in ("summary", "shared", "everything", "search", "history"):
            lines += _rows(caller, name)
        for name in ("permit", "break-glass", "override", "audit", "export", "export-admin"):
            refusal = decide(caller, Act(name), Facts.of_nobody(NOW)).refusal
            lines.append(f"  {name}: {'refused, ' + refusal.code if refusal else 'allowed'}")
        lines.append("")
    return "\n".join(lines)


def _rows(caller, name):
    is_whole = name in access.VIEWS or name == "everything"
    types = ["Patient"] if is_whole else sorted(roles.types_of(roles.ALL) | roles.DIRECTORY)
    seen, refused = {}, {}
    for resource_type in types:
        decision = decide(caller, Act(name, resource_type, True), facts(caller))
        if decision.refusal:
            refused.setdefault(decision.refusal.code, []).append(resource_type)
            continue
        shown = sorted(roles.types_of(roles.ALL)) if is_whole else [resource_type]
        for label, publisher, kind in (
            ("own", None, None),
            ("gp", GP, "gp"),
            ("hospital", TRUST, "hospital"),
            ("social care", COUNCIL, "social-care"),
        ):
            own = frozenset(key for key, ods in ODS.items() if ods == caller.organisation)
            if label == "own" or publisher in own or resource_type in roles.DIRECTORY:
                places = (
                    [(key, {GP: "gp", TRUST: "hospital", COUNCIL: "social-care", OTHER: "gp"}[key]) for key in own]
                    if label == "own"
                    else []
                )
            else:
                places = [(publisher, kind)]
            found = [each for each in shown if any(visible(decision, each, *place) for place in places)]
            if label == "own" and resource_type in roles.DIRECTORY:
                label, found = "directory", [resource_type]
            if found:
                hidden = labels.HIDDEN_ALWAYS if label in ("own", "directory") else decision.hidden
                seen.setdefault((label, hidden), []).extend(found)
        if is_whole:
            yield f"  {name}: sections {', '.join(sorted(decision.sections))}"
    for (label, hidden), found in seen.items():
        yield f"  {name}, {label}: {_named(found)}; {HIDDEN[hidden]}"
    for code, found in refused.items():
        yield f"  {name}: refused, {code}{'' if name in access.VIEWS else ': ' + _named(found)}"


def _named(types):
    """Whole sections by their name, in capitals; what is left by type."""
    left, names = set(types), []
    if left >= roles.types_of(roles.ALL):
        names, left = ["EVERY SECTION"], left - roles.types_of(roles.ALL)
    for section, opened in roles.SECTION_TYPES.items():
        if left >= opened:
            names.append(section.upper())
            left -= opened
    if left >= roles.DIRECTORY:
        names.append("DIRECTORY")
        left -= roles.DIRECTORY
    return ", ".join([*names, *sorted(left)])


HIDDEN = {
    labels.HIDDEN_ALWAYS: f"hidden: {', '.join(labels.names(labels.HIDDEN_ALWAYS))}",
    labels.HIDDEN_FROM_OTHERS: f"hidden: {', '.join(labels.names(labels.HIDDEN_FROM_OTHERS))}",
}
