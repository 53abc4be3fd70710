"""Cases of exports: what users found in releases, jobs and opt-out lists, asked at the front door."""

import csv
import datetime
import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from gateway import config, demo
from gateway.api.app import create_app
from gateway.composition import create_gateway, open_service
from gateway.errors import GatewayError, Refused
from gateway.export import approval, asking, gather, national_list, running, standing, worker
from gateway.fhir.dates import DAY
from gateway.intake import load
from gateway.nhs import identifiers
from gateway.nhs.pseudonym import Pseudonymiser, project_key
from gateway.store.database import Store
from gateway.synth import world
from gateway.synth.emis.rows import patient_guid
from gateway.synth.people import people
from mappings import Feed, sources
from tests.cases.corpus import facts
from tests.export.conftest import ROOT, document

EXPECTED = facts("export")
NUMBERS = [identifiers.synthetic(number) for number in range(5000, 5300)]
NOBODY = identifiers.synthetic(9999)
WRITTEN = datetime.date(2026, 11, 20)


@pytest.mark.corpora
@pytest.mark.parametrize("folder", EXPECTED)
def test_a_case_is_as_it_was_when_its_expectation_was_written(shared, folder):
    words = (shared / "cases" / "export" / folder / "case.md").read_text(encoding="utf-8")
    assert f"fault: {'yes' if EXPECTED[folder]['fault'] else 'no'}" in words.splitlines()


@pytest.mark.corpora
def test_every_case_has_an_expectation(shared):
    others = {"10-scopes-are-not-asked", "11-people-and-recipient-are-not-asked"}  # with the cases of access
    folders = {
        path.name for path in (shared / "cases" / "export").iterdir() if path.is_dir() and path.name[0].isdigit()
    }
    assert folders - others == EXPECTED.keys()


def of(name: str) -> dict:
    """The expectation of the case whose number a test's name begins with."""
    return next(facts for folder, facts in EXPECTED.items() if folder.startswith(name))


# What a hospital sends


def header(number: int, kind: str, when: str) -> str:
    return f"MSH|^~\\&|PAS|RZZ|TIE|QZZ|{when}||{kind}|{number:08d}|T|2.4|||||GBR|UNICODE|EN||iTKv1.0"


def person(
    nhs: str, local: str, name: str, born: str, sex: str, address: str = "1 Road^^T^V^ZA1 1AA^GBR^H", **more
) -> str:
    fields = {
        1: "1", 3: (f"{nhs}^^^NHS^NH~" if nhs else "") + f"{more.get('also', '')}{local}^^^RZZ^PI", 5: f"{name}^Ann^^^^^L",
        7: born, 8: sex, 11: address, 22: "A", 32: more.get("status", "NSTS01" if nhs else ""),
    }  # fmt: skip
    return "PID|" + "|".join(fields.get(place, "") for place in range(1, 33))


def visit(admitted: str, discharged: str = "", destination: str = "") -> str:
    fields = {
        1: "1", 2: "I", 3: "W1^^^RZZ01", 10: "300", 14: "19", 19: "V1^^^RZZ", 37: destination, 44: admitted, 45: discharged,
    }  # fmt: skip
    return "PV1|" + "|".join(fields.get(place, "") for place in range(1, 46))


def adt(number: int, event: str, patient: str, when: str, *more: str) -> str:
    return "\r".join((header(number, f"ADT^{event}^ADT_A01", when), f"EVN|{event}|{when}||||{when}", patient, *more))


def result(number: int, patient: str, when: str, value: str = "|120|g/L", kind: str = "NM", code: str = "718-7") -> str:
    words, unit = value.split("|")[1:] if value.startswith("|") else (value, "")
    return "\r".join((
        header(number, "ORU^R01^ORU_R01", when), patient, "PV1|1|I|W1^^^RZZ01||||||||||||||||V1^^^RZZ",
        f"OBR|1|R{number}P^RZZ|R{number}^RZZLAB|FBC^Full blood count^RZZLAB|||{when}|||||||{when}||||||||{when}||LAB|F",
        f"OBX|1|{kind}|{code}^Test^LN||{words}|{unit}|||||F|||{when}",
    ))  # fmt: skip


def merge(number: int, patient: str, retired: str, when: str) -> str:
    return "\r".join(
        (header(number, "ADT^A40^ADT_A39", when), f"EVN|A40|{when}||||{when}", patient, f"MRG|{retired}^^^RZZ^PI")
    )


