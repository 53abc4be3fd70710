"""The formats beside EMIS, HL7 v2 and CLD: layouts, links and marks, and that blocks make the same bytes anywhere."""

import csv
import json
import tracemalloc
from collections import Counter
from dataclasses import replace
from datetime import date, datetime

import pytest

from gateway.nhs import identifiers
from gateway.synth import cds, csds, layouts, places, tpp, world
from gateway.synth.outputs import Parts
from gateway.synth.people import people
from gateway.synth.truth import Course, Story
from mappings.cld.columns import COLUMNS
from mappings.emis.columns import TABLES as EMIS
from mappings.tpp.columns import TABLES as TPP
from tests.synth.test_world import tree

TODAY = date(2026, 3, 1)
PRACTICES = places.practices(3, tpp=1)


def write(folder, count: int = 250, workers: int = 0, **more) -> world.Manifest:
    return world.write(
        folder, count, 1, TODAY, practices=PRACTICES, mix="england", formats=world.ALL_FORMATS, workers=workers, **more
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> world.Manifest:
    return write(tmp_path_factory.mktemp("england"))


def rows(path, encoding: str = "utf-8") -> list[dict[str, str]]:
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file))


def test_our_own_reading_of_the_layouts_agrees_with_the_mappings():
    """Two readings of one public layout: where they differ, one of them is wrong."""
    assert layouts.tables("emis") == EMIS
    assert layouts.tables("cld")["CLD"] == tuple(COLUMNS)
    for table, columns in layouts.tables("tpp").items():
        assert table not in TPP or set(columns) <= set(TPP[table]), table


def test_two_processes_write_the_same_bytes_as_none(tmp_path):
    """More blocks than wait at once: a block that is ready early waits for those before it."""
    alone, together = (
        world.write(
            tmp_path / str(workers), 620, 1, TODAY, practices=PRACTICES, mix="england", workers=workers,
            formats=("emis", "tpp", "hl7v2", "truth"),
        )
        for workers in (0, 2)
    )  # fmt: skip
    assert tree(together.folder) == tree(alone.folder)


def test_a_month_tells_of_what_happened_in_it_alone():
    visits = tuple(datetime(year, 2, 20, 9) for year in (2024, 2025, 2026))
    (someone,) = people(1, 1, TODAY)
    course = Course("course", date(2024, 2, 1), "12", "01", visits)
    parts = Parts()
    csds.Submissions(parts, TODAY).add(replace(someone, story=Story(courses=(course,))))
    contacts = {name: part.decode().splitlines() for name, part in parts.take().items() if "CareContact" in name}
    assert contacts["csds/2026-01/CYP201CareContact.csv"] == []
    assert [line[11:15] for line in contacts["csds/2026-02/CYP201CareContact.csv"]] == ["C003"]


def test_a_larger_world_begins_as_a_smaller_one(made, tmp_path):
    fewer = write(tmp_path, 130)
    for path in sorted(path for path in fewer.folder.rglob("*") if path.is_file()):
        if path.name not in ("manifest.json", "expected.json") and path.suffix != ".hl7":
            other = made.folder / path.relative_to(fewer.folder)
            assert other.read_bytes().startswith(path.read_bytes()), path.name


@pytest.mark.slow
def test_people_in_blocks_are_not_kept(tmp_path):
    def peak(count: int, name: str) -> int:
        tracemalloc.start()
        write(tmp_path / name, count)
        reached = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return reached

    peak(5, "warm")
    assert peak(300, "more") < 1.4 * peak(100, "some")


def test_systmone_rows_have_numbers_of_their_own_and_lead_somewhere(made):
    tables = {name: rows(made.path("tpp") / f"{name}.csv", tpp.ENCODING) for name in tpp.TABLES}
    numbers = {name: [row["RowIdentifier"] for row in table] for name, table in tables.items()}
    assert all(len(set(ids)) == len(ids) for ids in numbers.values())
    assert all(int(number) < 2**63 for ids in numbers.values() for number in ids)
    patients, events = set(numbers["SRPatient"]), set(numbers["SREvent"])
    for name, table in tables.items():
        for row in table:
            assert row.get("IDPatient", "") in ("", *patients) or name == "SRMapping"
            assert row.get("IDEvent", "") in ("", "-1", *events)
            assert row.get("IDOrganisationVisibleTo", "A99003") in ("A99003", "")
    assert {row["IDCode"] for row in tables["SRProblem"]} <= set(numbers["SRCode"])
    templates = {"-1", *numbers["SRRepeatTemplate"]}
    assert {row["IDRepeatTemplate"] for row in tables["SRPrimaryCareMedication"]} <= templates
    manifest = rows(made.path("tpp") / "SRManifest.csv", tpp.ENCODING)
    assert {row["FileName"] for row in manifest} == set(tables) and {row["IsDelta"] for row in manifest} == {"N"}


def test_a_vaccination_that_was_declined_is_no_immunisation():
    for person in people(400, 1, TODAY, practices=places.practices(1, tpp=1)):
        for table, row in tpp.patient_rows(person) if person.gp else ():
            assert table != "SRImmunisation" or row["ImmsReadCode"] != "9OX5."


