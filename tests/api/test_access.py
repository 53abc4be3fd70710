"""Access over HTTP: not yours is not there, permission opens, flags that arrive late hide what was, and no answer
leaves without its audit."""

from collections import Counter

import pytest

from gateway import records
from gateway.care import Statement, permission
from gateway.errors import Forbidden
from gateway.fhir.codes import SNOMED
from gateway.nhs.access import NO_RECORD
from gateway.nhs.roles import caller_from_claims
from gateway.nhs.sandbox import claims
from gateway.nhs.summary import completeness, sections
from tests.api.conftest import NOW
from tests.api.people import (
    ABE,
    AMY,
    ANN,
    HL7,
    NOBODY,
    ODD,
    SETS,
    encounter,
    observation,
    on_the_ward,
    patient,
    registered,
    to,
    uid,
)  # fmt: skip
from tests.api.test_service import break_audit
from tests.nhs.records import condition, plan
from tests.toy import deliver, row

NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
UNKNOWN = uid(9)


def by_number(api, number: str, user: str, type_: str = "Observation", **asked):
    name = "identifier" if type_ == "Patient" else "patient.identifier"
    return api.get(f"/fhir/{type_}", user, **{name: f"{NUMBER}|{number}"}, **asked)


def code(answer) -> str:
    return answer.json()["issue"][0]["details"]["coding"][0]["code"]


def same(one, other) -> None:
    """Alike in all but the request's id."""
    assert (one.status_code, one.content) == (other.status_code, other.content)
    unlike = {"x-request-id"}
    assert {n: v for n, v in one.headers.items() if n not in unlike} == {
        n: v for n, v in other.headers.items() if n not in unlike
    }


# Not yours, not there: Amy and her observation (21, 23) are another practice's, asked about by Dr Green

FORMS = [
    ("/fhir/Observation/{}", 23), ("/fhir/Patient/{}", 21), ("/fhir/EpisodeOfCare/{}", 22), ("/fhir/Encounter/{}", 36),
    ("/fhir/Observation/{}/_history", 23), ("/fhir/Observation/{}/_history/1", 23), ("/fhir/Observation/{}/_history/9", 23),
    ("/fhir/Patient/{}/_history", 21), ("/fhir/Patient/{}/$summary", 21), ("/fhir/Patient/{}/_history/1", 21),
]  # fmt: skip


def test_what_is_not_yours_is_as_what_is_not_there(clinic):
    for path, number in FORMS:
        same(clinic.get(path.format(uid(number))), clinic.get(path.format(UNKNOWN)))
        assert clinic.get(path.format(uid(number))).status_code == 404, path


SEARCHES = [
    ("/fhir/Observation?_id={}", 23), ("/fhir/Observation?_id={}&_total=accurate", 23), ("/fhir/Observation?patient={}&_total=accurate", 21),
    ("/fhir/Patient?_id={}", 21), ("/fhir/Patient?_id={}&_total=accurate", 21), ("/fhir/Observation?patient=Patient/{}", 21),
    ("/fhir/Observation?_id={}&_include=Observation:patient", 23),
]  # fmt: skip


def test_a_search_for_what_is_not_yours_is_as_one_for_what_is_not_there(clinic):
    for path, number in SEARCHES:
        found, unknown = clinic.get(path.format(uid(number))), clinic.get(path.format(UNKNOWN))
        assert (found.status_code, "entry" in found.json(), found.json().get("total", 0)) == (200, False, 0), path
        assert found.text.replace(uid(number), UNKNOWN) == unknown.text, path


def test_an_include_does_not_bring_what_is_not_yours(clinic):
    """Ann's report points at Amy's encounter and observation, by a source's mistake."""
    report = {"status": "final", "code": {"text": "x"}, "subject": to("Patient", 1), "encounter": to("Encounter", 36)}
    made = {
        "resourceType": "DiagnosticReport",
        "id": uid(60),
        **report,
        "result": [to("Observation", 23), to("Observation", 3)],
    }
    deliver(clinic.store, [row("wrong", made)], SETS)
    asked = {"_id": uid(60), "_include": ["DiagnosticReport:result", "DiagnosticReport:encounter"]}
    assert clinic.found("/fhir/DiagnosticReport", mode="include", **asked) == [f"Observation/{uid(3)}"]


