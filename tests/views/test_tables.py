"""A release as tables: what they say, that they are the same each time, and what is refused."""

import csv
import gzip
import json
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from gateway import durable
from gateway.errors import Invalid, Refused
from gateway.fhir import expression
from gateway.fhir.r4 import table as r4
from gateway.nhs.pseudonym import crowds, policy
from gateway.views import dictionary, download, path, release_tables, shipped, view
from gateway.views.parquet import GROUP_ROWS
from tests.api.people import EVERYTHING
from tests.views import release

EXPORTED = {
    "AllergyIntolerance", "Condition", "DiagnosticReport", "Encounter", "EpisodeOfCare", "Immunization", "MedicationRequest",
    "MedicationStatement", "Observation", "Patient", "Procedure", "ServiceRequest", "Task",
}  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Path, dict]:
    """The tables of the release by hand, and what was reported of them."""
    folder = tmp_path_factory.mktemp("views")
    report = release_tables.write(release.write(folder / "release"), folder / "out", shipped.definitions())
    return folder / "out", report


def read(folder: Path, name: str) -> list[dict]:
    return parquet.read_table(folder / f"{name}.parquet").to_pylist()


def column(folder: Path, name: str, *wanted: str) -> list[tuple]:
    return [tuple(row[name] for name in wanted) for row in read(folder, name)]


def test_every_exported_type_has_a_view_and_every_row_its_person(written):
    folder, report = written
    views = [shipped.compiled(definition) for definition in shipped.definitions()]
    assert {compiled.resource for compiled in views} == EXPORTED
    for compiled in views:
        person = "person_id" if compiled.name.startswith("omop_") else "person"
        assert person in {column.name for column in compiled.columns}
        assert all(row[person] in ("ann", "bob", "cat") for row in read(folder, compiled.name))
    assert report["unlinked"] == {} and report["person"] == download.BY_PSEUDONYM
    assert report["resources"] == {"AllergyIntolerance": 2, "Condition": 4, "Encounter": 2, "EpisodeOfCare": 3, "MedicationRequest": 4,
                                   "Observation": 5, "Patient": 4}  # fmt: skip


@pytest.mark.hazard("HZ-EXPORT-40")
def test_what_is_refuted_withdrawn_or_did_not_happen_is_no_fact_in_omop(written):
    folder, _ = written
    assert column(folder, "omop_condition_occurrence", "condition_occurrence_id") == [("c1",), ("c4",)]
    assert column(folder, "omop_visit_occurrence", "visit_occurrence_id") == [("e1",)]
    assert column(folder, "omop_observation_period", "observation_period_id") == [("r1",)]
    assert "o3" not in {row["measurement_id"] for row in read(folder, "omop_measurement")}
    statuses = dict(column(folder, "condition", "id", "verification_status"))
    assert statuses == {"c1": None, "c2": "refuted", "c3": "entered-in-error", "c4": None}, "there they are, and say so"


@pytest.mark.hazard("HZ-EXPORT-41")
def test_a_limit_is_no_value(written):
    folder, _ = written
    rows = {row["measurement_id"]: row for row in read(folder, "omop_measurement")}
    assert (rows["o2"]["value_as_number"], rows["o2"]["value_source_value"]) == (None, "< 5")
    assert (rows["o1"]["value_as_number"], rows["o1"]["value_source_value"]) == (1.5, None)
    assert ("o2", 5.0, "<") in column(folder, "observation", "id", "value", "comparator")


@pytest.mark.hazard("HZ-EXPORT-42")
def test_a_plan_and_a_medicine_not_to_be_given_are_no_exposure(written):
    folder, _ = written
    assert column(folder, "omop_drug_exposure", "drug_exposure_id", "days_supply", "refills") == [("m1", 28.0, None)]
    assert ("m3", True) in column(folder, "medication_request", "id", "do_not_perform")


