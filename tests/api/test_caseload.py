"""A caseload: who is on it, what is asked across it, and what its followers are told and never told."""

import datetime
import random

import pytest

from gateway.care import following
from gateway.nhs import caseload, labels
from gateway.records import changed, cursors
from gateway.store import attending
from tests.api import people
from tests.api.people import ABE, AMY, ANN, SETS, encounter, observation, on_the_ward, patient, registered, to, uid
from tests.toy import deliver, resource, row, says

TRUST = {"name": "trust", "kind": "hospital"}


def group(api, user: str = "dr-green") -> dict:
    (entry,) = api.get("/fhir/Group", user).json()["entry"]
    return entry["resource"]


def on_list(api, user: str = "dr-green") -> list[int]:
    return [int(member["entity"]["reference"][8:16]) for member in group(api, user).get("member", ())]


def found(api, path: str, user: str = "dr-green") -> list[str]:
    return [f"{name.split('/')[0]}/{int(name.split('/')[1][:8])}" for name in api.found(path, user)]


def link(bundle: dict, *relations: str) -> str | None:
    urls = [link["url"] for link in bundle["link"] if link["relation"] in relations]
    return "/fhir/" + urls[0].partition("/fhir/")[2] if urls else None


@pytest.fixture(autouse=True)
def pages_of_any_size(monkeypatch):
    """A few changes make several pages, as hundreds do of a real list."""
    monkeypatch.setattr(following, "LEAST_COUNT", 1)


class Follower:
    """A client that holds what a feed told it, and nothing else."""

    def __init__(self, api, user: str, count: int = 1000):
        self.api, self.user, self.held = api, user, {}
        self.at = f"/fhir/Group/{group(api, user)['id']}/$changes?_count={count}"

    def poll(self) -> list[str]:
        """Follow the feed to its end; the changes as ``METHOD Type/number``."""
        told, more = [], True
        while more:
            answer = self.api.get(self.at, self.user)
            assert answer.status_code == 200, answer.text
            bundle = answer.json()
            for entry in bundle.get("entry", ()):
                method, url = entry["request"]["method"], entry["request"]["url"]
                type_, id_ = url.split("/")
                told.append(f"{method} {type_}" + ("" if type_ == "Group" else f"/{int(id_[:8])}"))
                if method == "DELETE":
                    assert "resource" not in entry
                    del self.held[url]
                else:
                    assert (entry["resource"]["resourceType"], entry["resource"]["id"]) == (type_, id_)
                    self.held[url] = entry["resource"]
            more = link(bundle, "next")
            self.at = link(bundle, "next", "monitor")
        return told

    def expected(self) -> dict[str, dict]:
        """What the list and ``$everything`` of each member show."""
        listed = group(self.api, self.user)
        shown = {f"Group/{listed['id']}": listed}
        for member in listed.get("member", ()):
            answer = self.api.get(f"/fhir/{member['entity']['reference']}/$everything", self.user).json()
            for entry in answer.get("entry", ()):
                if entry["search"]["mode"] == "match":
                    shown[f"{entry['resource']['resourceType']}/{entry['resource']['id']}"] = entry["resource"]
        return shown


