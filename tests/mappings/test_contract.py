"""What every source keeps, whoever wrote it: pure functions, code tables that tell their origin, samples that show all
it makes."""

import ast
import json
import re
from pathlib import Path

import pytest

from mappings import sources
from tests.mappings.harness import faults

HOME = Path(__file__).parents[2] / "mappings"
MODULES = sorted(HOME.rglob("*.py"))
TABLES = sorted(HOME.glob("*/codes*.csv"))
OF_THE_WORLD = {"time", "random", "secrets", "uuid", "os", "socket", "subprocess", "tempfile", "threading"}
OF_THE_CLOCK = {"now", "today", "utcnow"}


def named(path: Path) -> str:
    return path.relative_to(HOME).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_mapping_asks_neither_the_clock_nor_chance_nor_the_world(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not {name.name.partition(".")[0] for name in node.names} & OF_THE_WORLD
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in OF_THE_WORLD
        elif isinstance(node, ast.Attribute):
            assert node.attr not in OF_THE_CLOCK, f"line {node.lineno}"


@pytest.mark.parametrize("path", TABLES, ids=named)
def test_a_code_table_tells_its_origin(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    told = [line for line in lines if line.startswith("#")]
    assert lines[: len(told)] == told and any("Origin:" in line for line in told)


@pytest.mark.parametrize("name", sorted(sources()))
def test_the_samples_show_every_type_a_source_makes(name):
    made = set()
    for path in sorted((HOME / name).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func).endswith(("look.id", "sent.built"))
                and isinstance(node.args[0], ast.Constant)
            ):
                made.add(node.args[0].value)
    if name == "fhir":  # it makes the type that it is sent
        made = {"Patient", "Practitioner", "Encounter", "MedicationRequest", "Observation"}
    goldens = (HOME / name / "samples").glob("*.fhir.json")
    shown = {each["resourceType"] for path in goldens for each in json.loads(path.read_text(encoding="utf-8"))}
    assert made and shown == made


@pytest.mark.parametrize("path", sorted(HOME.glob("*/samples/*.fhir.json")), ids=named)
def test_a_sample_is_valid_and_keeps_uk_cores_constraints(path):
    assert faults(json.loads(path.read_text(encoding="utf-8"))) == []


def test_every_setting_of_a_feed_that_a_source_reads_is_told_in_its_readme_and_named():
    for name, source in sources().items():
        folder = HOME / name
        readme = (folder / "README.md").read_text(encoding="utf-8")
        read = {
            key
            for path in folder.glob("*.py")
            for key in re.findall(r'settings(?:\.get\(|\([^)]*?, )"(\w+)"', path.read_text(encoding="utf-8"))
        }
        assert read <= source.settings, name
        assert all(f"`{key}`" in readme for key in source.settings), name
