"""Reads, versions and history on both databases: what is served, its tags, and who may see what was."""

import time
from email.utils import parsedate_to_datetime

import pytest

from gateway.api import paging
from gateway.fhir import model
from tests.api.people import AMY, ANN, SETS, observation, people, uid
from tests.toy import deliver, row

OBS = f"/fhir/Observation/{uid(3)}"


def send_again(api, **elements) -> None:
    """The practice sends Ann's observation once more, with other content."""
    deliver(api.store, [row("ann-obs", observation(3, 1, **elements), order=2)], SETS)


def withdraw(api) -> None:
    deliver(api.store, [row("ann-obs", order=3, deleted=True)], SETS)


def test_what_is_read_is_valid_tagged_and_keeps_its_digits(clinic):
    answer = clinic.get(OBS)
    assert (answer.status_code, answer.headers["content-type"], answer.headers["etag"]) == (
        200,
        "application/fhir+json; charset=utf-8",
        'W/"1"',
    )
    meta = answer.json()["meta"]
    assert meta["versionId"] == "1" and meta["source"].startswith("urn:toy:A99001#")
    assert parsedate_to_datetime(answer.headers["last-modified"]).isoformat()[:19] == meta["lastUpdated"][:19]
    assert b'"value":5.10,' in answer.content
    assert b'"value":5.10,' in clinic.get("/fhir/Observation", patient=uid(1)).content
    assert model.check(answer.content) == []


TAGS = [
    ('W/"1"', 304), ('"1"', 304), ('W/"7", W/"1"', 304), ("*", 304), ('W/"2"', 200), ('W/"11"', 200), ("1", 200), ("", 200), ('W/"', 200),
]  # fmt: skip


def test_a_version_the_client_has_is_not_sent_again(clinic):
    for tag, status in TAGS:
        answer = clinic.get(OBS, headers={"If-None-Match": tag})
        assert (answer.status_code, answer.headers["etag"], bool(answer.content)) == (status, 'W/"1"', status == 200), (
            tag
        )


@pytest.mark.hazard("HZ-API-13")
def test_a_change_within_the_second_that_a_client_names_is_sent(clinic):
    """Two versions of one second have one date, so a client that has the first is sent the second."""
    modified = clinic.get(OBS).headers["last-modified"]
    later, earlier = "Fri, 01 Jan 2999 00:00:00 GMT", "Fri, 01 Jan 1999 00:00:00 GMT"
    unreadable = ("yesterday", "", "Thu, 01 Jan 1970 00:00:00 +99999999999999", "Thu, 01 Jan 99999999999 00:00:00 GMT")
    asked = [(modified, 304), (later, 304), (earlier, 200), *((text, 200) for text in unreadable)]
    for date, status in asked:
        assert clinic.get(OBS, headers={"If-Modified-Since": date}).status_code == status, date
    both = {"If-Modified-Since": later, "If-None-Match": 'W/"7"'}
    assert clinic.get(OBS, headers=both).status_code == 200, "a tag goes before a date"
    send_again(clinic, valueString="second")
    modified = clinic.get(OBS).headers["last-modified"]
    assert clinic.get(OBS, headers={"If-Modified-Since": modified}).status_code == 200
    assert clinic.get(OBS, headers={"If-Modified-Since": later}).status_code == 304


def test_a_history_of_a_type_is_refused_by_name(clinic):
    answer = clinic.get("/fhir/Observation/_history")
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "not-supported")


READS = (OBS, f"{OBS}/_history", f"{OBS}/_history/1", f"/fhir/Patient/{uid(1)}/$summary")


@pytest.mark.parametrize("path", READS)
def test_a_parameter_that_a_read_does_not_know_is_refused_by_name(clinic, path):
    for name, value in (
        ("_elements", "9990009990"),
        ("_summary", "9990009990"),
        ("patient", "9990009990"),
    ):
        answer = clinic.get(path, **{name: value})
        assert (answer.status_code, answer.json()["issue"][0]["details"]["text"]) == (400, f"parameter {name}")
        assert "9990009990" not in answer.text
    assert clinic.get(path, _format="json").status_code == 200
    for text in ("turtle", "json,xml", ",", ";"):  # one kind is asked for
        assert clinic.get(path, _format=text).status_code == 406


ACCEPTS = [
    ("application/fhir+xml", 200), ("application/xml, text/xml", 200), ("text/turtle", 406), ("application/fhir+turtle", 406), ("application/json-patch+json", 406),
    ("application/fhir+json", 200), ("Application/FHIR+JSON; charset=utf-8", 200), ("application/json", 200), ("application/*", 200), ("*/*", 200),
    ("application/fhir+xml, application/fhir+json;q=0.5", 200), ("text/html, */*;q=0.8", 200),
    ("application/fhir+json; fhirVersion=4.0", 200), ("application/fhir+json; fhirVersion=3.0", 406), ("application/fhir+json;q=x", 406),
]  # fmt: skip


