"""The lock files hold all that pyproject.toml asks for, in versions that its ranges allow, each with its hashes."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WANTED = {
    "deploy/requirements.lock": PROJECT["project"]["dependencies"],
    "deploy/build.lock": [*PROJECT["dependency-groups"]["image"], *PROJECT["build-system"]["requires"]],
    ".ci/requirements.lock": [
        *PROJECT["project"]["dependencies"],
        *(line for extra in PROJECT["project"]["optional-dependencies"].values() for line in extra),
    ],
}


def locked(name: str) -> dict[str, str]:
    """The version of each package of a lock file, by its normalised name."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return {canonicalize_name(package): version for package, version in re.findall(r"^([\w.-]+)\S*==(\S+)", text, re.M)}


@pytest.mark.parametrize("name", WANTED)
def test_a_lock_file_holds_what_is_asked_for_in_a_version_that_is_allowed(name):
    versions = locked(name)
    for requirement in map(Requirement, WANTED[name]):
        version = versions.get(canonicalize_name(requirement.name), "")
        assert version and requirement.specifier.contains(version, prereleases=True), f"{requirement}: run .ci/lock"


@pytest.mark.parametrize("name", WANTED)
def test_every_package_of_a_lock_file_has_its_hashes(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    packages = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.M)[1:]
    assert len(packages) > 10 and all("--hash=sha256:" in package for package in packages)


def test_the_image_and_ci_agree_on_what_runs():
    image, ci = locked("deploy/requirements.lock"), locked(".ci/requirements.lock")
    assert {name: ci.get(name) for name in image} == image


def test_the_image_installs_by_hash_and_makes_its_sbom():
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    installs = [line for line in re.split(r"\n|&&", text) if re.search(r"pip\b.* install\b", line)]
    assert len(installs) == 3
    assert all("--require-hashes" in line or "--no-deps dist/" in line for line in installs)
    assert "cyclonedx-py environment" in text and "--no-build-isolation" in text
