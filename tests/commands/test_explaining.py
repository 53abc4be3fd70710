"""``gateway access``: an audited decision and a rehearsed one are told in the same steps, and nothing of the person."""

import json
from contextlib import closing

import pytest

from gateway import composition, config, keys
from gateway.commands import main
from gateway.nhs import policy_table, sandbox
from gateway.signin.issue import new_key
from tests.api import people
from tests.api.conftest import Api
from tests.api.people import uid


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A store of which somebody asked: Dr Green of Ann, whom they register; Dr Ward, without permission; reception."""
    folder = tmp_path_factory.mktemp("asked") / "data"
    settings = config.Settings(data_dir=folder, sandbox=True)
    config.prepare_data_dir(settings)
    keys.read_or_create(settings.keys, keys.SANDBOX_ISSUER, new_key)
    store = composition.create_gateway(settings, "sandbox").store
    people.fill(store)
    api = Api(store, folder)
    for user in ("dr-green", "dr-ward", "receptionist"):
        api.get(f"/fhir/Patient/{uid(1)}/$summary", user)
    events = {event["name"]: event for event in api.audit() if event["act"] == "shared"}
    api.close()
    store.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATEWAY_DATA_DIR", str(folder))
        patch.setenv("GATEWAY_SANDBOX", "1")
        yield events


FOR = ("--as", "officer", "--why", "a complaint", "--patient")


def explained(capsys, *words: str) -> dict:
    assert main(["access", "explain", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("user, name, outcomes", [
    ("dr-green", "GREEN, Asha (Dr)", "passed " * 9),
    ("dr-ward", "WARD, Dana (Dr)", "passed passed passed passed refused " + "not-reached " * 4),
    ("receptionist", "DESK, Gita (Mrs)", "passed refused " + "not-reached " * 7),
])  # fmt: skip
def test_an_event_and_its_rehearsal_are_told_alike(asked, capsys, user, name, outcomes):
    event = asked[name]
    then = explained(capsys, str(event["seq"]))
    now = explained(capsys, "--user", user, "--act", "shared", *FOR, uid(1))
    assert [step["outcome"].replace(" ", "-") for step in then["steps"]][:9] == outcomes.split()
    assert then["steps"][:9] == now["steps"][:9] and now["steps"][9]["outcome"] == "not asked"
    assert (then["outcome"], then["refusal"]) == (event["outcome"], event["refusal"])
    assert (
        (now["outcome"], now["policy"])
        == (event["outcome"], event["policy"])
        == (event["outcome"], policy_table.name_in_force())
    )
    assert "Ames" not in str(then) + str(now) and people.ANN not in str(then) + str(now)


def test_an_event_is_told_in_lines_with_its_steps_and_rules(asked, capsys):
    assert main(["access", "explain", str(asked["WARD, Dana (Dr)"]["seq"])]) == 0
    told = capsys.readouterr().out
    assert told.startswith("shared Patient by R8000 of RZZ: refused, ") and "Ames" not in told
    assert len(told.splitlines()) >= 11 and people.ANN not in told


def test_claims_of_a_file_are_rehearsed_like_a_named_user(asked, capsys, tmp_path):
    (tmp_path / "claims.json").write_text(json.dumps(sandbox.claims("dr-green")))
    named = explained(capsys, "--user", "dr-green", "--act", "shared", *FOR, uid(1))
    assert explained(capsys, "--claims", str(tmp_path / "claims.json"), "--act", "shared", *FOR, uid(1)) == named
    (tmp_path / "claims.json").write_text("[]")
    words = ["--claims", str(tmp_path / "claims.json"), "--act", "shared", *FOR, uid(1)]
    assert main(["access", "explain", *words]) == 2 and "--claims: not a JSON object" in capsys.readouterr().err


def test_a_person_who_is_not_there_is_explained_as_one_who_may_not_be_seen(asked, capsys):
    unknown, others = (explained(capsys, "--user", "dr-green", "--act", "shared", *FOR, uid(number)) for number in (9, 21))  # fmt: skip
    assert unknown == others


def test_what_was_asked_of_the_decisions_is_audited(asked, capsys):
    explained(capsys, "--user", "dr-ward", "--act", "search", *FOR, uid(1))
    with composition.open_gateway(config.read()) as gateway:
        audit = gateway.audit()
        event = [event for event in audit.events() if event["act"] == "access.explain"][-1]
        audit.close()
    assert (event["patients"], event["asked"], event["role"]) == ([uid(1)], "search", "R8000") and event["account"]
    assert (event["by"], event["why"]) == ("officer", "a complaint")


def test_who_explains_an_event_of_a_person_is_audited_with_the_person(asked, capsys):
    event = asked["GREEN, Asha (Dr)"]
    explained(capsys, str(event["seq"]), "--as", "officer")
    with composition.open_gateway(config.read()) as gateway, closing(gateway.audit()) as audit:
        audited = [event for event in audit.events() if event["act"] == "access.explain"][-1]
    assert (audited["patients"], audited["by"]) == (event["patients"], "officer") and uid(1) in audited["patients"]


@pytest.mark.parametrize("missing", ["--as", "--why"])
def test_a_person_is_asked_about_by_name_and_with_a_reason_alone(asked, capsys, missing):
    words = dict(zip(("--as", "--why"), ("officer", "a complaint"))) | {missing: " "}
    options = [word for pair in words.items() for word in pair]
    assert main(["access", "explain", "--user", "dr-green", *options, "--patient", uid(1)]) == 2
    assert main(["access", "explain", "--user", "dr-green", "--patient", uid(1)]) == 2


def test_two_versions_are_replayed_over_what_was_audited(asked, capsys, tmp_path):
    table = policy_table.in_force()
    for rule in table["rules"]:
        if "shared" in rule["acts"] and "R8000" in rule["roles"]:
            rule["sections"] = ["allergies", "medicines"]
    (tmp_path / "signed.json").write_text(json.dumps({**table, "version": "next"}))
    assert main(["access", "diff", "now", "now"]) == 0
    capsys.readouterr()
    assert main(["access", "diff", "now", str(tmp_path / "signed.json"), "--json"]) == 1
    *changes, counts = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    for change in changes:  # two callers of one role whose activities differ
        assert (change["role"], change["act"], change["gains"]) == ("R8000", "shared", [])
        assert "Condition (others')" in change["loses"] and "AllergyIntolerance (others')" not in change["loses"]
    assert [(change["events"], change["callers"]) for change in changes] == [(1, 1), (1, 1)]
    assert (counts["changes"], counts["unknown"]) == (2, 0)
    assert main(["access", "diff", "now", str(tmp_path / "signed.json")]) == 1
    assert "Clinical Practitioner (R8000), shared Patient: 1 events of 1 callers; loses " in capsys.readouterr().out