@pytest.mark.hazard("HZ-EXPORT-43")
def test_what_is_masked_or_absent_is_null_and_never_a_code_or_a_nought(written):
    folder, _ = written
    (hidden,) = (row for row in read(folder, "condition") if row["id"] == "c4")
    assert (hidden["code"], hidden["code_system"], hidden["code_snomed"]) == (None, None, None)
    (unseen,) = (row for row in read(folder, "observation") if row["id"] == "o4")
    assert (unseen["value"], unseen["value_code"], unseen["absent_reason"]) == (None, None, "masked")
    assert column(folder, "omop_person", "person_id", "year_of_birth") == [("ann", 1950), ("bob", 1960), ("cat", None)]
    assert column(folder, "allergy_intolerance", "id", "categories") == [("a1", ["food", "medication"]), ("a2", [])]
    fixed = {"0", "%rowIndex"}
    for compiled in (shipped.compiled(definition) for definition in shipped.definitions()):
        for own in compiled.columns:
            if own.path == "0":
                assert own.name.endswith("_concept_id")
            elif own.path not in fixed and compiled.name.startswith("omop_"):
                assert 0 not in {row[own.name] for row in read(folder, compiled.name)}


@pytest.mark.hazard("HZ-EXPORT-43")
def test_values_of_one_row_are_of_one_repetition(tmp_path):
    half = {"system": release.SNOMED, "display": "of no code"}
    local = {"coding": [half, {"system": "urn:local", "code": "X1"}]}
    ranges = [{"high": release.quantity(5)}, {"low": release.quantity(10), "high": release.quantity(20)}]
    reactions = [{"manifestation": [local]}, {"manifestation": [release.concept("39579001")], "severity": "severe"}]
    resources = [
        release.patient("p1", "ann"),
        release.of("Observation", "o1", code=local, valueQuantity=release.quantity(7), referenceRange=ranges),
        release.of("AllergyIntolerance", "a1", code=release.concept("1"), reaction=reactions),
    ]
    release_tables.write(release.write(tmp_path / "release", resources), tmp_path / "out", shipped.definitions())
    out = tmp_path / "out"
    assert column(out, "observation", "reference_low", "reference_high") == [(None, 5.0)]
    assert column(out, "observation", "code_system", "code") == [("urn:local", "X1")]
    measured = column(
        out, "omop_measurement", "range_low", "range_high", "measurement_source_system", "measurement_source_value"
    )
    assert measured == [(None, 5.0, "urn:local", "X1")]
    reaction = column(out, "allergy_intolerance", "manifestation_system", "manifestation", "reaction_severity")
    assert reaction == [("urn:local", "X1", None)]


COARSER = {
    0: ("1950", None, "LS1", "A", None, "2024", "female", 1950),
    1: (None, "1950s", "LS1", "A", None, "2024", "female", None),
    2: (None, "1950s", None, "A", None, "2024", "female", None),
    3: (None, "1950s", None, None, None, "2024", "female", None),
    4: (None, "1950s", None, None, True, None, "female", None),
    5: (None, None, None, None, True, None, "female", None),
    6: (None, None, None, None, True, None, None, None),
}
"""Steps of k-anonymity, and what the tables then say of one person."""
TOLD = ("birth_date", "birth_decade", "outward_postcode", "ethnicity", "deceased", "deceased_date", "gender")


@pytest.mark.hazard("HZ-EXPORT-43")
def test_who_left_coarser_has_the_decade_that_is_left_and_a_death_without_its_date(tmp_path):
    ethnicity = {"url": crowds.ETHNICITY, "valueCodeableConcept": release.concept("A", "urn:ethnicity")}
    own = {"birthDate": "1950", "gender": "female", "deceasedDateTime": "2024", "address": [{"postalCode": "LS1"}]}
    people = [release.patient(f"p{step}", f"step{step}", extension=[ethnicity], **own) for step in COARSER]
    masked = [json.loads(crowds.coarser(json.dumps(person).encode(), step)) for step, person in enumerate(people)]
    release_tables.write(release.write(tmp_path / "release", masked), tmp_path / "out", shipped.definitions())
    patients = column(tmp_path / "out", "patient", *TOLD)
    years = column(tmp_path / "out", "omop_person", "year_of_birth")
    assert [(*row, *year) for row, year in zip(patients, years)] == list(COARSER.values())
    assert len(read(tmp_path / "out", "omop_death")) == len(COARSER), "that somebody died is never lost"
    described = {(row["table"], row["column"]): row for row in rows_of(tmp_path / "out")}
    assert all("too few" in described["patient", name]["description"] for name in TOLD)
    decade = described["patient", "birth_decade"]
    assert (decade["element"], decade["action"]) == ("birthDate", "birth-year")


