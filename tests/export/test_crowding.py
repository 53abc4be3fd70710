"""Few people in an export: no set of facts and no code of fewer than k leaves, in two passes that repeat."""

import json
from collections import Counter

import pytest

from gateway.attack import seen, uniqueness
from gateway.errors import GatewayError, Refused
from gateway.export import asking, counting, crowding, cut, running, standing
from gateway.nhs.pseudonym import crowds
from gateway.store import jobs, ledger
from tests.export.conftest import ROOT

K = 3


def release(store, name, out, **kwargs):
    job = asking.start(store, name, "tester", optout_days=7, root=ROOT)
    return running.run(store, job, out, ROOT, workers=1, **kwargs)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.ndjson")}


@pytest.fixture
def released(loaded, approved, tmp_path):
    approved(k=K)
    return release(loaded, "study", tmp_path / "out"), tmp_path / "out", loaded


def holders(folder):
    """(facts of each person, people who hold each code), read from the files alone."""
    patients, codes = {}, {}
    owners = {}
    for line in contents(folder)["Patient.00000.ndjson"].splitlines():
        patient = json.loads(line)
        owners[f"Patient/{patient['id']}"] = person = patient["identifier"][0]["value"]
        patients.setdefault(person, []).append(line)
    for name, data in contents(folder).items():
        for line in data.splitlines() if not name.startswith("Patient.") else ():
            resource = json.loads(line)
            subject = next(resource[key] for key in ("subject", "patient", "for") if key in resource)["reference"]
            for code in crowds.codes(line):
                codes.setdefault(code, set()).add(owners[subject])
    return [crowds.facts(lines) for lines in patients.values()], codes


def forms(folder):
    """What is written of each person but for ids, as an attacker who compares bytes sees it."""
    written = {}
    for line in contents(folder)["Patient.00000.ndjson"].splitlines():
        patient = json.loads(line)
        person = patient.pop("identifier")[0]["value"]
        rest = {name: value for name, value in patient.items() if name not in ("id", "meta", "active")}
        written.setdefault(person, set()).add(json.dumps(rest, sort_keys=True))
    return [tuple(sorted(texts)) for texts in written.values()]


@pytest.mark.hazard("HZ-EXPORT-32")
@pytest.mark.hazard("HZ-EXPORT-33")
def test_at_least_k_people_share_every_set_of_facts_and_hold_every_code(released):
    manifest, out, store = released
    facts, codes = holders(out)
    assert min(Counter(facts).values()) >= K and len(facts) > K
    assert min(Counter(forms(out)).values()) >= K, "masked and absent are told apart"
    assert codes and all(len(people) >= K for people in codes.values())
    figures = uniqueness.by_facts(seen.read(out))
    assert figures["all.alone.born+sex+district+ethnicity+died"] == 0
    assert manifest["extension"]["kAnonymity"]["k"] == K
    assert [path.name.rpartition(".")[0] for path in out.glob(".*")] == [".decision"], "for parts that are cut again"


def test_the_report_goes_to_the_ledger_and_tells_no_small_number(released):
    manifest, _, store = released
    with store.read() as session:
        entry = [entry for _, entry, _ in ledger.entries(session)][-1]
    report = entry["k_anonymity"]
    assert report == manifest["extension"]["kAnonymity"]
    assert all(cell in (0, "*") or cell >= 8 for cell in report["peopleByStep"].values())
    assert report["codes"]["masked"] > 0 and "held by few people" in json.dumps(entry["dropped"])


def test_the_same_again_has_the_same_bytes_and_counts_every_part_again(released, tmp_path):
    _, out, store = released
    job = asking.start(store, "study", "tester", optout_days=7, root=ROOT)

    class Killed(BaseException):
        pass

    def kill(_what, _done, _total):
        raise Killed

    with pytest.raises(Killed):
        running.run(store, job, tmp_path / "again", ROOT, workers=1, progress=kill)
    running.run(store, job, tmp_path / "again", ROOT, workers=1)
    assert contents(tmp_path / "again") == contents(out)


def test_a_part_cut_under_another_decision_is_cut_again(loaded, approved, tmp_path, monkeypatch):
    approved(k=K)
    job = asking.start(loaded, "study", "tester", optout_days=7, root=ROOT)
    counted = counting.Counting(crowding_part(loaded, job, tmp_path), 1)
    with loaded.write() as session:
        jobs.finish_part(session, job, 0, {"decision": "another", "state": ""})
        taken = jobs.take(session, job)
    decision, todo = counted.decide(loaded, taken, [])
    assert todo == [0] and decision.hash
    assert crowding.of(counted._part).crowds is None, "a part of no decision is cut without one"


def test_a_folder_that_is_handed_over_holds_the_release_alone(loaded, approved, tmp_path):
    approved(k=K)
    job = asking.start(loaded, "study", "tester", optout_days=7, root=ROOT, kind=standing.BY_HAND)
    running.run(loaded, job, tmp_path / "out", ROOT, workers=1)
    assert not list((tmp_path / "out").glob(".*"))


def crowding_part(store, job, folder):
    with store.read() as session:
        pins = jobs.get(session, job).pins
    return cut.Part(store.url, job, pins, 0, str(folder), 1, standing.key_of(pins, ROOT))


@pytest.mark.hazard("HZ-EXPORT-34")
def test_a_project_may_have_its_release_refused_instead(loaded, approved, tmp_path):
    approved(k=K, few_people="refuse")
    with pytest.raises(Refused, match="fewer people"):
        release(loaded, "study", tmp_path / "out")


def test_a_release_of_fewer_than_k_people_is_refused(loaded, approved, tmp_path):
    approved(k=100)
    with pytest.raises(Refused, match="fewer people"):
        release(loaded, "study", tmp_path / "out")


def test_a_person_who_cannot_leave_counts_for_no_code():
    people = {("1950", "male", "", "", ""): 5, ("1950", "male", "", "", "yes"): 1}
    codes = {"s a": 6, "s b": 5}
    decision = crowding.decide(people, codes, 5, {"disclosure": "hes"})
    assert decision.common == {"s a"}, "one of the five who hold b may be who is left out"
    dead = [("Patient", b'{"birthDate":"1950","gender":"male","deceasedBoolean":true}'), ("Condition", b"{}")]
    assert list(decision.coarsened(dead)) == []


def test_a_decision_that_was_changed_on_disk_is_not_used(tmp_path, loaded, approved):
    approved(k=K)
    job = asking.start(loaded, "study", "tester", optout_days=7, root=ROOT)
    part = crowding_part(loaded, job, tmp_path)
    with pytest.raises(GatewayError, match="are gone"):
        crowding._read(part.out, "0" * 64)
    crowding._path(part.out, "0" * 64).write_bytes(b'{"kept":[],"common":[]}')
    with pytest.raises(GatewayError, match="have changed"):
        crowding._read(part.out, "0" * 64)