# By number


@pytest.mark.parametrize("type_", ["Observation", "Patient"])
def test_without_relationship_and_permission_every_number_is_answered_alike(clinic, type_):
    """Known to others, restricted, objecting, unknown, or no number at all."""
    first = by_number(clinic, NOBODY, "dr-other", type_)
    assert (first.status_code, code(first)) == (403, "ptv-required")
    for number in (ANN, ABE, ODD, "9990000069", "1", "abc"):
        same(by_number(clinic, number, "dr-other", type_), first)
        same(by_number(clinic, number, "dr-other", type_, _total="accurate", _count="1"), first)
    same(by_number(clinic, AMY, "dr-green", type_), first)


def test_a_document_needs_permission_even_of_who_holds_part_of_it(clinic):
    first = clinic.get(f"/fhir/Patient/$summary?identifier={NOBODY}", "dr-ward")
    assert (first.status_code, code(first)) == (403, "ptv-required")
    for number in (ANN, ABE, AMY, ODD):
        same(clinic.get(f"/fhir/Patient/$summary?identifier={number}", "dr-ward"), first)


def test_by_number_an_organisation_without_permission_finds_its_own_and_nothing_else(clinic):
    for number in (ANN, AMY):
        assert by_number(clinic, number, "dr-ward", _total="accurate").json()["total"] == 0
    assert clinic.found("/fhir/Encounter", "dr-ward", **{"patient.identifier": f"{NUMBER}|{ANN}"}) == [
        f"Encounter/{uid(33)}"
    ]
    assert clinic.found("/fhir/Patient", "dr-ward", identifier=f"{NUMBER}|{ANN}") == [f"Patient/{uid(31)}"]


def test_permission_recorded_opens_the_record_to_the_organisation_and_to_no_other(clinic):
    assert clinic.permit(ANN, "nurse-ward").status_code == 201
    found = by_number(clinic, ANN, "dr-ward")
    assert [entry["resource"]["id"] for entry in found.json()["entry"]] == [uid(3)]
    assert clinic.get(f"/fhir/Observation/{uid(3)}", "dr-ward").status_code == 200
    assert clinic.get(f"/fhir/Patient/$summary?identifier={ANN}", "dr-ward").status_code == 200
    for user in ("dr-other", "social-worker"):
        assert code(by_number(clinic, ANN, user)) == "ptv-required"
    assert "entry" not in by_number(clinic, AMY, "dr-ward").json(), "one person's permission is nobody else's"


def test_permission_ends(clinic):
    path = f"/fhir/Patient/$summary?identifier={ANN}"
    clinic.permit(ANN, "dr-ward")
    with clinic.store.read() as session:
        until = session.value("SELECT max(until) FROM permission")
    for moment, status in ((until - 1_000_000, 200), (until + 1_000_000, 403)):
        clinic.store.clock = lambda moment=moment: moment
        clinic.tokens.clear()
        assert clinic.get(path, "dr-ward").status_code == status


def test_permission_is_recorded_alike_for_every_number(clinic):
    same(clinic.permit(ANN, "dr-ward"), clinic.permit(NOBODY, "dr-ward"))
    assert clinic.permit("9990000019", "dr-ward").status_code == 400
    for user in ("admin", "student", "privacy-officer", "researcher"):
        same(clinic.permit(ANN, user), clinic.permit(NOBODY, user))
        assert clinic.permit(ANN, user).status_code == 403
    assert clinic.permit(ANN, "receptionist").status_code == 201, "reception may record it, and sees nothing"


def test_permission_without_a_relationship_opens_nothing(clinic):
    """And the reason is the true one, alike for a number that nobody has: asking the patient again helps nobody."""
    for number in (ANN, ABE, ODD, NOBODY, "9990000069"):
        clinic.permit(number, "dr-other")
        refused = by_number(clinic, number, "dr-other")
        assert (refused.status_code, code(refused)) == (403, "no-relationship")
        same(refused, by_number(clinic, ANN, "dr-other"))
    assert code(by_number(clinic, AMY, "dr-green")) == "ptv-required", "nobody here asked her"