@pytest.mark.parametrize("accept, status", ACCEPTS)
def test_who_takes_neither_json_nor_xml_is_told_that_they_are_all_there_is(clinic, accept, status):
    for path in (*READS, f"/fhir/Observation?patient={uid(1)}", "/fhir/metadata"):
        assert clinic.get(path, headers={"Accept": accept}).status_code == status, path
    found = clinic.ask("POST", "/fhir/Observation/_search", headers={"Accept": accept}, data={"patient": uid(1)})
    assert found.status_code == status


def test_a_page_is_for_the_summary_only_and_the_format_asked_for_goes_before_the_header(clinic):
    told = [clinic.get(path, headers={"Accept": "text/html"}) for path in READS]
    assert [answer.status_code for answer in told] == [406, 406, 406, 200]
    assert told[0].json()["issue"][0]["details"]["text"] == "accept: application/fhir+json, application/fhir+xml"
    assert clinic.get(OBS, headers={"Accept": "application/fhir+xml"}, _format="json").status_code == 200


def test_access_is_decided_before_the_tag(clinic):
    """Whoever may not read it is not told that they have it."""
    for user, path in (
        ("dr-other", OBS),
        ("dr-green", f"/fhir/Observation/{uid(23)}"),
        ("dr-green", f"/fhir/Observation/{uid(9)}"),
    ):
        for tag in ("*", 'W/"1"'):
            answer = clinic.get(path, user, {"If-None-Match": tag})
            assert answer.status_code == 404 and "etag" not in answer.headers
    assert clinic.get(OBS, "receptionist", {"If-None-Match": "*"}).status_code == 403


def test_every_version_is_kept_and_served_to_whose_organisation_recorded_it(clinic):
    before = clinic.get(OBS)
    send_again(clinic, valueString="second")
    now = clinic.get(OBS)
    assert (now.headers["etag"], now.json()["valueString"]) == ('W/"2"', "second")
    assert clinic.get(f"{OBS}/_history/1").content == before.content
    assert clinic.get(f"{OBS}/_history/2").content == now.content
    assert clinic.get(f"{OBS}/_history/3").status_code == 404
    assert clinic.get(OBS, headers={"If-None-Match": 'W/"1"'}).status_code == 200
    bundle = clinic.get(f"{OBS}/_history")
    assert model.check(bundle.content) == []
    told = [
        (entry["response"]["etag"], entry["request"]["method"], entry["resource"]["meta"]["versionId"])
        for entry in bundle.json()["entry"]
    ]
    assert told == [('W/"2"', "PUT", "2"), ('W/"1"', "POST", "1")]


def test_a_history_is_read_in_pages_and_since_a_moment(clinic):
    first = clinic.get(f"{OBS}/_history").json()["entry"][0]["resource"]["meta"]["lastUpdated"]
    for order, words in enumerate(("second", "third"), 2):
        deliver(clinic.store, [row("ann-obs", observation(3, 1, valueString=words), order=order)], SETS)
    page = clinic.get(f"{OBS}/_history", _count="2").json()
    links = {link["relation"]: link["url"] for link in page["link"]}
    assert [entry["resource"]["meta"]["versionId"] for entry in page["entry"]] == ["3", "2"] and page["total"] == 3
    rest = clinic.get("/fhir/" + links["next"].partition("/fhir/")[2]).json()
    assert [entry["resource"]["meta"]["versionId"] for entry in rest["entry"]] == ["1"]
    assert [link["relation"] for link in rest["link"]] == ["self"]
    assert clinic.get(f"{OBS}/_history", _since=first).json()["total"] == 3
    assert clinic.get(f"{OBS}/_history", _since="2999-01-01T00:00:00Z").json()["total"] == 0


def test_a_history_at_a_moment_is_what_was_current_then(clinic):
    moments = [clinic.get(OBS).json()["meta"]["lastUpdated"]]
    for order, words in enumerate(("second", "third"), 2):
        time.sleep(0.002)
        deliver(clinic.store, [row("ann-obs", observation(3, 1, valueString=words), order=order)], SETS)
        moments.append(clinic.get(OBS).json()["meta"]["lastUpdated"])

    def shown(**asked) -> list[str]:
        entries = clinic.get(f"{OBS}/_history", **asked).json().get("entry", ())
        return [entry["resource"]["meta"]["versionId"] for entry in entries]

    assert [shown(_at=moment) for moment in moments] == [["1"], ["2"], ["3"]]
    assert shown(_at=moments[0][:4]) == ["3", "2", "1"] and shown(_at="2999") == ["3"] and shown(_at="2001") == []
    assert shown(_at=moments[1], _since=moments[2]) == []


