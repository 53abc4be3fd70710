"""The sample files and what they become: read the difference before accepting a new golden file."""

from pathlib import Path

import pytest

from gateway.explain.trials import sample_feed
from tests.mappings.harness import written
from tests.mappings.harness_hl7v2 import map_path

SAMPLES = Path(__file__).parents[2] / "mappings" / "hl7v2" / "samples"
FEED = sample_feed(SAMPLES)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.hl7")), ids=lambda path: path.name)
def test_a_sample_becomes_its_golden_file(path, golden):
    resources, rejects = map_path(path, FEED)
    assert not rejects
    golden(path.with_name(path.name + ".fhir.json"), written(resources))


def test_all_samples_together_are_one_hospital(tmp_path):
    resources, rejects = map_path(SAMPLES, FEED)
    patients = [each for each in resources if each["resourceType"] == "Patient"]
    assert not rejects and len(patients) == 6
    encounters = {f"Encounter/{each['id']}" for each in resources if each["resourceType"] == "Encounter"}
    named = {
        each["encounter"]["reference"]
        for each in resources
        if each["resourceType"] in ("DiagnosticReport", "ServiceRequest") and "encounter" in each
    }
    assert named and named <= encounters
    requests = {f"ServiceRequest/{each['id']}" for each in resources if each["resourceType"] == "ServiceRequest"}
    based = [each for each in resources if each["resourceType"] == "Observation" and "basedOn" in each]
    assert based and {each["basedOn"][0]["reference"] for each in based} <= requests
