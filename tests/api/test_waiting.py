"""No request waits for a connection that another request, or it itself, holds."""

import contextlib
import time

import pytest

from gateway.fhir.codes import NHS_NUMBER
from gateway.nhs import roles, sandbox
from tests.api.people import ANN, uid

READERS = 40
"""More than a pool of SQLite keeps open: as many as there are threads."""


@pytest.fixture
def held(clinic, monkeypatch) -> list[int]:
    """How many connections were held whenever an event was recorded."""
    audit, pool, held = clinic.app.state.door.audit, clinic.store.engine.pool, []
    record = audit.record

    def counted(event: dict) -> None:
        held.append(pool.checkedout())
        record(event)

    monkeypatch.setattr(audit, "record", counted)
    return held


@pytest.mark.parametrize("user", ["dr-green", "dr-other", "social-worker", "receptionist"])
def test_an_event_is_recorded_when_the_read_that_it_is_of_is_closed(clinic, held, user):
    paths = [
        f"/fhir/Observation?patient.identifier={NHS_NUMBER}|{ANN}", f"/fhir/Observation?patient={uid(1)}",
        f"/fhir/Patient/$summary?identifier={ANN}", f"/fhir/Patient/{uid(1)}/_history",
    ]  # fmt: skip
    statuses = {clinic.get(path, user).status_code for path in paths}
    assert statuses <= {200, 403, 404} and len(held) == len(paths) and set(held) == {0}


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_read_does_not_wait_for_those_who_hold_a_connection(clinic):
    with contextlib.ExitStack() as readers:
        for _ in range(READERS):
            readers.enter_context(clinic.store.read())
        begun = time.monotonic()
        assert clinic.get(f"/fhir/Patient/{uid(1)}").status_code in (200, 404)
    assert time.monotonic() - begun < 5


def test_a_role_that_may_see_one_view_is_answered_that_view_by_post_as_by_get(clinic, monkeypatch):
    user = {**sandbox.USERS["dr-green"]}
    user["nhsid_nrbac_roles"] = [{**role, "activity_codes": [roles.VIEW_SUMMARY]} for role in user["nhsid_nrbac_roles"]]
    monkeypatch.setitem(sandbox.USERS, "summary-only", user)
    for view in ("summary", "shared"):
        asked = {"identifier": ANN, "view": view}
        by_get = clinic.get("/fhir/Patient/$summary", "summary-only", **asked)
        by_post = clinic.ask("POST", "/fhir/Patient/$summary", "summary-only", data=asked)
        assert by_get.status_code == by_post.status_code == (200 if view == "summary" else 403)
    assert [event["act"] for event in clinic.audit() if event["stream"] == "read"] == [
        "summary", "summary", "shared", "shared"]  # fmt: skip


def test_the_audit_tells_whose_user_it_was(clinic):
    clinic.get(f"/fhir/Patient/{uid(1)}")
    (event,) = [event for event in clinic.audit() if event["act"] == "read"]
    assert event["issuer"] and event["user"] and event["issuer"] != event["user"]