@pytest.mark.hazard("HZ-LIST-01")
def test_a_list_holds_who_is_in_the_care_of_the_callers_organisation_and_nobody_else(clinic):
    """Odd is restricted: she is registered and on the ward, and on no list."""
    assert (
        on_list(clinic) == [1, 11]
        and on_list(clinic, "dr-ward") == [31, 32, 35]
        and on_list(clinic, "dr-other") == [21]
    )
    own, theirs = group(clinic)["id"], group(clinic, "dr-ward")["id"]
    assert clinic.get(f"/fhir/Group/{own}").json() == group(clinic)
    for asked, total in (
        (f"_id={own}", 1),
        (f"_id={theirs}", 0),
        ("identifier=A99001&type=person", 1),
        ("actual=false", 0),
        (f"member=Patient/{uid(1)}", 1),
        (f"member={uid(31)}", 0),
    ):
        assert clinic.get(f"/fhir/Group?{asked}").json()["total"] == total, asked
    tag = clinic.get(f"/fhir/Group/{own}").headers["etag"]
    assert clinic.get(f"/fhir/Group/{own}", headers={"If-None-Match": tag}).status_code == 304
    ways = ("_elements=name", "_summary=true", "_format=xml", "_pretty=true", "_format=json")
    tags = [clinic.get(f"/fhir/Group/{own}?{way}").headers["etag"] for way in ways]
    assert len(set(tags)) == len(ways) and tags[-1] == tag
    for count, status in (("-1", 400), ("abc", 400), ("0", 200), ("7", 200)):
        assert clinic.get(f"/fhir/Group?_count={count}").status_code == status, count
    unknown = clinic.get(f"/fhir/Group/{uid(1)}")
    assert clinic.get(f"/fhir/Group/{theirs}").content == unknown.content and unknown.status_code == 404
    for user in ("receptionist", "student", "pharmacist", "admin", "privacy-officer"):
        for path in ("/fhir/Group", f"/fhir/Group/{own}", f"/fhir/Group/{own}/$changes", f"/fhir/Patient?_list={own}"):
            assert clinic.get(path, user).status_code == 403, (user, path)
    # A visit that ends takes Ann off the ward's list; one that begins puts her on it.
    ended = encounter(33, 31)
    deliver(clinic.store, [row("ann", patient(31, ANN, "Ames", "Ann"), ended, publisher="T", order=2)], SETS, **TRUST)
    assert on_list(clinic, "dr-ward") == [32, 35]
    asked = resource(
        "ServiceRequest", uid(60), status="active", intent="order", subject=to("Patient", 31), authoredOn=RECENTLY
    )
    deliver(clinic.store, [row("asked", asked, publisher="T")], SETS, **TRUST)
    assert on_list(clinic, "dr-ward") == [31, 32, 35]


RECENTLY = (datetime.date.today() - datetime.timedelta(days=9)).isoformat()


def test_a_search_across_a_list_finds_what_each_persons_own_search_finds(clinic):
    clinic.permit(ANN, "dr-ward")
    for user in ("dr-green", "dr-ward", "dr-other"):
        id_, shown = group(clinic, user)["id"], Follower(clinic, user).expected()
        for type_ in ("Observation", "Encounter", "EpisodeOfCare", "Patient"):
            expected = {name for name in shown if name.startswith(type_ + "/")}
            if type_ == "Patient":  # of the members themselves
                expected = {f"Patient/{uid(number)}" for number in on_list(clinic, user)}
            path = f"/fhir/{type_}?_list={id_}"
            assert set(clinic.found(path, user)) == expected, (user, type_)
            assert clinic.get(f"{path}&_summary=count", user).json()["total"] == len(expected)
            ways = ["_has:Group:member:_id=", "_in=Group/"]
            for way in [f"{'' if type_ == 'Patient' else 'patient.'}{way}" for way in ways]:
                assert set(clinic.found(f"/fhir/{type_}?{way}{id_}", user)) == expected, way
            paged, answer = [], clinic.get(f"{path}&_count=1", user)
            while answer:
                paged += [entry["fullUrl"].partition("/fhir/")[2] for entry in answer.json().get("entry", ())]
                answer = (url := link(answer.json(), "next")) and clinic.get(url, user)
            assert len(paged) == len(set(paged)) and set(paged) == expected, "pages hold each match once"
    # The ward has Ann's permission alone: what another source holds of Abe and Amy is not found beside hers.
    id_ = group(clinic, "dr-ward")["id"]
    assert found(clinic, f"/fhir/Observation?_list={id_}", "dr-ward") == ["Observation/3"]
    assert found(clinic, f"/fhir/Observation?_list={id_}&code=http://snomed.info/sct|x&_sort=date", "dr-ward") == [
        "Observation/3"
    ]
    one = clinic.get(f"/fhir/Observation?_list={id_}&status:not=amended&_include=Observation:subject", "dr-ward").json()
    assert {entry["resource"]["id"][:8] for entry in one["entry"]} == {"00000003", "00000001"}