@pytest.mark.hazard("HZ-ACCESS-24")
def test_a_stay_of_2011_and_a_registration_that_has_ended_open_no_record(clinic):
    """Each is open by its status, and over by its dates."""
    bed, episode = on_the_ward(33, 31), registered(2, 1)
    clinic.permit(ANN, "dr-ward")
    path = f"/fhir/Patient/$summary?identifier={ANN}"
    now, past = {"start": "2026-01-01"}, {"start": "2011-01-01", "end": "2012-01-01"}
    for order, (period, status) in enumerate(((now, 200), ({"start": "2011-01-01"}, 403), (past, 403)), 2):
        clinic.store.clock = lambda: NOW
        clinic.tokens.clear()
        moved = row("ann", patient(31, ANN, "Ames", "Ann"), {**bed, "period": period}, publisher="T", order=order)
        deliver(clinic.store, [moved], SETS, name="trust", kind="hospital")
        clinic.permit(ANN, "dr-ward")
        assert clinic.get(path, "dr-ward").status_code == status, period
    assert clinic.get(path, "dr-green").status_code == 200
    left = row("ann", patient(1, ANN, "Ames", "Ann", gender="female"), {**episode, "period": past}, order=2)
    deliver(clinic.store, [left], SETS)
    assert code(clinic.get(path, "dr-green")) == "ptv-required"


def test_after_permission_restricted_dissent_and_none_held_are_one_answer(clinic):
    """Odd is restricted by the practice; Abe objects. Nobody has no record, so there is no relationship either: that
    is step 4."""
    for number in (ABE, ODD):
        clinic.permit(number, "dr-ward")
    same(clinic.get(f"/fhir/Patient/$summary?identifier={ODD}", "dr-ward"), by_number(clinic, ODD, "dr-ward"))
    assert (
        clinic.get(f"/fhir/Patient/$summary?identifier={ODD}", "dr-ward").json()["issue"][0]["details"]["text"]
        == NO_RECORD
    )
    for path in (
        f"/fhir/Patient/{uid(37)}",
        f"/fhir/Patient/{uid(41)}",
        f"/fhir/Observation/{uid(43)}",
        f"/fhir/Encounter/{uid(38)}",
    ):
        same(clinic.get(path, "dr-ward"), clinic.get("/".join([*path.split("/")[:3], UNKNOWN]), "dr-ward"))


def test_an_objection_hides_what_others_recorded_and_not_what_one_recorded_oneself(clinic):
    clinic.permit(ABE, "dr-ward")
    same(clinic.get(f"/fhir/Observation/{uid(13)}", "dr-ward"), clinic.get(f"/fhir/Observation/{UNKNOWN}", "dr-ward"))
    assert clinic.get(f"/fhir/Encounter/{uid(34)}", "dr-ward").status_code == 200
    assert clinic.get(f"/fhir/Observation/{uid(13)}", "dr-green").status_code == 200


def test_what_an_organisation_recorded_is_its_own_without_permission(clinic):
    """The ward reads its own encounter; the practice's observation of the same person needs permission."""
    assert clinic.get(f"/fhir/Encounter/{uid(33)}", "dr-ward").status_code == 200
    same(clinic.get(f"/fhir/Observation/{uid(3)}", "dr-ward"), clinic.get(f"/fhir/Observation/{UNKNOWN}", "dr-ward"))


def test_the_receptionist_finds_the_organisations_own_patients_and_nothing_else(clinic):
    assert set(clinic.found("/fhir/Patient", "receptionist", family="ames", birthdate="1980-02-29")) == {
        f"Patient/{uid(n)}" for n in (1, 11)
    }
    assert clinic.get(f"/fhir/Patient/{uid(1)}", "receptionist").status_code == 200
    same(clinic.get(f"/fhir/Patient/{uid(21)}", "receptionist"), clinic.get(f"/fhir/Patient/{UNKNOWN}", "receptionist"))
    assert code(clinic.get(f"/fhir/Observation/{uid(3)}", "receptionist")) == "role"