@pytest.mark.hazard("HZ-EXPORT-44")
def test_a_person_of_two_sources_is_one_person_and_a_death_that_one_of_them_knows_is_not_lost(written):
    folder, _ = written
    assert column(folder, "omop_death", "person_id", "death_date") == [("ann", "2025-03"), ("bob", None)]
    assert len(read(folder, "omop_person")) == 3 and len(read(folder, "patient")) == 4


def test_each_component_with_a_number_is_a_measurement_with_a_key_of_its_own(written):
    folder, _ = written
    rows = column(
        folder, "omop_measurement", "measurement_id", "person_id", "value_as_number", "measurement_source_value"
    )
    assert rows[2:] == [("o5-0", "ann", 120.0, "8"), ("o5-2", "ann", 80.0, "10")]
    assert column(folder, "observation_component", "number", "code", "value") == [
        (0, "8", 120.0),
        (1, "9", None),
        (2, "10", 80.0),
    ]


def test_an_onset_that_is_not_known_is_the_day_of_recording_as_the_cdm_has_it(written):
    folder, _ = written
    assert column(folder, "omop_condition_occurrence", "condition_start_date") == [("2020-01",), ("2021-02-03",)]


# The columns of the CDM 5.4: https://github.com/OHDSI/CommonDataModel/blob/main/inst/ddl/5.4/postgresql
CDM = {
    "person": "person_id gender_concept_id year_of_birth month_of_birth day_of_birth birth_datetime race_concept_id ethnicity_concept_id location_id provider_id care_site_id person_source_value gender_source_value gender_source_concept_id race_source_value race_source_concept_id ethnicity_source_value ethnicity_source_concept_id",
    "observation_period": "observation_period_id person_id observation_period_start_date observation_period_end_date period_type_concept_id",
    "visit_occurrence": "visit_occurrence_id person_id visit_concept_id visit_start_date visit_start_datetime visit_end_date visit_end_datetime visit_type_concept_id provider_id care_site_id visit_source_value visit_source_concept_id admitted_from_concept_id admitted_from_source_value discharged_to_concept_id discharged_to_source_value preceding_visit_occurrence_id",
    "condition_occurrence": "condition_occurrence_id person_id condition_concept_id condition_start_date condition_start_datetime condition_end_date condition_end_datetime condition_type_concept_id condition_status_concept_id stop_reason provider_id visit_occurrence_id visit_detail_id condition_source_value condition_source_concept_id condition_status_source_value",
    "drug_exposure": "drug_exposure_id person_id drug_concept_id drug_exposure_start_date drug_exposure_start_datetime drug_exposure_end_date drug_exposure_end_datetime verbatim_end_date drug_type_concept_id stop_reason refills quantity days_supply sig route_concept_id lot_number provider_id visit_occurrence_id visit_detail_id drug_source_value drug_source_concept_id route_source_value dose_unit_source_value",
    "measurement": "measurement_id person_id measurement_concept_id measurement_date measurement_datetime measurement_time measurement_type_concept_id operator_concept_id value_as_number value_as_concept_id unit_concept_id range_low range_high provider_id visit_occurrence_id visit_detail_id measurement_source_value measurement_source_concept_id unit_source_value unit_source_concept_id value_source_value measurement_event_id meas_event_field_concept_id",
    "death": "person_id death_date death_datetime death_type_concept_id cause_concept_id cause_source_value cause_source_concept_id",
}  # fmt: skip
OURS = {"condition_source_system", "drug_source_system", "measurement_source_system"}
"""Columns that the CDM does not have: a code without its system is no code."""


@pytest.mark.parametrize("name", CDM)
def test_an_omop_table_has_the_columns_of_the_cdm_and_those_of_ours_that_are_listed(written, name):
    names = parquet.read_schema(written[0] / f"omop_{name}.parquet").names
    assert set(names) - OURS == set(CDM[name].split())