@pytest.mark.hazard("HZ-LIST-02")
def test_another_organisations_list_is_as_one_that_is_not_there(clinic):
    theirs = group(clinic, "dr-ward")["id"]
    for path in ("/fhir/Observation?_list=", "/fhir/Patient?_list=", "/fhir/Encounter?patient._in=Group/"):
        answers = [clinic.get(path + id_).content.replace(id_.encode(), b"") for id_ in (theirs, uid(5))]
        assert answers[0] == answers[1] and b'"entry"' not in answers[0]
    for asked in (
        f"patient={uid(1)}&_list={theirs}",
        f"_list={theirs}&_list={theirs}",
        "_list=Patient/1",
        "_list=a|b",
        "patient._in=List/1",
    ):
        assert clinic.get(f"/fhir/Observation?{asked}").status_code == 400, asked
    for path in ("/fhir/Observation?_list=$current-problems", f"/fhir/Organization?_list={theirs}"):
        assert clinic.get(path).status_code == 400


@pytest.mark.hazard("HZ-LIST-03")
def test_each_person_of_whom_something_is_shown_is_in_the_audit_alone(clinic):
    id_ = group(clinic)["id"]

    def audited(path: str) -> list[tuple[str, set[int], int]]:
        before = len(clinic.audit())
        assert clinic.get(path).status_code == 200
        return [
            (event["act"], {int(patient[:8]) for patient in event["patients"]}, event["count"])
            for event in clinic.audit()[before:]
        ]

    assert audited(f"/fhir/Group/{id_}") == [("caseload", {1, 31}, 0), ("caseload", {11, 32}, 0)]
    assert audited(f"/fhir/Group?_id={uid(5)}") == [("caseload", set(), 0)], "nobody is shown or asked about"
    assert len(audited(f"/fhir/Group?member={uid(5)}")) == len(audited("/fhir/Group?_summary=count")) == 2
    assert audited(f"/fhir/Observation?_list={id_}&date=2024") == [("search", {1, 31}, 1)]
    assert audited(f"/fhir/Observation?_list={id_}&date=1999") == [("search", set(), 0)]
    assert audited(f"/fhir/Observation?_list={id_}&date=1999&_total=accurate") == [
        ("search", {1, 31}, 0),
        ("search", {11, 32}, 0),
    ]
    told = audited(f"/fhir/Group/{id_}/$changes")
    assert told[0] == ("caseload", set(), 0) and [event[1] for event in told[1:]] == [{1, 31}, {11, 32}]