def test_what_one_person_s_record_allows_includes_nothing_of_another_s(clinic):
    """The ward has Ann's permission and not Amy's, whose visit at her practice its own observation points at."""
    deliver(clinic.store, [row("visit", encounter(70, 21), publisher="P2")], SETS)
    pointing = observation(71, 35, encounter=to("Encounter", 70))
    deliver(clinic.store, [row("points", pointing, publisher="T")], SETS, name="trust", kind="hospital")
    clinic.permit(ANN, "dr-ward")
    path = f"/fhir/Observation?_id={uid(3)},{uid(71)}&_include=Observation:encounter"
    assert set(clinic.found(path, "dr-ward")) == {f"Observation/{uid(3)}", f"Observation/{uid(71)}"}
    assert clinic.found(path, "dr-ward", mode="include") == []
    clinic.permit(AMY, "dr-ward")
    assert clinic.found(path, "dr-ward", mode="include") == [f"Encounter/{uid(70)}"]


# What the patient chose about the summary

DISSENT, CORE_ONLY = "416308001", "9Ndm."


@pytest.fixture
def chosen(clinic):
    """Ann's practice holds a medicine and a problem of her; the ward has her permission. ``chosen(code)`` records her
    choice and tells what each document of hers shows the ward, section by section: entries, or why there are none."""
    whose = {"subject": to("Patient", 1)}
    asthma, medicine = condition(uid(75), "Asthma", **whose), plan(uid(76), **whose)
    deliver(clinic.store, [row("held", asthma, medicine)], SETS)
    clinic.permit(ANN, "dr-ward")

    def choose(code_: str = "", user: str = "dr-ward", view: str = "shared") -> dict[str, object] | int:
        if code_:
            system = "http://read.info/readv2" if code_.endswith(".") else SNOMED
            stated = observation(77, 1, code_, effectiveDateTime="2024-01-01")
            stated["code"]["coding"][0]["system"] = system
            deliver(clinic.store, [row("choice", stated)], SETS)
        answer = clinic.get(f"/fhir/Patient/$summary?identifier={ANN}&view={view}", user)
        if answer.status_code != 200:
            return code(answer)
        said = answer.json()["entry"][0]["resource"]["section"]
        sections = {section["title"]: section for section in said if "entry" in section or "emptyReason" in section}
        return {
            title: len(section["entry"]) if "entry" in section else section["emptyReason"]["coding"][0]["code"]
            for title, section in sections.items()
        }

    return choose


PROBLEMS, REPEATS = "Problems and diagnoses", "Medicines"


def test_both_documents_show_what_the_practice_tells(clinic, chosen):
    for view in ("shared", "summary"):
        shown = chosen(view=view)
        assert (shown[PROBLEMS], shown[REPEATS]) == (1, 1)
    assert chosen(view="summary")["Social care"] == "withheld"
    for view in ("all", "", "Summary", "summary&view=shared"):
        assert clinic.get(f"/fhir/Patient/$summary?identifier={ANN}&view={view}", "dr-ward").status_code == 400


@pytest.mark.hazard("HZ-ACCESS-20")
def test_dissent_from_the_summary_takes_what_the_practice_recorded_out_of_both_documents(chosen):
    shown = chosen(DISSENT)
    assert (shown[PROBLEMS], shown[REPEATS]) == ("unavailable", "unavailable")
    assert chosen(view="summary") == "no-record"
    for view in ("shared", "summary"):
        assert chosen(user="dr-green", view=view)[PROBLEMS] == 1, "it is the practice's own"


@pytest.mark.hazard("HZ-ACCESS-20")
def test_of_a_core_summary_no_more_is_shown_and_nothing_more_is_told_as_none(clinic, chosen):
    shown = chosen(CORE_ONLY)
    assert shown[REPEATS] == 1 and chosen(view="summary")[REPEATS] == 1
    assert chosen(view="summary")[PROBLEMS] == "withheld"
    assert shown[PROBLEMS] == "unavailable" and chosen(user="dr-green")[PROBLEMS] == 1
    ward = caller_from_claims(claims("dr-ward"))
    record = records.person(clinic.app.state.door, ward, "r", number=ANN)
    (line,) = [line for line in completeness.completeness(record, sections(record)) if line.name == "Quillbank Surgery"]
    states = dict(zip((section.id for section in completeness.GRID), line.cells))
    assert (states["problems"], states["repeat"], states["allergies"]) == (
        "not part of this page",
        "received",
        "nothing received",
    )