@pytest.mark.parametrize(
    "name, value",
    [("_count", "x"), ("_count", "-1"), ("_since", "9990009990"), ("_at", "9990009990"), (paging.CURSOR, "x")],
)
def test_a_history_that_is_asked_for_wrongly_is_refused_by_name(clinic, name, value):
    answer = clinic.get(f"{OBS}/_history", **{name: value})
    assert (answer.status_code, answer.json()["issue"][0]["details"]["text"]) == (400, f"parameter {name}")


def test_the_same_again_is_no_new_version(clinic):
    deliver(clinic.store, people(), SETS)
    assert clinic.get(OBS).headers["etag"] == 'W/"1"'


def test_what_was_deleted_is_gone_to_who_recorded_it_and_unknown_to_all_others(clinic):
    withdraw(clinic)
    assert clinic.get(OBS).status_code == 410
    assert clinic.get(OBS).json()["issue"][0]["code"] == "deleted"
    assert clinic.get(f"{OBS}/_history/1").status_code == 200
    assert clinic.get(f"{OBS}/_history/2").status_code == 410
    bundle = clinic.get(f"{OBS}/_history").json()["entry"]
    assert [("resource" in entry, entry["request"]["method"]) for entry in bundle] == [
        (False, "DELETE"),
        (True, "POST"),
    ]
    assert clinic.found("/fhir/Observation", patient=uid(1)) == []
    assert clinic.permit(ANN, "dr-ward").status_code == 201
    unknown = f"/fhir/Observation/{uid(9)}"
    for path, absent in (
        (OBS, unknown),
        (f"{OBS}/_history", f"{unknown}/_history"),
        (f"{OBS}/_history/1", f"{unknown}/_history/1"),
    ):
        for user in ("dr-ward", "dr-other"):
            assert (clinic.get(path, user).status_code, clinic.get(path, user).content) == (
                404,
                clinic.get(absent, user).content,
            )


def test_others_see_what_is_and_not_what_was(clinic):
    send_again(clinic, valueString="second")
    clinic.permit(ANN, "dr-ward")
    assert clinic.get(OBS, "dr-ward").json()["valueString"] == "second"
    assert [entry["response"]["etag"] for entry in clinic.get(f"{OBS}/_history", "dr-ward").json()["entry"]] == [
        'W/"2"'
    ]
    assert clinic.get(f"{OBS}/_history/2", "dr-ward").status_code == 200
    assert clinic.get(f"{OBS}/_history/1", "dr-ward").content == clinic.get(f"{OBS}/_history/9", "dr-ward").content
    assert [
        entry["response"]["etag"] for entry in clinic.get(f"{OBS}/_history", "privacy-officer").json()["entry"]
    ] == ['W/"2"', 'W/"1"']


def test_search_and_pages_are_the_same_on_both_databases(clinic):
    days = [row(f"d{n}", observation(300 + n, 1, effectiveDateTime=f"2023-02-{n + 1:02d}")) for n in range(5)]
    deliver(clinic.store, days, SETS)
    for order, expected in (("date", [300, 301, 302, 303, 304, 3]), ("-date", [3, 304, 303, 302, 301, 300])):
        link, found = f"/fhir/Observation?patient={uid(1)}&_count=2&_sort={order}&_total=accurate", []
        while link:
            page = clinic.get(link).json()
            assert page["total"] == 6
            found += [int(entry["resource"]["id"][:8]) for entry in page["entry"]]
            link = next(
                (each["url"].partition(":8000")[2] for each in page["link"] if each["relation"] == "next"), None
            )
        assert found == expected
    assert model.check(clinic.get(f"/fhir/Observation?patient={uid(1)}&_include=Observation:patient").content) == []
    body = {"patient.identifier": f"https://fhir.nhs.uk/Id/nhs-number|{ANN}", "date": "ge2024"}
    assert len(clinic.ask("POST", "/fhir/Observation/_search", data=body).json()["entry"]) == 1


def test_an_id_no_database_can_hold_is_an_unknown_one(clinic):
    for path in (
        "/fhir/Patient/%00",
        "/fhir/Patient/a%00/_history",
        "/fhir/Patient/a%00/_history/1",
        "/fhir/Patient/%00/$summary",
    ):
        assert clinic.get(path).status_code == 404, path


def test_names_and_ids_of_others_find_nothing(clinic):
    assert set(clinic.found("/fhir/Patient", family="ames", birthdate="1980")) == {
        f"Patient/{uid(n)}" for n in (1, 11, 31)
    }
    assert AMY not in clinic.get("/fhir/Patient", family="ames", birthdate="1980").text