def crowd(count: int) -> list[str]:
    """So many people who are alike but for their numbers."""
    patients = (person(NUMBERS[i], f"H{i}", "Aaa", f"19{i % 80 + 10}0101", "2") for i in range(count))
    return [adt(i, "A28", patient, "20260101090000") for i, patient in enumerate(patients)]


ANN = person(NUMBERS[0], "H1", "Aaa", "19700101", "2")


class Box:
    """A sandbox in a folder: what a hospital sends, approved projects, releases, a client."""

    def __init__(self, folder: Path, *messages: str, numbers: str = f"{NOBODY},\n", url: str = ""):
        self.folder, self.settings = folder, config.Settings(data_dir=folder / "data", sandbox=True, database_url=url)
        self.gateway, self.count = create_gateway(self.settings, "sandbox"), 0
        self.store: Store = self.gateway.store
        if messages:
            self.send(*messages)
        if numbers:
            self.opt_out(numbers)

    def send(self, *messages: str) -> None:
        self.count += 1
        folder = self.folder / f"in{self.count}"
        folder.mkdir()
        (folder / "feed.hl7").write_bytes(("\r".join(messages) + "\r").encode())
        self.load("hl7v2", folder)

    def load(self, name: str, folder: Path) -> None:
        load.load(self.store, sources()[name], folder, Feed(), self.gateway.code_sets(), workers=0)

    def opt_out(self, text: str, **stated) -> dict:
        (self.folder / "list.csv").write_text(text, newline="")
        return national_list.load(self.store, self.folder / "list.csv", **stated)

    def project(self, name: str = "study", **changes) -> str:
        approval.add(self.store, document(name, end="2099-12-31", contributors=[
            {"ods": ods, "agreement": "DSA", "from": "2026-01-01", "to": "2099-12-31"} for ods in ("A99001", "A99002", "RZZ", "990")
        ]) | changes, "asker")  # fmt: skip
        for name_ in ("guardian", "controller"):
            approval.approve(self.store, name, name_)
        return name

    def start(self, project: str = "study", **options) -> str:
        options = {"kind": standing.BY_HAND, "root": ROOT, **options}
        return asking.start(self.store, project, "researcher", optout_days=7, **options)

    def run(self, job: str) -> Path:
        self.count += 1
        out = self.folder / f"out{self.count}"
        running.run(self.store, job, out, ROOT, workers=1)
        return out

    def export(self, project: str = "study", **options) -> Path:
        return self.run(self.start(project, **options))

    def work(self) -> None:
        while worker.work_once(self.store, self.folder / "exports", ROOT, workers=1):
            pass


@pytest.fixture
def box(tmp_path) -> Callable[..., Box]:
    boxes: list[Box] = []

    def make(*messages: str, **options) -> Box:
        folder = tmp_path / f"box{len(boxes)}"
        folder.mkdir()
        boxes.append(Box(folder, *messages, **options))
        return boxes[-1]

    yield make
    for made in boxes:
        made.gateway.close()


@pytest.fixture
def client(box) -> Callable[[Box], tuple[TestClient, dict[str, str]]]:
    services = []

    def make(made: Box) -> tuple[TestClient, dict[str, str]]:
        services.append(open_service(made.gateway))
        headers = {
            "Authorization": f"Bearer {made.gateway.sandbox_token('researcher', 'study')}",
            "Prefer": "respond-async",
        }
        return TestClient(create_app(services[-1])), headers

    yield make
    for service in services:
        service.close()


