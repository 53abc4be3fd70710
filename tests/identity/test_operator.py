"""``gateway identity`` as an operator runs it: against a fake PDS, and as two people who join two records."""

import json

import pytest

from gateway import composition, config
from gateway.commands import main
from gateway.signin.issue import new_key, public_jwks
from tests.identity.people import A, at_the_practice, at_the_trust, patient, uid
from tests.pds.fake import BASE, Someone


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a sandbox that the commands open."""
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GATEWAY_SANDBOX", "1")
    composition.create_gateway(config.read(), "sandbox").close()
    return tmp_path


def load(*people: dict, at=at_the_trust) -> None:
    with composition.open_gateway(config.read()) as gateway:
        at(gateway.store, *people)


def acts() -> list[dict]:
    with composition.open_gateway(config.read()) as gateway, gateway.store.read() as session:
        return [json.loads(event) for (event,) in session.rows("SELECT event FROM audit ORDER BY seq")]


def configure(folder, monkeypatch, **facts) -> None:
    lines = [f"{name} = {json.dumps(value)}" for name, value in facts.items()]
    (folder / "pds.toml").write_text("\n".join(lines))
    monkeypatch.setenv("GATEWAY_PDS", str(folder / "pds.toml"))


@pytest.fixture
def signing(folder, fake, monkeypatch):
    """The settings of a client that signs in, with a key that the fake knows."""
    key = new_key()
    (folder / "pds.pem").write_bytes(key)
    (folder / "pds.pem").chmod(0o600)
    fake.public_key, fake.tokens = public_jwks(key, "RS512")["keys"][0], []
    yield {
        "base": fake.url + BASE, "token": f"{fake.url}/oauth2/token", "client": fake.client, "kid": "test-1",
        "key": "pds.pem", "per_second": 100,
    }  # fmt: skip
    fake.public_key = ""


def test_records_are_traced_and_the_terminal_says_how_many(folder, fake, signing, monkeypatch, capsys, caplog):
    configure(folder, monkeypatch, **signing)
    fake.hold([Someone(A)])
    load(patient(1, A), patient(2, family="Quillfeather"))
    assert main(["identity", "trace", "--limit", "1", "--as", "ann", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "due": 1, "asked": 1, "outcomes": {"verified": 1}, "stopped": "",
    }  # fmt: skip
    assert main(["identity", "trace", "--as", "ann"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "1 due, 1 traced: none 1\n"
    assert {event["act"] for event in acts() if event["act"].startswith("identity")} == {
        "identity.query",
        "identity.trace",
    }
    everything = json.dumps(acts()) + shown.out + shown.err + caplog.text
    assert not any(value in everything for value in (A, "Quillfeather", "Fernsby"))


def test_a_run_that_pds_stops_exits_1_and_says_so(folder, fake, signing, monkeypatch, capsys):
    configure(folder, monkeypatch, **signing)
    load(patient(1, A))
    fake.troubles = [(429, {"retry-after": "3600"})]
    assert main(["identity", "trace"]) == 1
    assert "PDS asks to wait" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change, said",
    [
        ({"key": "none.pem"}, "GATEWAY_PDS: key cannot be read"),
        ({"base": "http://pds.example/"}, "an address to call is https"),
        ({"base": ""}, "GATEWAY_PDS: base or per_second"),
        ({"per_second": 0}, "GATEWAY_PDS: base or per_second"),
        ({"nhs_number": A}, "GATEWAY_PDS: 1 keys are not known"),
        ({"kid": ""}, "go together"),
        ({"client": "another"}, "refuses this gateway's assertion"),
    ],
)
def test_settings_that_do_not_hold_together_are_refused(folder, fake, signing, monkeypatch, capsys, change, said):
    configure(folder, monkeypatch, **{**signing, **change})
    load(patient(1, A))
    assert main(["identity", "trace"]) == 2
    shown = capsys.readouterr()
    assert said in shown.err and A not in shown.err and shown.out == ""


def test_a_key_that_others_can_read_is_refused(folder, fake, signing, monkeypatch, capsys):
    configure(folder, monkeypatch, **signing)
    (folder / "pds.pem").chmod(0o644)
    assert main(["identity", "trace"]) == 2
    assert "can be read by others" in capsys.readouterr().err


def test_a_live_store_never_asks_without_signing_in(tmp_path, fake, monkeypatch, capsys):
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    composition.create_gateway(config.read(), "live").close()
    configure(tmp_path, monkeypatch, base=fake.url + BASE)
    assert main(["identity", "trace"]) == 2
    assert "a live store needs them" in capsys.readouterr().err


def test_two_people_join_two_records_and_the_history_says_who(folder, capsys):
    load(patient(1, A, verified=True), at=at_the_practice)
    load(patient(2, A, verified=True, gender="male"))
    assert main(["identity", "review", "--json"]) == 1
    item = json.loads(capsys.readouterr().out)["item"]
    words = ["identity", "join", item, uid(1), uid(2), "--why", "seen at the desk", "--as"]
    assert main([*words, "ann"]) == 0 and "waits for a second person" in capsys.readouterr().out
    assert main([*words, "bob", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "in force"
    assert main(["identity", "review"]) == 0 and main(["identity", "history"]) == 0
    shown = capsys.readouterr().out
    assert "by ann" in shown and "by bob" in shown and shown.count("(stands)") == 2
    assert [event["act"] for event in acts() if event["act"].startswith("identity")] == [
        "identity.review", "identity.join", "identity.join", "identity.review",
    ]  # fmt: skip


@pytest.mark.hazard("HZ-ID-12")
def test_a_reviewer_sees_what_to_compare_and_the_audit_says_of_whom(folder, capsys):
    load(patient(1, A), at=at_the_practice)
    load(patient(2, A, born="1999-01-01"))
    assert main(["identity", "review", "--values", "--as", "ann"]) == 1
    shown = capsys.readouterr().out
    assert all(value in shown for value in ("999 000 0018", "1980-02-03", "1999-01-01", "Ann Fernsby"))
    (event,) = [event for event in acts() if event["act"] == "identity.review"]
    assert event["by"] == "ann" and event["values"] and sorted(event["patients"]) == [uid(1), uid(2)]
    assert main(["identity", "review"]) == 1
    assert not any(value in capsys.readouterr().out for value in ("999 000", "1980", "Fernsby"))