def test_the_same_release_gives_the_same_bytes_and_they_tell_no_place_or_time(tmp_path, written):
    folder, _ = written
    source = release.write(tmp_path / "elsewhere" / "release")
    release_tables.write(
        source, tmp_path / "again", shipped.definitions(), lambda cut, parts: [cut(part) for part in parts[::-1]]
    )
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
        assert str(folder.parent).encode() not in (folder / name).read_bytes()
    assert all(parquet.read_metadata(path).metadata is None for path in folder.glob("*.parquet"))


def test_a_group_of_rows_has_a_fixed_size_whatever_comes_at_once(tmp_path):
    many = [release.patient(f"p{number}", f"somebody{number}") for number in range(GROUP_ROWS + 1)]
    source = release.write(tmp_path / "release", many)
    report = release_tables.write(source, tmp_path / "out", [of("id")])
    metadata = parquet.read_metadata(tmp_path / "out" / "mine.parquet")
    sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert sizes == [GROUP_ROWS, 1] and report["tables"] == {"mine": GROUP_ROWS + 1}


def of(text: str, **more) -> dict:
    own = {"name": "a", "path": text, "type": "string", **more}
    return {"name": "mine", "resource": "Patient", "select": [{"column": [own]}]}


# What is refused


def unreleased(folder):
    (folder / ".job").write_text("x")


def without_a_file(folder):
    (folder / "Patient.00000.ndjson").unlink()


def with_another_file(folder):
    (folder / "Patient.00000.ndjson").write_text('{"resourceType":"Patient","id":"x"}\n')


def with_two_types(folder):
    (folder / "manifest.json").unlink()
    (folder / "Patient.00000.ndjson").write_text('{"resourceType":"Patient","id":"x"}\n{"resourceType":"Group"}\n')


def with_a_line_that_is_none(folder):
    (folder / "manifest.json").unlink()
    (folder / "Patient.00000.ndjson").write_text('{"resourceType":"Patient","id":"x"}\n[1]\n')


def with_a_first_line_that_is_none(folder):
    (folder / "manifest.json").unlink()
    (folder / "Patient.00000.ndjson").write_text("secret\n")


def manifest(text):
    def damage(folder):
        (folder / "manifest.json").write_text(text)

    return damage


def empty(folder):
    for file in folder.iterdir():
        file.unlink()


def cut_short(folder):
    (folder / "manifest.json").unlink()
    (folder / "Flag.ndjson.gz").write_bytes(gzip.compress(b'{"resourceType":"Flag"}' * 99)[:-9])


@pytest.mark.parametrize(
    "damage, words",
    [
        (unreleased, "not released"),
        (without_a_file, "output 7: the file is not there"),
        (with_another_file, "Patient.00000.ndjson: not the file that the manifest names"),
        (with_two_types, "Patient.00000.ndjson: line 2: another type"),
        (with_a_line_that_is_none, "Patient.00000.ndjson: line 2: not a JSON object"),
        (with_a_first_line_that_is_none, "Patient.00000.ndjson: line 1: not a JSON object"),
        (manifest("secret"), "not JSON"),
        (manifest("{}"), "it lists no output"),
        (manifest('{"output": [{}]}'), "without a url"),
        (manifest('{"output": [{"url": "a/b"}, {"url": "b"}]}'), "two outputs of one name"),
        (empty, "no resources"),
        (cut_short, "Flag.ndjson.gz: not a whole gzip file"),
    ],
)
def test_a_folder_that_is_not_as_it_must_be_is_refused_and_nothing_is_left(tmp_path, damage, words):
    source = release.write(tmp_path / "release")
    damage(source)
    with pytest.raises(Refused, match=words):
        release_tables.write(source, tmp_path / "out", shipped.definitions())
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_there_is_no_such_folder(tmp_path):
    with pytest.raises(Refused, match="no such folder"):
        release_tables.write(tmp_path / "nowhere", tmp_path / "out", shipped.definitions())