def test_a_list_that_is_too_long_is_refused_and_not_cut(clinic, monkeypatch):
    id_ = group(clinic)["id"]
    for place, name, most, reason in (
        (caseload, "MOST_MEMBERS", 1, "the list is too long"),
        (caseload, "MOST_ASKED", 1, "have no end"),
        (attending, "MOST_LOOKED_AT", -1, "have no end"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(place, name, most)
            clinic.app.state.door.cache._values.clear()
            for path in ("/fhir/Group", f"/fhir/Group/{id_}/$changes", f"/fhir/Observation?_list={id_}"):
                answer = clinic.get(path)
                assert answer.status_code == 413 and reason in answer.text, path
                assert clinic.audit()[-1]["outcome"] == "refused"
        clinic.app.state.door.cache._values.clear()
    monkeypatch.setattr(changed, "MOST_SHOWN", 3)
    assert clinic.get(f"/fhir/Group/{id_}/$changes").status_code == 413
    assert clinic.get(f"/fhir/Group/{id_}/$changes?_type=Observation").status_code == 200


@pytest.mark.hazard("HZ-LIST-01")
def test_neither_finished_visits_nor_somebody_hidden_make_a_list_too_long(clinic, monkeypatch):
    """Odd is restricted: both borders are where they are without her. Nobody has ended the visits of 2010."""
    listed = on_list(clinic, "dr-ward")
    past = [
        row(f"past{n}", patient(200 + n, f"99900{n:05d}", "Past", "Pat"),
            encounter(300 + n, 200 + n, period={"start": "2010-01-01"}), publisher="T")
        for n in range(9)
    ]  # fmt: skip
    deliver(clinic.store, past, SETS, **TRUST)
    monkeypatch.setattr(caseload, "MOST_MEMBERS", len(listed)), monkeypatch.setattr(caseload, "MOST_ASKED", len(listed))
    assert on_list(clinic, "dr-ward") == listed


def test_a_visit_that_ends_with_time_alone_is_off_the_list_within_a_minute_on_a_quiet_store(clinic):
    begun = clinic.store.clock() // 3_600_000_000 * 3_600_000_000
    clinic.store.clock = lambda: begun
    ended = datetime.datetime.fromtimestamp(begun / 1e6 + 90, datetime.UTC).isoformat()
    visit = {**on_the_ward(33, 31), "period": {"start": f"{datetime.date.today()}", "end": ended}}
    deliver(clinic.store, [row("ann", patient(31, ANN, "Ames", "Ann"), visit, publisher="T", order=2)], SETS, **TRUST)
    assert on_list(clinic, "dr-ward") == [31, 32, 35]
    clinic.store.clock = lambda: begun + 151_000_000
    assert on_list(clinic, "dr-ward") == [32, 35]


SECRET = {"security": ["R"]}


def _patient_of_trust(**elements) -> dict:
    return patient(35, AMY, "Ames", "Amy", **elements)


STEPS = {
    "a result comes": ([row("s1", observation(71, 1))], {}),
    "it is corrected": ([row("s1", observation(71, 1, "y"), order=2)], {}),
    "it is deleted": ([row("s1", order=3, deleted=True)], {}),
    "two come": ([row("s2", observation(72, 1)), row("s3", observation(73, 11))], {}),
    "one is made confidential": ([row("s2", observation(72, 1, **SECRET), order=2)], {}),
    "one is so from the beginning": ([row("s4", observation(74, 1, **SECRET))], {}),
    "it is changed": ([row("s4", observation(74, 1, "z", **SECRET), order=2)], {}),
    "it is open again": ([row("s4", observation(74, 1, "z"), order=3)], {}),
    "Amy leaves the ward": ([row("amy", _patient_of_trust(), publisher="T", order=2)], TRUST),
    "and comes back": ([row("amy", _patient_of_trust(), on_the_ward(36, 35), publisher="T", order=3)], TRUST),
    "Odd is no longer restricted": (
        [row("odd", patient(41, people.ODD, "Odder", "Oda"), registered(42, 41), observation(43, 41), order=3)], {}),
    "and is again": (
        [row("odd", patient(41, people.ODD, "Odder", "Oda", security=["S"]), registered(42, 41), observation(43, 41), order=4)], {}),
    "the practice shares no more": ([says("P1", 2, ods="A99001", state="withdrawn")], {}),
    "and does again": ([says("P1", 3, ods="A99001", state="active")], {}),
}  # fmt: skip
"""What happens, one after the other."""


@pytest.mark.hazard("HZ-LIST-04")
def test_a_follower_holds_at_each_moment_what_everything_shows(clinic):
    """Whatever happened since, in pages of any size: nothing is lost, nothing stays that is no longer shown."""
    clinic.permit(ANN, "dr-ward")
    followers = [Follower(clinic, user, count) for user in ("dr-green", "dr-ward") for count in (1000, 2)]
    for name, (rows, about) in {"at first": ([], {}), **STEPS}.items():
        if rows:
            deliver(clinic.store, rows, SETS, **about)
        for follower in followers:
            follower.poll()
            assert follower.held == follower.expected(), (name, follower.user)
            assert follower.poll() == [], name


@pytest.mark.hazard("HZ-LIST-05")
def test_what_is_never_shown_is_never_told_and_what_is_hidden_is_as_what_is_deleted(clinic):
    clinic.permit(ANN, "dr-ward")
    ward, practice = Follower(clinic, "dr-ward"), Follower(clinic, "dr-green")
    ward.poll(), practice.poll()
    expected = {
        "a result comes": (["PUT Observation/71"],) * 2,
        "it is corrected": (["PUT Observation/71"],) * 2,
        "it is deleted": (["DELETE Observation/71"],) * 2,
        "two come": (["PUT Observation/72"], ["PUT Observation/72", "PUT Observation/73"]),
        "one is made confidential": (["DELETE Observation/72"], ["PUT Observation/72"]),
        "one is so from the beginning": ([], ["PUT Observation/74"]),
        "it is changed": ([], ["PUT Observation/74"]),
        "it is open again": (["PUT Observation/74"], ["PUT Observation/74"]),
        "Amy leaves the ward": (["PUT Group", "DELETE Patient/35", "DELETE Encounter/36"], []),
        "and comes back": (["PUT Group", "PUT Patient/35", "PUT Encounter/36"], []),
    }  # fmt: skip
    for name, told in expected.items():
        rows, about = STEPS[name]
        deliver(clinic.store, rows, SETS, **about)
        assert (ward.poll(), practice.poll()) == told, name
    # An opt-out from secondary use labels all of a record, and is nothing that a carer is shown.
    with clinic.store.write() as session:
        session.run("UPDATE head SET labels = labels | ?, seen_seq = ?", labels.TYPE1, session.commit_seq)
    assert (ward.poll(), practice.poll()) == ([], [])
    # A permission that ends takes away what others recorded, and nothing else.
    clinic.store.clock = lambda ahead=25 * 3_600_000_000, clock=clinic.store.clock: clock() + ahead
    clinic.tokens.clear()
    gone = ward.poll()
    assert gone and all(change.startswith("DELETE") or change == "PUT Patient/31" for change in gone)
    assert ward.held == ward.expected()


def test_a_cursor_is_its_callers_and_holds_as_long_as_what_was_shown_is_kept(clinic, monkeypatch):
    ward = Follower(clinic, "dr-ward")
    start = ward.at
    ward.poll()
    assert clinic.get(ward.at, "nurse-ward").status_code == 400
    assert (
        clinic.get(ward.at.replace(group(clinic, "dr-ward")["id"], group(clinic)["id"]), "dr-ward").status_code == 400
    )
    assert clinic.get(ward.at + "&_type=Observation", "dr-ward").status_code == 400
    for asked in ("_type=Organization", "_since=2020", "_count=0", "_cursor=a", "start=2020", "_elements=id"):
        assert clinic.get(f"{start.partition('?')[0]}?{asked}", "dr-ward").status_code == 400, asked
    only = clinic.get(f"{start.partition('?')[0]}?_type=Encounter", "dr-ward").json()["entry"]
    assert {entry["resource"]["resourceType"] for entry in only} == {"Group", "Encounter"}
    # The same cursor is answered alike, however often: an answer that is lost is asked for again.
    deliver(clinic.store, [row("late", observation(75, 31), publisher="T")], SETS, **TRUST)
    at = ward.at
    first = ward.poll()
    ward.at, ward.held = at, dict(ward.held)
    assert ward.poll() == first == ["PUT Observation/75"]
    with monkeypatch.context() as patched:
        patched.setattr(cursors.time, "time", lambda now=cursors.time.time: now() + 8 * 86400)
        assert clinic.get(ward.at, "dr-ward").status_code == 410
    with clinic.store.write(is_aside=True) as session:
        assert session.run("DELETE FROM shown WHERE length(body) < (SELECT max(length(body)) FROM shown)") > 0
    assert clinic.get(ward.at, "dr-ward").status_code == 410, "a part of it is no more"
    with clinic.store.write(is_aside=True) as session:
        assert session.run("DELETE FROM shown") > 0
    assert clinic.get(ward.at, "dr-ward").status_code == 410
    assert clinic.get(start, "dr-ward").status_code == 200


def test_a_page_of_changes_has_a_least_size_so_that_a_list_is_not_compared_for_each_change(clinic, monkeypatch):
    monkeypatch.setattr(following, "LEAST_COUNT", 100)
    answer = clinic.get(Follower(clinic, "dr-ward", 1).at, "dr-ward").json()
    assert len(answer["entry"]) > 2 and link(answer, "next") is None and "_count=1" in link(answer, "self")


@pytest.mark.slow
def test_followers_agree_whatever_happens_in_whatever_order(clinic):
    """A hundred changes drawn at random, polled at random, in pages of random size."""
    drawn = random.Random(9)
    clinic.permit(ANN, "dr-ward"), clinic.permit(ABE, "dr-ward")
    followers = [Follower(clinic, user, drawn.choice((1, 3, 7))) for user in ("dr-green", "dr-ward", "dr-other")]
    for turn in range(100):
        number = drawn.randrange(80, 92)
        is_deleted, hides = drawn.random() < 0.2, SECRET if drawn.random() < 0.3 else {}
        makes = [] if is_deleted else [observation(number, drawn.choice((1, 11)), f"c{turn}", **hides)]
        deliver(clinic.store, [row(f"r{number}", *makes, order=turn + 10, deleted=is_deleted)], SETS)
        for follower in drawn.sample(followers, drawn.randrange(3)):
            follower.poll()
            assert follower.held == follower.expected(), turn
