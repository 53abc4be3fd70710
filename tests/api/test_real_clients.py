"""Clients that others wrote read and write at a running server: fhirpy, fhirclient, fhir-kit-client (npm) and HAPI's
(Maven). Each is installed into a folder of its own, so that none is a dependency of the project."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.fhir.codes import NHS_NUMBER
from tests.api.test_backend_service import running

HERE = Path(__file__).parents[1] / "clients"
PYTHON = {"fhirpy": "fhirpy==2.3.1", "fhirclient": "fhirclient==4.4.0"}
KIT = "fhir-kit-client@2.0.3"
HAPI = "8.4.0"
JARS = [
    ("ca.uhn.hapi.fhir", "hapi-fhir-client", HAPI),
    ("ca.uhn.hapi.fhir", "hapi-fhir-structures-r4", HAPI),
    ("org.slf4j", "slf4j-nop", "2.0.17"),
]
DEPENDENCIES = "".join(
    f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
    for group, name, version in JARS
)
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>test</groupId><artifactId>client</artifactId><version>1</version>
<dependencies>{DEPENDENCIES}</dependencies></project>"""
pytestmark = pytest.mark.slow


def run(*words: str | Path, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        words, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, f"{words[0]}: {done.stdout[-2000:]}{done.stderr[-3000:]}"
    return done.stdout


def python(package: str) -> Callable[[Path], list[str | Path]]:
    """How a client in Python is installed and run."""

    def prepared(folder: Path) -> list[str | Path]:
        run(sys.executable, "-m", "venv", folder / "venv", folder=folder)
        run(folder / "venv/bin/pip", "install", "-q", PYTHON[package], folder=folder)
        return [folder / "venv/bin/python", HERE / f"client_{package}.py"]

    return prepared


def kit(folder: Path) -> list[str | Path]:
    run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", KIT, folder=folder)
    shutil.copy(HERE / "client_kit.mjs", folder)
    return ["node", "client_kit.mjs"]


def hapi(folder: Path) -> list[str | Path]:
    (folder / "pom.xml").write_text(POM)
    run("mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars", folder=folder)
    run("javac", "-cp", "jars/*", "-d", ".", HERE / "ClientHapi.java", folder=folder)
    return ["java", "-cp", f".{os.pathsep}jars/*", "ClientHapi"]


@pytest.fixture(scope="module")
def asked(town, made) -> dict[str, object]:
    """A Patient of the practice with several observations, as one page of our own reading holds them: what each client
    must find."""
    named = {"patient.identifier": f"{NHS_NUMBER}|{made.people['demo'].nhs_number}"}
    gathered = town.get("/fhir/Patient", identifier=named["patient.identifier"]).json()["entry"]
    patient = gathered[0]["resource"]
    one = town.found("/fhir/Observation", patient=patient["id"], _count="250")
    whole = town.found("/fhir/Observation", **named, _count="250")
    assert len(one) > 2
    return {
        "id": patient["id"], "number": named["patient.identifier"], "family": patient["name"][0]["family"],
        "observations": sorted(name.partition("/")[2] for name in one),
        "by_number": sorted(name.partition("/")[2] for name in whole),
        "everything": town.get(f"/fhir/Patient/{patient['id']}/$everything").json()["entry"],
    }  # fmt: skip


@pytest.fixture(scope="module")
def ask(town, asked, tmp_path_factory):
    """Install a client and have it ask the running server; what it prints."""
    with running(town) as address:

        def answered(name: str, prepared: Callable[[Path], list[str | Path]]) -> dict:
            folder = tmp_path_factory.mktemp(name)
            said = run(
                *prepared(folder), folder=folder, BASE=f"{address}/fhir", PATIENT=asked["id"], NUMBER=asked["number"],
                READER=town.token("dr-green"), WRITER=town.token("tester"),
            )  # fmt: skip
            return json.loads(said.strip().splitlines()[-1])

        yield answered


def types(asked: dict) -> list[str]:
    return sorted({each["resource"]["resourceType"] for each in asked["everything"]})


def test_fhirpy_reads_and_writes(ask, asked):
    said = ask("fhirpy", python("fhirpy"))
    assert "nonsense" in said.pop("refused")
    assert said == {
        "family": asked["family"], "observations": asked["observations"], "by_number": asked["by_number"],
        "missing": "not found", "written": True,
    }  # fmt: skip


def test_fhirclient_reads_all_as_its_models(ask, asked):
    assert ask("fhirclient", python("fhirclient")) == {
        "family": asked["family"], "observations": asked["observations"], "everything": types(asked),
        "missing": "not found", "summary": True,
    }  # fmt: skip


def test_fhir_kit_client_reads_and_writes(ask, asked):
    said = ask("kit", kit)
    assert said.pop("token").endswith("/auth/token")
    assert said == {
        "family": asked["family"], "observations": asked["observations"], "by_number": asked["by_number"],
        "everything": types(asked), "version": "4.0.1", "missing": 404, "written": ["female", "male", True],
    }  # fmt: skip


def test_hapis_client_reads_json_and_xml_and_writes(ask, asked, town):
    said = ask("hapi", hapi)
    for encoding in ("json", "xml"):
        assert "nonsense" in said[encoding].pop("refused"), "the reason is where HAPI's client shows it"
        assert said[encoding] == {
            "family": asked["family"], "observations": asked["observations"], "everything": len(asked["everything"]),
            "types": len(town.get("/fhir/metadata").json()["rest"][0]["resource"]), "missing": "not found",
        }  # fmt: skip
    assert said["written"] == [True, True, "2", "201 Created"]