@pytest.mark.parametrize(
    "definitions, words",
    [
        ([of("name")], "mine: column a: a value that is no string"),
        ([of("id", type="integer")], "mine: column a: a value that is no integer"),
        ([of("id", type="boolean")], "mine: column a: a value that is no boolean"),
        ([of("id", type="decimal")], "mine: column a: a value that is no decimal"),
        (
            [of("gender", tag=[{"name": "ansi/type", "value": "DOUBLE PRECISION"}])],
            "a value that is no DOUBLE PRECISION",
        ),
        ([of("3000000000", type="integer")], "a value that is no integer"),
        ([of("extension('x').value", type="code")], "mine: column a: the expression cannot be evaluated"),
        (
            [of("9" * 400, type="decimal", tag=[{"name": "ansi/type", "value": "DOUBLE PRECISION"}])],
            "no DOUBLE PRECISION",
        ),
        ([of("name", type="HumanName")], "mine: column a: a type is needed"),
        ([of("id", tag=[{"name": "ansi/type", "value": "BLOB"}])], "mine: column a: a type is needed"),
        ([of("@@")], "mine: column a: not FHIRPath"),
        ([of("id"), of("id")], "mine: two views of one name"),
        ([{"name": "../x"}], "view: view: resource"),
    ],
)
def test_a_view_that_does_not_fit_is_refused_by_its_name_and_without_a_value(tmp_path, definitions, words):
    named = release.patient("p1", "ann", gender="female", name=[{"family": "Secret"}], extension=["Secret"])
    with pytest.raises(Refused, match=words) as refusal:
        release_tables.write(release.write(tmp_path / "release", [named]), tmp_path / "out", definitions)
    assert "Secret" not in str(refusal.value) and "female" not in str(refusal.value)
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_folder_with_anything_in_it_is_not_written_into(tmp_path):
    source = release.write(tmp_path / "release")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.parquet").write_text("x")
    with pytest.raises(Refused, match="not empty"):
        release_tables.write(source, tmp_path / "out", shipped.definitions())
    with pytest.raises(Refused, match="a file"):
        release_tables.write(source, tmp_path / "out" / "mine.parquet", shipped.definitions())


def test_a_run_that_was_killed_can_be_run_again(tmp_path):
    source = release.write(tmp_path / "release")
    (tmp_path / "out").mkdir()
    for name in (release_tables.MARK, ".mine.parquet.part", "old.parquet", release_tables.LIST):
        (tmp_path / "out" / name).write_text("half")
    release_tables.write(source, tmp_path / "out", [of("id")])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "dictionary.csv",
        "mine.parquet",
        "tables.json",
    ]


def test_whenever_a_run_is_killed_its_folder_has_the_mark_by_which_it_is_taken_again(tmp_path, monkeypatch):
    source, out = release.write(tmp_path / "release"), tmp_path / "out"
    seen: list[set[str]] = []

    def watched(descriptor: int) -> None:
        seen.append({path.name for path in out.iterdir()})

    monkeypatch.setattr(durable.os, "fsync", watched)
    release_tables.write(source, out, [of("id")])
    assert len(seen) > 4 and all(release_tables.MARK in names for names in seen)


@pytest.mark.hazard("HZ-EXPORT-44")
def test_the_row_of_a_person_is_the_same_in_whatever_order_their_patients_come(tmp_path):
    differing = [release.patient("p1", "ann", gender="female"), release.patient("p2", "ann", gender="male")]
    rows = []
    for name, resources in (("a", differing), ("b", differing[::-1])):
        release_tables.write(release.write(tmp_path / name, resources), tmp_path / f"{name}-out", shipped.definitions())
        rows.append(read(tmp_path / f"{name}-out", "omop_person"))
    assert rows[0] == rows[1] and rows[0][0]["gender_source_value"] == "female"


def test_a_file_that_cannot_be_read_as_a_view_is_refused(tmp_path):
    for text, words in (("secret", "not JSON"), ("[]", "a name is needed"), ("{}", "a name is needed")):
        (tmp_path / "view.json").write_text(text)
        with pytest.raises(Refused, match=words):
            shipped.read(tmp_path / "view.json")
    with pytest.raises(Refused, match="cannot be read"):
        shipped.read(tmp_path / "nothing.json")


# Whose a resource is