# Flags that arrive late


def test_a_confidentiality_flag_that_arrives_late_hides_the_item_its_history_and_its_versions_from_others(clinic):
    path = f"/fhir/Observation/{uid(3)}"
    clinic.permit(ANN, "dr-ward")
    assert clinic.get(path, "dr-ward").status_code == 200
    deliver(
        clinic.store, [row("ann-obs", observation(3, 1, valueString="now confidential", security=["R"]), order=2)], SETS
    )
    for suffix in ("", "/_history", "/_history/1", "/_history/2"):
        same(clinic.get(path + suffix, "dr-ward"), clinic.get(f"/fhir/Observation/{UNKNOWN}{suffix}", "dr-ward"))
    assert by_number(clinic, ANN, "dr-ward", _total="accurate").json()["total"] == 0
    own = clinic.get(f"{path}/_history").json()["entry"]
    assert len(own) == 2, "the practice that recorded it still has it"
    for entry in own:
        assert entry["resource"]["meta"]["security"][0]["code"] == "R", "and sees the label on every version"


def test_a_sensitive_item_that_arrives_late_takes_its_encounter_with_it(clinic):
    deliver(clinic.store, [row("visit", encounter(70, 1))], SETS)
    clinic.permit(ANN, "dr-ward")
    assert clinic.get(f"/fhir/Encounter/{uid(70)}", "dr-ward").status_code == 200
    secret = observation(71, 1, encounter=to("Encounter", 70), security=["R"])
    deliver(clinic.store, [row("late", secret)], SETS)
    for suffix in ("", "/_history", "/_history/1"):
        same(
            clinic.get(f"/fhir/Encounter/{uid(70)}{suffix}", "dr-ward"),
            clinic.get(f"/fhir/Encounter/{UNKNOWN}{suffix}", "dr-ward"),
        )
    assert clinic.get(f"/fhir/Encounter/{uid(70)}", "dr-green").status_code == 200


def test_an_allergy_stays_though_what_it_points_at_is_hidden_and_does_not_tell_of_it(clinic):
    active = {"coding": [{"system": HL7 + "allergyintolerance-clinical", "code": "active"}]}
    allergy = {"resourceType": "AllergyIntolerance", "id": uid(72), "clinicalStatus": active, "code": {"text": "penicillin"},
               "patient": to("Patient", 1), "encounter": to("Encounter", 70)}  # fmt: skip
    deliver(clinic.store, [row("visit", encounter(70, 1)), row("allergy", allergy)], SETS)
    deliver(clinic.store, [row("visit", encounter(70, 1, security=["R"]), order=2)], SETS)
    clinic.permit(ANN, "dr-ward")
    shown = clinic.get(f"/fhir/AllergyIntolerance/{uid(72)}", "dr-ward")
    assert shown.status_code == 200 and "encounter" not in shown.json() and uid(70) not in shown.text
    assert uid(70) in clinic.get(f"/fhir/AllergyIntolerance/{uid(72)}").text


