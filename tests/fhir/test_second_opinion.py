"""The second opinion is always there, and nobody waits for it who does not ask."""

import subprocess
import sys

from gateway.fhir import second_opinion
from tests.fhir.resources import body, made


def test_it_is_loaded_when_it_is_first_asked():
    code = "import sys, gateway.nhs.validation; print([name for name in sys.modules if name.startswith('fhir.')])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_it_has_one_of_every_type_of_r4_but_those_that_r4b_left_out():
    assert second_opinion.opinion("Patient", body(made("Patient"))) == []
    assert [issue.severity for issue in second_opinion.opinion("Patient", b'{"resourceType":"Patient","gender":1}')] == ["information"]  # fmt: skip
    assert second_opinion.opinion("EffectEvidenceSynthesis", b"{}") is None
    assert second_opinion.opinion("os", b"{}") is None, "the name of a type is nobody's module"