def test_a_resource_of_a_patient_who_is_not_in_the_release_is_of_nobody_and_counted(tmp_path):
    resources = [
        release.patient("p1", "ann"),
        {"resourceType": "Patient", "id": "p9"},
        release.of("Condition", "c1"),
        release.of("Condition", "c2", "p7"),
        release.of("Condition", "c3", "p9"),
        {"resourceType": "Condition", "id": "c4"},
    ]
    report = release_tables.write(
        release.write(tmp_path / "release", resources), tmp_path / "out", shipped.definitions()
    )
    assert report["unlinked"] == {"Condition": 3, "Patient": 1}
    people = column(tmp_path / "out", "condition", "id", "person")
    assert people == [("c1", "ann"), ("c2", None), ("c3", None), ("c4", None)]


def test_people_are_looked_up_in_their_own_part(tmp_path):
    release.write(tmp_path / "release", [release.patient("p1", "ann"), release.of("Condition", "c1")], "00000")
    later = [release.patient("p2", "bob"), release.of("Condition", "c2", "p2"), release.of("Condition", "c3", "p1")]
    source = release.write(tmp_path / "release", later, "00001")
    release_tables.write(source, tmp_path / "out", shipped.definitions())
    assert column(tmp_path / "out", "condition", "id", "person") == [("c1", "ann"), ("c2", "bob"), ("c3", None)]


def test_another_bulk_download_needs_no_manifest_and_its_patients_are_the_people(tmp_path):
    source = tmp_path / "download"
    source.mkdir()
    body = json.dumps({"resourceType": "Patient", "id": "p1", "birthDate": "1950-06-07"}).encode() + b"\n\n"
    (source / "1.Patient.ndjson.gz").write_bytes(gzip.compress(body))
    (source / "2.Condition.ndjson").write_text(json.dumps(release.of("Condition", "c1")) + "\n")
    (source / "3.Device.ndjson").write_text('{"resourceType":"Device","id":"d"}\n')
    (source / "4.Flag.ndjson").write_text("")
    report = release_tables.write(source, tmp_path / "out", shipped.definitions())
    assert column(tmp_path / "out", "condition", "person", "patient") == [("p1", "p1")]
    assert column(tmp_path / "out", "omop_person", "person_id", "year_of_birth") == [("p1", 1950)]
    assert report["person"] == download.BY_PATIENT and report["noView"] == ["Device"]
    assert {row["action"] for row in rows_of(tmp_path / "out")} == {"", dictionary.FIXED}


def test_a_date_column_of_the_cdm_holds_a_date_and_no_time(tmp_path):
    visit = release.of("Encounter", "e", status="finished", period={"start": "2024-01-02T03:04:05Z"})
    source = release.write(tmp_path / "release", [release.patient("p1", "ann"), visit])
    release_tables.write(source, tmp_path / "out", shipped.definitions())
    assert column(tmp_path / "out", "omop_visit_occurrence", "visit_start_date") == [("2024-01-02",)]
    assert column(tmp_path / "out", "encounter", "start_date") == [("2024-01-02T03:04:05Z",)]


# The dictionary


def rows_of(folder: Path) -> list[dict]:
    with (folder / release_tables.DICTIONARY).open(newline="") as file:
        return list(csv.DictReader(file))


WORKED_OUT = {"condition_start_date"}


def test_the_dictionary_has_a_row_for_each_column_with_what_the_allow_list_does_to_it(written):
    folder, _ = written
    rows = {(row["table"], row["column"]): row for row in rows_of(folder)}
    for path_ in folder.glob("*.parquet"):
        names = parquet.read_schema(path_).names
        assert [column for name, column in rows if name == path_.stem] == names
    actions = {key: row["action"] for key, row in rows.items()}
    assert actions["patient", "birth_date"] == "birth-year"
    assert actions["condition", "code"] == "code-only"
    assert actions["condition", "id"] == "pseudonym"
    assert actions["encounter", "start_date"] == "by-setting"
    assert actions["observation_component", "value"] == "quantity"
    assert actions["observation_component", "value_boolean"] == dictionary.NOT_IN_PROFILE
    assert actions["patient", "ethnicity"] == "code-only"
    assert actions["omop_person", "gender_concept_id"] == dictionary.FIXED
    assert all(row["description"] for row in rows.values())
    assert {row["action"] for row in rows.values() if row["column"] in WORKED_OUT} == {dictionary.WORKED_OUT}