@pytest.mark.parametrize("name", cds.RECORDS)
def test_cds_records_are_of_the_published_length_and_fields_in_their_places(made, name):
    fields = layouts.records("cds")[name]
    end = fields["(end)"].start + fields["(end)"].length
    lines = (made.folder / "cds" / f"CDS_{name}_20260301.txt").read_bytes().decode("ascii").splitlines()
    assert lines and {len(line) for line in lines} == {end}

    def value(line: str, field: str) -> str:
        start, length = fields[field].start, fields[field].length
        return line[start : start + length].strip()

    assert {value(line, "CDSRecordType") for line in lines} == {cds.RECORDS[name]}
    unique = [value(line, "CDSUniqueIdentifier") for line in lines]
    assert len(set(unique)) == len(unique)
    for line in lines:
        number, status = value(line, "NHSNumber"), value(line, "NHSNumberStatusIndicator")
        assert (number == "") is (status == "07") and number[:3] in ("", "999")
        assert date.fromisoformat(value(line, "PersonBirthDate")) < TODAY
        assert value(line, "OrganisationCodeCodeofProvider") == "RZZ"


def test_the_last_episode_of_a_spell_and_no_other_carries_the_discharge(made):
    fields = layouts.records("cds")["Inpatient"]
    spells: dict[str, list[tuple[str, str, str]]] = {}
    for line in (made.folder / "cds" / "CDS_Inpatient_20260301.txt").read_text("ascii").splitlines():
        names = ("HospitalProviderSpellNumber", "EpisodeNumber", "LastEpisodeinSpellIndicator", "DischargeMethod")
        spell, *rest = (line[fields[n].start : fields[n].start + fields[n].length].strip() for n in names)
        spells.setdefault(spell, []).append(tuple(rest))
    assert any(len(episodes) > 1 for episodes in spells.values())
    for episodes in spells.values():
        assert [number for number, *_ in episodes] == [f"{place:02d}" for place in range(1, len(episodes) + 1)]
        assert [last for _, last, _ in episodes] == ["2"] * (len(episodes) - 1) + ["1"]
        assert [bool(method) for *_, method in episodes] == [False] * (len(episodes) - 1) + [True]


def test_a_value_longer_than_its_field_stops_the_run():
    with pytest.raises(ValueError, match="NHSNumber"):
        cds.fixed(layouts.records("cds")["Inpatient"], {"NHSNumber": "999 000 0018"})
    with pytest.raises(KeyError):
        cds.fixed(layouts.records("cds")["Inpatient"], {"Nonsense": ""})


@pytest.mark.parametrize("month", ["2026-01", "2026-02"])
def test_community_rows_lead_from_activity_to_contact_to_referral_to_person(made, month):
    tables = {name: rows(made.folder / "csds" / month / f"{name}.csv") for name in layouts.tables("csds")}

    def column(table: str, name: str) -> list[str]:
        return [row[name] for row in tables[table]]

    assert column("CYP001MPI", "LocalPatientID") == column("CYP002GP", "LocalPatientID")
    assert set(column("CYP101Referral", "LocalPatientID")) == set(column("CYP001MPI", "LocalPatientID"))
    assert set(column("CYP201CareContact", "ServiceRequestID")) <= set(column("CYP101Referral", "ServiceRequestID"))
    assert column("CYP202CareActivity", "CareContactID") == column("CYP201CareContact", "CareContactID")
    assert column("CYP201CareContact", "Contact_Date") and not [
        on for on in column("CYP201CareContact", "Contact_Date") if not on.startswith(month)
    ]
    ids = column("CYP201CareContact", "CareContactID")
    assert len(set(ids)) == len(ids)


def test_a_trace_is_the_persons_own_and_hides_where_a_restricted_person_is(made):
    lines = (made.folder / "pds" / "traces.ndjson").read_text(encoding="utf-8").splitlines()
    answers = [json.loads(line) for line in lines]
    kinds = Counter()
    for asked, patient in ((line["asked"], line["answer"]) for line in answers):
        restricted = patient["meta"]["security"][0]["code"] == "R"
        kinds["restricted"] += restricted
        kinds["superseded"] += asked != patient["id"]
        assert identifiers.is_synthetic(asked) and patient["identifier"][0]["value"] == patient["id"]
        hidden = {"address", "telecom", "generalPractitioner"}
        assert not (hidden & patient.keys()) if restricted else "address" in patient
    assert kinds["restricted"] and len({line["asked"] for line in answers}) == len(answers)


def test_letters_are_marked_as_tests_and_name_their_patient(made):
    texts = [path.read_bytes().decode("utf-8") for path in (made.folder / "letters").iterdir()]
    messages = [message for text in texts for message in text.split("MSH|")[1:]]
    assert len(messages) == made.written["letters"] > 5
    for message in messages:
        assert "|MDM^T02^MDM_T02|" in message and "|T|2.4|" in message
        assert {line[:3] for line in message.split("\r")[1:] if line} == {"EVN", "PID", "PV1", "TXA", "OBX"}


def test_what_is_written_says_that_it_is_synthetic(made):
    assert "SYNTHETIC" in (made.folder / "manifest.json").read_text(encoding="utf-8")
