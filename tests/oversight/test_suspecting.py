"""The rules asked of a real audit: who looked at somebody of their own name or address without a visit."""

import pytest

from gateway.errors import Invalid
from gateway.oversight import suspecting, triage
from gateway.oversight.suspecting import Staff
from tests.api.conftest import Api, data_dir, issuer_key  # noqa: F401 (fixtures)
from tests.api.people import fill, uid


@pytest.fixture
def clinic(store, tmp_path, data_dir):  # noqa: F811
    fill(store)
    api = Api(store, data_dir(tmp_path / "data"))
    yield api
    api.close()


def files(folder, staff="", roster=""):
    (folder / "staff.csv").write_text("user,surname,number,line,postcode\n" + staff)
    (folder / "roster.csv").write_text("user,start,end\n" + roster)
    return folder / "staff.csv", folder / "roster.csv"


@pytest.mark.hazard("HZ-ACCESS-48")
def test_a_view_of_ones_own_record_is_an_alert_once_and_tells_of_no_patient(clinic, tmp_path):
    door = clinic.app.state.door
    assert clinic.get(f"/fhir/Patient/{uid(1)}", "dr-green").status_code == 200
    number = next(
        row["value"] for row in clinic.get(f"/fhir/Patient/{uid(1)}").json()["identifier"] if "nhs-number" in row["system"]
    )  # fmt: skip
    known = suspecting.staff(
        *files(tmp_path, f"999900000001,Green,{number},,\n", "999900000001,2020-01-01,2020-01-02\n")
    )
    assert suspecting.suspect(door, "A99001", Staff(), 28, 50, "me") == 0
    assert [suspecting.suspect(door, "A99001", known, 28, 50, "me") for _ in range(2)] == [1, 1]
    assert suspecting.suspect(door, "RZZ", known, 28, 50, "me") == 0
    (alert,) = triage.every(clinic.store)
    assert alert.row.user == "999900000001" and "own-record" in alert.row.rule and "own record" in alert.why
    assert number not in str(alert.as_dict()) and uid(1) not in str(alert.as_dict())
    assert [event["alerts"] for event in door.audit.events("write") if event["act"] == "audit.rules"] == [0, 1, 1, 0]


@pytest.mark.parametrize("roster", ["u,yesterday,today\n", 'u,"\n'])
def test_a_file_that_cannot_be_read_is_refused_by_its_place(tmp_path, roster):
    with pytest.raises(Invalid):
        suspecting.staff(*files(tmp_path, "", roster))
    (tmp_path / "staff.csv").write_text("name\nx\n")
    with pytest.raises(Invalid, match="columns user"):
        suspecting.staff(tmp_path / "staff.csv", None)
    with pytest.raises(Invalid, match="not a CSV"):
        suspecting.staff(tmp_path / "none.csv", None)