@pytest.mark.parametrize("change", [{"policy": "0" * 64}, {"profile": "of-another-house"}, {"policy": None}])
def test_an_allow_list_that_is_not_the_one_of_the_release_is_not_told(tmp_path, change):
    source = release.write(tmp_path / "release")
    about = json.loads((source / "manifest.json").read_bytes())
    about["extension"] |= change
    (source / "manifest.json").write_text(json.dumps(about))
    release_tables.write(source, tmp_path / "out", [of("id")])
    assert [row["action"] for row in rows_of(tmp_path / "out")] == [""]


@pytest.mark.parametrize("few, k", [({"k": 7}, 7), ({"k": 1}, 0), ({"k": "7"}, 0), ("7", 0), (None, 0)])
def test_the_dictionary_says_what_is_masked_further_because_few_people_share_it(tmp_path, few, k):
    source = release.write(tmp_path / "release")
    about = json.loads((source / "manifest.json").read_bytes())
    about["extension"]["kAnonymity"] = few
    (source / "manifest.json").write_text(json.dumps(about))
    release_tables.write(source, tmp_path / "out", shipped.definitions())
    actions = {(row["table"], row["column"]): row["action"] for row in rows_of(tmp_path / "out")}
    fact, code = (
        f"; coarser or masked where fewer than {k} people share it",
        f"; masked where fewer than {k} people have it",
    )
    for key, action, further in (
        (("patient", "gender"), "keep", fact), (("patient", "birth_decade"), "birth-year", fact), (("omop_person", "year_of_birth"), "birth-year", fact),
        (("condition", "code"), "code-only", code), (("condition", "id"), "pseudonym", ""),
        (("condition", "verification_status"), "code-only", ""),
    ):  # fmt: skip
        assert actions[key] == action + (further if k else "")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_description_of_others_is_no_formula_in_the_dictionary(tmp_path, start):
    evil = start + 'HYPERLINK("http://evil.example")'
    source = release.write(tmp_path / "release", [release.patient("p1", "ann")])
    release_tables.write(source, tmp_path / "out", [of("id", description=evil)])
    assert [row["description"] for row in rows_of(tmp_path / "out")] == [f"'{evil}"]


def test_every_column_of_a_shipped_view_reads_an_element_of_r4():
    for compiled in (shipped.compiled(definition) for definition in shipped.definitions()):
        for own in compiled.columns:
            element = dictionary.element_of(compiled.resource, own)
            assert element or own.name in WORKED_OUT or own.path[:1] in "%0{", (compiled.name, own.name)


UNREAD = {
    "Encounter": {"diagnosis.condition", "diagnosis.use", "diagnosis.rank", "reasonReference"},
    "Condition": {"extension:urn:nhs-record-gateway:cld:as-at"},
    "Observation": {"basedOn", "hasMember"},
    "DiagnosticReport": {"basedOn"},
    "MedicationRequest": {"basedOn", "reasonReference", "dosageInstruction.doseAndRate.rateRatio", "dosageInstruction.maxDosePerPeriod"},
    "MedicationStatement": {"basedOn", "reasonReference"},
    "Procedure": {"reasonReference"},
    "ServiceRequest": {"reasonReference"},
    "Patient": {"identifier"},
}  # fmt: skip
"""What leaves and no shipped view reads: what may be there several times of one row and leads to another, which is a
table of its own that waits; rates and limits of doses; the day of a council's file; and the pseudonym, which is the
person."""


@pytest.mark.parametrize("profile", ["minimal", "sde-research", "planning", "linkage"])
def test_every_line_of_a_profile_is_read_by_a_view_or_is_listed(profile):
    reads: dict[str, set[str]] = {}
    for compiled in (shipped.compiled(definition) for definition in shipped.definitions()):
        elements = {dictionary.element_of(compiled.resource, own) for own in compiled.columns}
        reads[compiled.resource] = reads.get(compiled.resource, set()) | elements
    for type_, lines in policy.lines(profile).items():
        leaving = {line for line, action in lines.items() if action != "drop"}
        known = {line for line in leaving for read in reads[type_] if f"{read}.".startswith(f"{line}.")}
        assert leaving - known <= UNREAD.get(type_, set()), type_