@pytest.mark.hazard("HZ-ACCESS-23")
@pytest.mark.parametrize("sort", ["", "&_sort=-authoredon", "&_sort=_lastUpdated"])
def test_no_link_of_a_page_tells_what_lies_in_a_hidden_encounter(clinic, sort):
    """Nor do the sizes of its pages: three medicines issued in it, and two that were not."""
    issued = [plan(uid(80 + n), subject=to("Patient", 1), encounter=to("Encounter", 70 + n % 2)) for n in range(5)]
    visits = [encounter(70, 1, security=["R"]), encounter(71, 1)]
    deliver(clinic.store, [row("visits", *visits), row("issued", *issued)], SETS)
    clinic.permit(ANN, "dr-ward")

    def pages(encounter_: int, count: int, more: str = "") -> list[tuple[int, int, list[str]]]:
        """Of each page: its matches, its notes (that others of the person may hold more) and its links."""
        asked = f"encounter=Encounter/{uid(encounter_)}{more}&_count={count}{sort}"
        path, seen = f"/fhir/MedicationRequest?patient={uid(1)}&{asked}", []
        while path:
            answer = clinic.get(path, "dr-ward").json()
            links = {link["relation"]: link["url"] for link in answer["link"]}
            modes = Counter(entry["search"]["mode"] for entry in answer.get("entry", ()))
            seen.append((modes["match"], modes["outcome"], sorted(links)))
            path = links.get("next", "").removeprefix("http://127.0.0.1:8000")
        return seen

    for count in (1, 2, 3, 4):
        assert pages(70, count) == pages(9, count) == [(0, 0, ["self"])]
    for more in ("", f",Encounter/{uid(70)}"):
        shown = pages(71, 1, more)
        assert shown == [(1, 0, ["next", "self"]), (1, 0, ["self"])], "and what is not hidden is found to its end"
    for number, total in ((70, 0), (9, 0), (71, 2)):
        asked = f"/fhir/MedicationRequest?patient={uid(1)}&encounter=Encounter/{uid(number)}&_total=accurate"
        assert clinic.get(asked, "dr-ward").json()["total"] == total


@pytest.mark.hazard("HZ-ACCESS-23")
def test_a_visit_that_is_hidden_for_its_reason_is_told_by_nothing_that_was_done_in_it(clinic):
    """The visit refers to the confidential problem; the measurement refers to the visit and not to the problem."""
    secret = condition(uid(90), "Confidential", subject=to("Patient", 1), security=["R"])
    visit = encounter(70, 1, reasonReference=[to("Condition", 90)])
    weight, issued = (
        observation(91, 1, encounter=to("Encounter", 70)),
        plan(uid(92), subject=to("Patient", 1), encounter=to("Encounter", 70)),
    )
    deliver(clinic.store, [row("secret", secret, visit, weight, issued)], SETS)
    clinic.permit(ANN, "dr-ward")
    assert clinic.get(f"/fhir/Encounter/{uid(70)}", "dr-ward").status_code == 404
    for name in (f"Observation/{uid(91)}", f"MedicationRequest/{uid(92)}"):
        shown = clinic.get(f"/fhir/{name}", "dr-ward")
        assert shown.status_code == 200 and uid(70) not in shown.text, name
        assert uid(70) in clinic.get(f"/fhir/{name}").text
        type_ = name.partition("/")[0]
        for number in (70, 9):
            asked = f"/fhir/{type_}?patient={uid(1)}&encounter=Encounter/{uid(number)}&_count=1&_total=accurate"
            found = clinic.get(asked, "dr-ward").json()
            modes = [entry["search"]["mode"] for entry in found.get("entry", ())]
            assert modes == [] and found["total"] == 0
            assert [link["relation"] for link in found["link"]] == ["self"]


def test_a_restriction_that_arrives_late_hides_the_whole_record_and_its_history_from_everyone(clinic):
    clinic.permit(ANN, "dr-ward")
    paths = [f"/fhir/{name}{suffix}" for name in (f"Patient/{uid(1)}", f"Observation/{uid(3)}", f"EpisodeOfCare/{uid(2)}")
             for suffix in ("", "/_history", "/_history/1")]  # fmt: skip
    assert all(clinic.get(path).status_code == 200 for path in paths)
    restricted = patient(1, ANN, "Ames", "Ann", gender="female", security=["S"])
    deliver(clinic.store, [row("ann", restricted, registered(2, 1), order=2)], SETS)
    for user in ("dr-green", "dr-ward", "receptionist", "privacy-officer"):
        for path in paths:
            unknown = path.replace(uid(1), UNKNOWN).replace(uid(3), UNKNOWN).replace(uid(2), UNKNOWN)
            same(clinic.get(path, user), clinic.get(unknown, user))
    assert clinic.get(f"/fhir/Encounter/{uid(33)}", "dr-ward").status_code == 404, "what the trust holds of her too"
    assert code(by_number(clinic, ANN, "dr-ward")) == "no-record"
    assert clinic.found("/fhir/Patient", "receptionist", family="ames", birthdate="1980-02-29") == [
        f"Patient/{uid(11)}"
    ]