def lines(folder: Path, name: str = "Patient") -> list[dict]:
    paths = sorted(folder.glob(f"{name}.*.ndjson"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def pseudonym(number: str, project: str = "study", version: int = 1) -> str:
    key = project_key(ROOT, "joint", project, version)
    return (
        Pseudonymiser("sde-research", "in-sde", key)
        .subject("x", (), bool)
        .pseudonym(f"person:number:{number}".encode())
        .decode()
    )


def pseudonyms(folder: Path) -> list[str]:
    return [patient["identifier"][0]["value"] for patient in lines(folder)]


def correlation(one: list[int], other: list[int]) -> float:
    """Spearman's, of two orders of the same things."""
    places = {thing: place for place, thing in enumerate(other)}
    size = len(one)
    return 1 - 6 * sum((place - places[thing]) ** 2 for place, thing in enumerate(one)) / (size * (size**2 - 1))


# The cases


@pytest.mark.hazard("HZ-EXPORT-10")
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_01_no_two_releases_can_be_matched_by_their_order(box, request, monkeypatch, database):
    facts = of("01")
    monkeypatch.setattr(gather, "PERSONS_A_PART", 50)
    url = request.getfixturevalue("postgres_url") if database == "postgres" else ""
    made = box(*crowd(facts["people"]), url=url)
    for name, version in (("falls", 1), ("hearts", 1), ("later", 2)):
        made.project(name, key_version=version)
    of_project = {
        name: {pseudonym(number, name, version): i for i, number in enumerate(NUMBERS)}
        for name, version in (("falls", 1), ("hearts", 1), ("later", 2))
    }
    orders = [[of_project[name][value] for value in pseudonyms(made.export(name))] for name in of_project]
    made.send(result(900, person(NUMBERS[0], "H0", "Aaa", "19100101", "2"), "20260201070000"))
    orders.append([of_project["falls"][value] for value in pseudonyms(made.export("falls"))])
    orders.append(sorted(orders[0]))
    assert all(len(order) == facts["people"] for order in orders)
    pairs = [(one, other) for place, one in enumerate(orders) for other in orders[:place]]
    assert max(abs(correlation(one, other)) for one, other in pairs) < facts["correlation"]
    parts = [{frozenset(order[first : first + 50]) for first in range(0, len(order), 50)} for order in orders]
    assert not any(one & other for place, one in enumerate(parts) for other in parts[:place])


@pytest.mark.hazard("HZ-EXPORT-10")
def test_24_the_lines_of_a_person_are_not_in_the_order_of_the_source(box):
    made = box(*(result(i, ANN, f"202601{i:02d}070000") for i in range(1, 29)))
    made.project("falls")
    made.project("hearts")
    orders = [
        [int(each["effectiveDateTime"][8:]) for each in lines(made.export(name), "Observation")]
        for name in ("falls", "hearts")
    ]
    assert all(sorted(order) == list(range(1, 29)) for order in orders)
    assert all(abs(correlation(one, other)) < 0.6 for one, other in (orders, (orders[0], sorted(orders[0]))))


@pytest.mark.hazard("HZ-EXPORT-09")
def test_02_another_root_key_is_refused_also_for_a_job_that_was_begun(box, tmp_path):
    made = box(*crowd(8))
    made.project()
    begun = made.start()
    environment = {**os.environ, "GATEWAY_DATA_DIR": str(made.settings.data_dir), "GATEWAY_SANDBOX": "1"}

    def command(*words: str) -> int:
        program = [sys.executable, "-m", "gateway", "export", *words]
        return subprocess.run(program, env=environment, capture_output=True, check=False).returncode

    with pytest.raises(Refused, match="root key"):
        running.run(made.store, begun, tmp_path / "early", bytes(32), workers=1)
    key = made.settings.keys / "export-root.key"
    key.write_bytes(ROOT)
    key.chmod(0o600)
    assert command("run", "--project", "study", "--out", str(tmp_path / "a")) == 0
    key.unlink()
    assert command("run", "--project", "study", "--out", str(tmp_path / "b")) == of("02")["exit"]
    key.write_bytes(bytes(32))
    key.chmod(0o600)
    assert command("resume", begun, "--out", str(tmp_path / "c")) == of("02")["exit"]
    assert not (tmp_path / "b").exists() and not (tmp_path / "c").exists()
    with pytest.raises(Refused, match="root key"):
        running.run(made.store, begun, tmp_path / "d", bytes(32), workers=1)
    with pytest.raises(Refused, match="root key"):
        made.start(root=bytes(32))


def test_03_the_answer_is_not_the_list(box):
    facts = of("03")
    made = box(*crowd(facts["held"]))
    made.project()
    with pytest.raises(Refused):
        made.opt_out("".join(f"{number},\n" for number in NUMBERS[facts["opted_out"] : facts["held"]]))
    assert len(pseudonyms(made.export())) == facts["held"], "the list before it is in force"


def test_04_a_list_cut_short_is_refused(box):
    facts = of("04")
    made = box(*crowd(20))
    made.project()
    made.opt_out("".join(f"{number},\n" for number in NUMBERS[: facts["size"]]))
    with pytest.raises(Refused):
        made.opt_out("".join(f"{number},\n" for number in NUMBERS[: facts["kept"]]))
    assert not {pseudonym(number) for number in NUMBERS[: facts["size"]]} & set(pseudonyms(made.export()))


@pytest.mark.hazard("HZ-EXPORT-21")
def test_06_a_number_learnt_after_the_kick_off_counts(box, client):
    unknown = person("", "H1", "Aaa", "19700101", "2")
    made = box(adt(1, "A28", unknown, "20260101090000"), numbers=f"{NUMBERS[0]},\n")
    made.project()
    job, (http, headers) = made.start(), client(made)
    served = http.get("/fhir/$export", headers=headers).headers["content-location"].rpartition("/")[2]
    made.work()
    path = f"/fhir/bulk/{served}/Patient.00000.ndjson"
    assert http.get(path, headers=headers).status_code == 200
    made.send(adt(2, "A31", ANN, "20260105090000"))
    assert not list(made.run(job).glob("*.ndjson"))
    assert http.get(path, headers=headers).status_code == 409
    assert not lines(made.export())


@pytest.mark.hazard("HZ-EXPORT-21")
def test_07_a_restriction_after_the_release_closes_its_files(box, client):
    facts = of("07")
    bob = person(NUMBERS[1], "H2", "Bbb", "19710101", "1")
    made = box(adt(1, "A28", ANN, "20260101090000"), adt(2, "A28", bob, "20260101090000"))
    made.project()
    http, headers = client(made)
    job = http.get("/fhir/$export", headers=headers).headers["content-location"].rpartition("/")[2]
    made.work()
    path = f"/fhir/bulk/{job}/Patient.00000.ndjson"
    assert http.get(path, headers=headers).status_code == facts["before"]
    made.send(adt(8, "A31", bob, "20260109090000"))
    assert http.get(path, headers=headers).status_code == facts["before"], "a change that hides nobody"
    made.send(adt(9, "A31", ANN, "20260110090000") + "\rZU8||||1")
    assert http.get(path, headers=headers).status_code == facts["after"]
    assert pseudonyms(made.export()) == [pseudonym(NUMBERS[1])]


# GP records of somebody whose objection stands elsewhere, or may


def table(folder: Path, name: str) -> Path:
    return next(folder.glob(f"*_{name}_2*.csv"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def write(path: Path, records: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, records[0], quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(records)


def moved(folder: Path, change: Callable[[dict, list[dict], Path, world.Manifest], None]) -> tuple[world.Manifest, str]:
    """A world in which something happened to one person known to the practice and the hospital."""
    made = world.write(folder, 60, 3, WRITTEN)
    crowd_ = people(60, 3, WRITTEN)
    who = next(
        p for p in crowd_ if not p.roles and p.gp and p.care and p.hospital and p.hospital.verified and not p.death
    )
    patients = rows(table(made.path("emis"), "Admin_Patient"))
    change(next(row for row in patients if row["PatientGuid"] == patient_guid(who)), patients, made.path("emis"), made)
    write(table(made.path("emis"), "Admin_Patient"), patients)
    return made, who.nhs_number


def object_elsewhere(old: dict, patients: list[dict], folder: Path, made: world.Manifest) -> None:
    """She registered with another practice, and objected there."""
    elsewhere = next(guid for guid in made.practices.values() if guid != old["OrganisationGuid"])
    new = {
        **old, "PatientGuid": "{" + str(uuid.UUID(int=7)).upper() + "}", "UsualGpUserInRoleGuid": "",
        "DateOfRegistration": "2026-07-01", "OrganisationGuid": elsewhere,
    }  # fmt: skip
    old["DateofDeactivation"] = "2026-07-01"
    patients.append(new)
    observations = rows(table(folder, "CareRecord_Observation"))
    observations.append({
        **dict.fromkeys(observations[0], ""), "ObservationGuid": "{" + str(uuid.UUID(int=8)).upper() + "}",
        "PatientGuid": new["PatientGuid"], "OrganisationGuid": elsewhere, "EffectiveDate": "2026-07-02",
        "EffectiveDatePrecision": "YMD", "EnteredDate": "2026-07-02", "EnteredTime": "10:00:00", "CodeId": "100000356110",
        "ObservationType": "Observation", "Deleted": "false", "IsConfidential": "false", "ProcessingId": "1",
    })  # fmt: skip
    write(table(folder, "CareRecord_Observation"), observations)


def leave(old: dict, *_) -> None:
    old["DateofDeactivation"] = "2026-06-01"


def die(old: dict, *_) -> None:
    old["DateofDeactivation"] = old["DateOfDeath"] = "2026-06-01"


def die_long_after_leaving(old: dict, *_) -> None:
    old["DateofDeactivation"], old["DateOfDeath"] = "2026-01-01", "2026-06-01"


def nothing(*_) -> None:
    """She stays where she is."""


@pytest.mark.hazard("HZ-EXPORT-11")
@pytest.mark.hazard("HZ-EXPORT-20")
@pytest.mark.parametrize(
    "change, is_released",
    [(object_elsewhere, False), (leave, False), (die_long_after_leaving, False), (die, True), (nothing, True)],
)
def test_08_09_gp_records_leave_only_of_whom_no_objection_can_be_unknown(box, tmp_path, change, is_released):
    manifest, number = moved(tmp_path / "world", change)
    made = box()
    for name in ("emis", "hl7v2", "cld"):
        made.load(name, manifest.path(name))
    made.project()
    out = made.export()
    ids = {f"Patient/{each['id']}" for each in lines(out) if each["identifier"][0]["value"] == pseudonym(number)}
    assert ids, "what the hospital holds leaves"
    clinical = [
        each
        for name in (
            "Immunization",
            "MedicationRequest",
            "Condition",
            "Observation",
            "EpisodeOfCare",
            "AllergyIntolerance",
        )
        for each in lines(out, name)
        if (each.get("subject") or each.get("patient", {})).get("reference") in ids
    ]
    assert any("read.info" in json.dumps(each) for each in clinical) is is_released
    if not is_released:
        assert len(ids) < 3, "nor does the practice's Patient"


def test_12_a_filter_of_types_filters(box):
    made = box(
        adt(1, "A01", ANN, "20260101090000", visit("20260101090000")),
        *(result(i, ANN, f"202601{i:02d}070000") for i in range(2, 12)),
    )
    made.project()
    whole = made.export()
    for types in (("Observation",), ("Patient",), ("Encounter", "Observation")):
        some = made.export(types=types)
        assert {path.name: path.read_bytes() for path in some.glob("*.ndjson")} == {
            path.name: path.read_bytes() for path in whole.glob("*.ndjson") if path.name.split(".")[0] in types
        }
    observations = lines(whole, "Observation")
    assert len(observations) == of("12")["observations"]
    assert all("reference" in each["subject"] and len(each["effectiveDateTime"]) == 10 for each in observations)


def test_13_a_discharge_to_death_is_a_death(box):
    facts = of("13")
    stay = ("20260501090000", "20260517140000", facts["destination"])
    made = box(
        adt(1, "A01", ANN, "20260501090000", visit(stay[0])), adt(2, "A03", ANN, "20260517140000", visit(*stay)),
        result(3, ANN, "20260516070000"), result(4, ANN, "20260301070000"),
    )  # fmt: skip
    made.project()
    made.project("away", setting="export", export_basis="agreed")
    out, away = made.export(), made.export("away")
    assert lines(out, "Encounter")[0]["period"]["end"] == facts["end"]
    assert sorted(each["effectiveDateTime"] for each in lines(out, "Observation")) == ["2026-03-01", facts["end"]]
    assert {each["effectiveDateTime"] for each in lines(away, "Observation")} == {facts["end"][:4]}


def test_15_a_retired_record_does_not_leave(box):
    bob, bea = person(NUMBERS[2], "H2", "Bbb", "19710101", "1"), person(NUMBERS[3], "H3", "Bbb", "19710101", "2")
    made = box(
        adt(1, "A28", bob, "20260101090000"), result(5, bob, "20260101100000"), adt(2, "A28", bea, "20260102090000"),
        merge(3, bea, "H2", "20260103090000"),
    )  # fmt: skip
    made.project()
    out = made.export()
    (patient,) = lines(out)
    assert [patient["gender"]] == of("15")["genders"]
    assert [each["subject"]["reference"] for each in lines(out, "Observation")] == [f"Patient/{patient['id']}"]


def test_16_one_district_of_home(box):
    home = "1 A Road^^T^V^ZA1 1AA^GBR^H~2 B Road^^T^V^ZA7 2BB^GBR^BA~3 C Road^^T^V^EH1 1YZ^GBR^C~4 D^^T^V^ZA3 1AA^GBR^M"
    ann = person(NUMBERS[0], "H1", "Aaa", "19700101", "2", home)
    bob = person(NUMBERS[1], "H2", "Bbb", "19700101", "1", "No fixed abode^^^^ZZ99 3VZ^GBR^H")
    made = box(adt(1, "A28", ann, "20260101090000"), adt(2, "A28", bob, "20260101090000"))
    made.project()
    found = {
        each["gender"]: [address["postalCode"] for address in each.get("address", ())] for each in lines(made.export())
    }
    assert [found["female"], found["male"]] == of("16")["districts"]


@pytest.mark.hazard("HZ-EXPORT-22")
def test_17_what_only_looks_like_a_code_does_not_leave(box):
    diagnoses = (
        f"DG1|{i}|{kind}|{code}^words^{kind}|text|20260501|F" for i, (code, kind) in enumerate(of("17")["codes"], 1)
    )
    made = box(adt(1, "A01", ANN, "20260501090000", visit("20260501090000"), *diagnoses))
    made.project()
    conditions = lines(made.export(), "Condition")
    assert conditions and not [code for code, _ in of("17")["codes"] if f'"{code}"' in json.dumps(conditions)]
    assert all(each["code"]["extension"][0]["valueCode"] == "masked" for each in conditions)


def test_18_19_types_and_the_address_of_the_request(box, client):
    made = box(adt(1, "A28", ANN, "20260101090000"))
    made.project()
    http, headers = client(made)
    for name in of("18")["types"]:
        answer = http.get(f"/fhir/$export?_type={name}", headers=headers)
        assert answer.status_code == of("18")["status"] and answer.json()["resourceType"] == "OperationOutcome"
    job = http.get("/fhir" + of("19")["path"], headers=headers).headers["content-location"].rpartition("/")[2]
    made.work()
    assert http.get(f"/fhir/bulk/{job}", headers=headers).json()["request"].endswith(of("19")["path"])


def test_20_numbers_are_not_kept_with_a_job_that_is_over(box, client):
    made = box(*crowd(5))
    made.project()
    http, headers = client(made)

    def ask() -> str:
        return http.get("/fhir/$export", headers=headers).headers["content-location"].rpartition("/")[2]

    cancelled = ask()
    assert http.delete(f"/fhir/bulk/{cancelled}", headers=headers).status_code == 202
    over = ask()
    made.work()
    now = made.store.clock()
    object.__setattr__(made.store, "clock", lambda: now + 30 * DAY)
    worker.sweep(made.store, made.folder / "exports")
    assert not list((made.folder / "exports" / over).glob("*.ndjson"))
    with made.store.read() as session:
        assert session.value("SELECT count(*) FROM part_member") == of("20")["numbers_left"]
        assert session.value("SELECT count(*) FROM gathered") == of("20")["numbers_left"]


def test_22_the_demo_reads_every_part(tmp_path, monkeypatch):
    monkeypatch.setattr(gather, "PERSONS_A_PART", of("22")["persons_a_part"])
    assert demo.run(people=of("22")["people"], seed=1, out=tmp_path / "demo", serve=False) == 0
    assert len(list((tmp_path / "demo" / "export").glob("Patient.*.ndjson"))) > 3


def test_23_ninety_is_not_as_unknown(box):
    old, unknown = person(NUMBERS[0], "H1", "Aaa", "19200101", "2"), person(NUMBERS[1], "H2", "Bbb", "", "1")
    made = box(adt(1, "A28", old, "20260101090000"), adt(2, "A28", unknown, "20260101090000"))
    made.project()
    told = {each["gender"]: {name for name in each if "irth" in name} for each in lines(made.export())}
    assert told == {"female": {"_birthDate"}, "male": set()}


def test_25_a_value_that_was_taken_out_says_so(box):
    made = box(
        adt(1, "A01", ANN, "20260101090000", visit("20260101090000")),
        result(2, ANN, "20260102070000", "^1^:^128", "SN", "22600-2"),
        result(3, ANN, "20260103070000", "some words", "TX", "22601-2"),
    )
    made.project()
    observations = lines(made.export(), "Observation")
    assert len(observations) == 2
    for result_ in observations:  # a ratio leaves as it is, words do not
        assert "valueRatio" in result_ or result_["dataAbsentReason"]["coding"][0]["code"] == of("25")["reason"]
    assert sum("valueRatio" in result_ for result_ in observations) == 1


def test_30_a_run_that_was_killed_is_resumed_to_the_same_bytes(box, monkeypatch):
    monkeypatch.setattr(gather, "PERSONS_A_PART", 1)
    made = box(*crowd(of("30")["parts"]))
    made.project()
    (made.settings.keys / "export-root.key").write_bytes(ROOT)
    (made.settings.keys / "export-root.key").chmod(0o600)
    environment = {**os.environ, "GATEWAY_DATA_DIR": str(made.settings.data_dir), "GATEWAY_SANDBOX": "1"}

    def resume(job: str, out: Path, is_killed: bool) -> None:
        program = [sys.executable, "-m", "gateway", "export", "resume", job, "--out", str(out), "--workers", "1"]
        child = subprocess.Popen(program, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while is_killed and child.poll() is None and len(list(out.glob("*.ndjson"))) < chance.randint(1, 20):
            time.sleep(0.02)
        if is_killed and child.poll() is None:
            child.send_signal(signal.SIGKILL)
        child.wait()

    chance = random.Random(1)
    whole, killed = made.run(made.start()), made.folder / "killed"
    job = made.start()
    resume(job, killed, is_killed=True)
    assert not (killed / "manifest.json").exists()
    resume(job, killed, is_killed=False)
    assert {path.name: path.read_bytes() for path in killed.glob("*.ndjson")} == {
        path.name: path.read_bytes() for path in whole.glob("*.ndjson")
    }
    assert len(list(whole.glob("Patient.*"))) == of("30")["parts"] and not list(killed.glob(".*"))


def test_31_the_forms_of_a_list(box):
    facts, number = of("31"), NUMBERS[0]
    made = box(adt(1, "A28", ANN, "20260101090000"), numbers="")
    made.project()
    spaced = f"{number[:3]} {number[3:6]} {number[6:]}"
    forms = {"n": number, "s": spaced, "h": spaced.replace(" ", "-"), "w": number[:9] + str((int(number[9]) + 1) % 10)}
    for text in facts["taken"]:
        made.opt_out(f"{NOBODY},\n")
        assert len(lines(made.export())) == 1
        made.opt_out(text.format(**forms))
        assert not lines(made.export()), "on the list"
    for text in facts["refused"]:
        with pytest.raises(GatewayError) as refused:
            made.opt_out(text.format(**forms))
        assert number not in str(refused.value)
    assert not lines(made.export()), "the list before it stands"


def test_32_any_number_that_somebody_claims_counts(box):
    bob, other = (person(NUMBERS[i], f"H{i}", "Bbb", "19710101", "1") for i in (2, 3))
    cat = person(NUMBERS[4], "H4", "Ccc", "19720101", "2", also=f"{NUMBERS[5]}^^^NHS^NH~")
    dan, eve = (
        person(NUMBERS[6], "H5", "Ddd", "19730101", "1"), person(NUMBERS[6], "H6", "Eee", "19991231", "2", status="x")
    )  # fmt: skip
    made = box(
        adt(1, "A28", bob, "20260101090000"), adt(2, "A28", other, "20260102090000"), merge(3, other, "H2", "20260103090000"),
        adt(4, "A28", cat, "20260101090000"), adt(5, "A28", dan, "20260101090000"), adt(6, "A28", eve, "20260102090000"),
    )  # fmt: skip
    made.project()
    listed = {
        "nobody": NOBODY, "retired": NUMBERS[2], "survivor": NUMBERS[3], "first": NUMBERS[4], "second": NUMBERS[5],
        "shared": NUMBERS[6],
    }  # fmt: skip
    left = {}
    for name, number in listed.items():
        made.opt_out(f"{number},\n")
        left[name] = len(lines(made.export()))
    assert left == of("32")["left"], "of as many records that their source has not retired"


def test_34_a_cancelled_job_stays_cancelled(box, client):
    made = box(adt(1, "A28", ANN, "20260101090000"))
    made.project()
    http, headers = client(made)
    path = "/fhir/Patient/$export?_type=Patient"
    first, second = (http.get(path, headers=headers).headers["content-location"].rpartition("/")[2] for _ in range(2))
    assert first != second and http.delete(f"/fhir/bulk/{first}", headers=headers).status_code == 202
    made.work()
    assert http.get(f"/fhir/bulk/{first}", headers=headers).status_code == 404
    assert http.get(f"/fhir/bulk/{second}", headers=headers).status_code == 200
    assert http.delete(f"/fhir/bulk/{first}", headers=headers).status_code == 404