@pytest.mark.hazard("HZ-EXPORT-43")
def test_a_range_a_ratio_a_dose_and_a_route_are_values_too(tmp_path):
    ratio = {"numerator": release.quantity(1), "denominator": release.quantity(128, comparator=">")}
    range_ = {"low": release.quantity(1), "high": release.quantity(3)}
    dosages = [{"route": release.concept("26643006"), "doseAndRate": [{"doseQuantity": release.quantity(5)}]}, {}]
    resources = [
        release.patient("p1", "ann"),
        release.of("Observation", "o1", code=release.concept("1"), valueRatio=ratio),
        release.of("Observation", "o2", code=release.concept("2"), valueRange=range_, component=[{"code": release.concept("3"), "valueRatio": ratio}]),
        release.of("Observation", "o3", code=release.concept("4"), dataAbsentReason=release.MASKED),
        release.of("MedicationRequest", "m1", status="active", intent="order", dosageInstruction=dosages),
        release.of("MedicationRequest", "m2", status="active", intent="order", dosageInstruction=[{"doseAndRate": [{"doseRange": range_}]}]),
        release.of("Immunization", "i1", doseQuantity=release.quantity(0.5), protocolApplied=[{"doseNumberPositiveInt": 2}]),
    ]  # fmt: skip
    out = tmp_path / "out"
    release_tables.write(release.write(tmp_path / "release", resources), out, shipped.definitions())
    of_ratio = ("value_numerator", "value_denominator", "value_denominator_comparator", "value_denominator_unit")
    rows = column(out, "observation", *of_ratio, "value_low", "value_high", "absent_reason")
    assert rows == [
        (1.0, 128.0, ">", "mg", None, None, None),
        (None, None, None, None, 1.0, 3.0, None),
        (*[None] * 6, "masked"),
    ]
    assert column(out, "observation_component", *of_ratio) == [(1.0, 128.0, ">", "mg")]
    doses = column(out, "medication_request", "route", "dose", "dose_low", "dose_high", "further_dosage")
    assert doses == [("26643006", 5.0, None, None, True), (None, None, 1.0, 3.0, False)]
    assert column(out, "omop_drug_exposure", "route_source_value") == [("26643006",), (None,)]
    assert column(out, "immunization", "dose", "dose_unit", "dose_number") == [(0.5, "mg", 2)]
    actions = {(row["table"], row["column"]): row["action"] for row in rows_of(out)}
    assert actions["medication_request", "further_dosage"] == dictionary.IN_PART


# The two readers of expressions


def expressions(resource: str) -> set[str]:
    """The paths of the shipped views of a type that are read from the resource itself, by the house's compiler."""
    texts: set[str] = set()
    for definition in shipped.definitions():
        if definition["resource"] == resource:
            compiled = shipped.compiled(definition)
            texts |= {own.path for own in compiled.columns if not own.within}
            texts |= {condition["path"] for condition in definition.get("where", ())}
    return {text for text in texts if path.is_plain(text)}


@pytest.mark.parametrize("resource", sorted(EXPORTED))
def test_the_compiler_of_the_house_reads_what_the_library_reads(resource):
    examples = [EVERYTHING[resource], *(other for other in release.RESOURCES if other["resourceType"] == resource)]
    for text in expressions(resource):
        other = path._by_library(text, frozenset())
        for example in examples:
            held = [value for _, value in expression.compiled(resource, text)(example)]
            assert held == [value for _, value in other((resource, example), {})], text


def test_the_parts_of_a_resource_have_one_name_here_and_one_in_the_library():
    inward, outward = path._library_names()
    assert inward["ObservationComponent"] == "Observation.component"
    assert inward["QuestionnaireResponseItemAnswer"] == "QuestionnaireResponse.item.answer"
    assert len(inward) == len(outward) and inward.keys() <= r4.types().keys()


def test_a_view_says_nothing_of_what_only_its_reader_knows():
    with pytest.raises(Invalid, match="no such constant"):
        view.compiled(of("%resourceType"))