# The audit

ANSWERED = [
    ("GET", f"/fhir/Patient/{uid(1)}", "dr-green", 200, ("read", "ok")), ("GET", f"/fhir/Patient/{UNKNOWN}", "dr-green", 404, ("read", "refused")),
    ("GET", f"/fhir/Patient/{uid(1)}", "dr-other", 404, ("read", "refused")), ("GET", f"/fhir/Patient/{uid(1)}", "student", 403, ("read", "refused")),
    ("GET", f"/fhir/Observation/{uid(3)}/_history", "dr-green", 200, ("history", "ok")),
    ("GET", f"/fhir/Observation/{uid(3)}/_history/1", "dr-green", 200, ("vread", "ok")),
    ("GET", f"/fhir/Observation?patient={uid(1)}", "dr-green", 200, ("search", "ok")),
    ("POST", "/fhir/Patient/_search", "dr-green", 400, None),
    ("GET", f"/fhir/Observation?patient.identifier={NUMBER}|{ANN}", "dr-other", 403, ("search", "refused")),
    ("GET", f"/fhir/Patient/{uid(1)}/$summary", "dr-green", 200, ("shared", "ok")),
    ("GET", f"/fhir/Patient/$summary?identifier={ANN}", "dr-ward", 403, ("shared", "refused")),
    ("GET", "/fhir/Organization", "dr-green", 200, ("search", "ok")),
    ("GET", f"/fhir/Patient/{uid(1)}", "no-role", 401, ("read", "refused")),
]  # fmt: skip


def test_every_answer_has_its_audit(clinic):
    for number, (method, path, user, status, expected) in enumerate(ANSWERED):
        answer = clinic.ask(
            method,
            path,
            user,
            {"X-Request-ID": f"request-{number}"},
            **({"data": {"a": "1"}} if method == "POST" else {}),
        )
        assert answer.status_code == status, path
        told = [
            (event["act"], event["outcome"]) for event in clinic.audit() if event.get("request") == f"request-{number}"
        ]
        assert told == ([expected] if expected else []), path


def test_the_audit_says_who_why_and_of_whom(clinic):
    clinic.permit(ANN, "dr-ward")
    clinic.get(f"/fhir/Observation/{uid(3)}", "dr-ward")
    permitted, seen = [event for event in clinic.audit() if event["act"] in ("permit", "read")]
    assert (permitted["number"], permitted["basis"], permitted["reason"]) == (ANN, "permission", "asked, and agreed")
    assert (seen["organisation"], seen["role"], seen["basis"]) == ("RZZ", "R8000", "permission")
    assert set(seen["patients"]) == {uid(1), uid(31)} and seen["resources"] == [f"Observation/{uid(3)}/1"]


UNTOLD = [
    f"/fhir/Patient/{uid(1)}", f"/fhir/Observation/{uid(3)}/_history", f"/fhir/Observation/{uid(3)}/_history/1",
    f"/fhir/Observation?patient={uid(1)}", f"/fhir/Patient/{uid(1)}/$summary", f"/fhir/Patient/{UNKNOWN}", "/fhir/Organization",
]  # fmt: skip


def test_without_its_audit_nothing_is_answered(clinic):
    """Not even a refusal, or that nothing has changed: those are answers too."""
    break_audit(clinic)
    for path in UNTOLD:
        for user, headers in (
            ("dr-green", {}),
            ("dr-green", {"If-None-Match": "*"}),
            ("dr-other", {}),
            ("no-role", {}),
        ):
            answer = clinic.get(path, user, headers)
            assert (answer.status_code, answer.json()["issue"][0]["code"], answer.headers["retry-after"]) == (
                503,
                "transient",
                "5",
            ), path
            assert uid(1) not in answer.text and "Ames" not in answer.text


def test_permission_asks_the_policy_itself_whatever_asked_before(clinic):
    door = clinic.app.state.door
    with pytest.raises(Forbidden):
        permission.permit(door, caller_from_claims(claims("admin")), Statement(ANN, "permission"), "r-1")
    (event,) = [event for event in door.audit.events() if event.get("request") == "r-1"]
    assert (event["act"], event["outcome"]) == ("permit", "refused")
