"""The tables of a real release as others read them: DuckDB, pandas and pyarrow, against a count of the NDJSON lines."""

import datetime
import json
from collections import Counter
from pathlib import Path

import duckdb
import pandas
import pyarrow.parquet as parquet
import pytest

from gateway import config
from gateway.composition import create_gateway
from gateway.export import approval, asking, engines, national_list, running
from gateway.intake import load
from gateway.synth import world
from gateway.views import release_tables, shipped
from mappings import Feed, sources
from tests.export.conftest import document

TODAY = datetime.date.today()
PARTS = [definition for definition in shipped.definitions() if definition["name"] == "observation_component"]


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Path:
    """The release of a world of three sources."""
    folder = tmp_path_factory.mktemp("released")
    sent = world.write(folder / "world", 40, 1, TODAY)
    far = str(TODAY + datetime.timedelta(200))
    with create_gateway(config.Settings(data_dir=folder / "data"), "sandbox") as gateway:
        for name in ("emis", "hl7v2", "cld"):
            load.load(gateway.store, sources()[name], sent.path(name), Feed(), gateway.code_sets(), workers=0)
        national_list.load(gateway.store, sent.path("optout"))
        project = document(end=far)
        project["contributors"] = [{**contributor, "to": far} for contributor in project["contributors"]]
        approval.add(gateway.store, project, "asker")
        for by in ("guardian", "controller"):
            approval.approve(gateway.store, "study", by)
        job = asking.start(gateway.store, "study", "tester", optout_days=7)
        running.run(gateway.store, job, folder / "release", bytes(range(32)), workers=1)
    return folder / "release"


def counted(release: Path) -> dict[str, int]:
    """How many rows tables should have, by Python's own JSON alone: a row a resource, and one a component."""
    rows: Counter[str] = Counter()
    for path in release.glob("*.ndjson"):
        for line in path.read_text().splitlines():
            resource = json.loads(line)
            rows[resource["resourceType"]] += 1
            rows["components"] += len(resource.get("component", ()))
    return rows


@pytest.mark.slow
def test_duckdb_pandas_and_pyarrow_read_as_many_rows_as_there_are_resources(tmp_path, released):
    out = tmp_path / "out"
    report = release_tables.write(
        released, out, shipped.definitions(), lambda cut, parts: engines.map_parts(cut, parts, workers=2)
    )
    wanted = counted(released)
    assert sum(wanted.values()) > 1500 and wanted["components"] > 100
    for definition in shipped.definitions():
        name, resource = definition["name"], definition["resource"]
        file = out / f"{name}.parquet"
        frame = pandas.read_parquet(file)
        (rows,) = duckdb.execute("SELECT count(*) FROM read_parquet(?)", [str(file)]).fetchall()
        assert rows[0] == len(frame) == parquet.read_table(file).num_rows == report["tables"][name]
        if not name.startswith("omop_"):
            assert len(frame) == wanted["components" if name == "observation_component" else resource], name
    people = set(pandas.read_parquet(out / "omop_person.parquet")["person_id"])
    lines = (released / "Patient.00000.ndjson").read_text().splitlines()
    assert people == {json.loads(line)["identifier"][0]["value"] for line in lines}
    joined = duckdb.execute(
        "SELECT count(*) FROM read_parquet(?) o JOIN read_parquet(?) p ON o.patient = p.id AND o.person = p.person",
        [str(out / "observation.parquet"), str(out / "patient.parquet")],
    ).fetchall()
    assert joined[0][0] == wanted["Observation"], "keys join, and everything of a person is theirs"


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_bytes(tmp_path, released):
    for name, workers in (("one", 0), ("two", 2)):
        release_tables.write(
            released, tmp_path / name, PARTS + list(shipped.definitions()[:3]),
            lambda cut, parts, workers=workers: engines.map_parts(cut, parts, workers=workers),
        )  # fmt: skip
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
