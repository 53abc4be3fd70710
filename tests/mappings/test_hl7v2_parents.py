"""What a result was found in: an organism of another order (OBR-26, OBR-29), or outside of it (OBX-4 1.1)."""

import pytest

from tests.mappings.harness_hl7v2 import PID, map_sent, oru

ORGANISM = "OBX|1|CE|ORG^Organism^L|{sub}|EC^E coli^L||||||F"
DRUG = "OBX|2|ST|{code}^{code}^L|{sub}|{flag}||||||F"


def tied(*messages: str) -> dict[str, tuple[str, str]]:
    """Code of a result → (code of what it is derived from, its note)."""
    made = [each for each in map_sent(*messages) if each["resourceType"] == "Observation"]
    codes = {f"Observation/{each['id']}": each["code"]["text"] for each in made}
    return {
        each["code"]["text"]: (codes.get(each.get("derivedFrom", [{}])[0].get("reference"), ""), *(note["text"] for note in each.get("note", ())))
        for each in made
    }  # fmt: skip


@pytest.mark.hazard("HZ-HL7V2-92")
def test_a_result_whose_number_is_nested_was_found_in_the_one_outside():
    sent = oru(
        "20250601100000", ORGANISM.format(sub="1"), DRUG.format(code="GENT", sub="1.1", flag="R"), ORGANISM.format(sub="2").replace("E coli", "Proteus").replace("EC", "PM"),
        DRUG.format(code="AMOX", sub="2.1", flag="S"), "OBX|5|NM|MIC^MIC^L|1.2|0.5|mg/L|||||F",
    )  # fmt: skip
    made = [each for each in map_sent(sent) if each["resourceType"] == "Observation"]
    notes = {each["code"]["text"]: each["note"][0]["text"] for each in made if "note" in each}
    assert notes == {
        "GENT": "Found in Organism: E coli",
        "AMOX": "Found in Organism: Proteus",
        "MIC": "Found in Organism: E coli",
    }
    assert all("derivedFrom" in each for each in made if each["code"]["text"] in notes)


@pytest.mark.hazard("HZ-HL7V2-92")
def test_an_organism_that_is_nested_itself_has_its_own_susceptibilities():
    sent = oru(
        "20250601100000",
        "OBX|1|CE|CUL^Culture^L|1|POS^Positive^L||||||F",
        ORGANISM.format(sub="1.1"),
        DRUG.format(code="GENT", sub="1.1", flag="R"),
    )
    assert tied(sent)["GENT"] == ("Organism", "Found in Organism: E coli")


def child(parent: str = "P1^PAS&X^F1&LAB", code: str = "ORG&Organism&L^1^E coli") -> str:
    fields = {
        3: "F2^LAB",
        4: "SENS^Sensitivities^L",
        7: "20250601080000",
        22: "20250601100000",
        25: "F",
        26: code,
        29: parent,
    }
    return "OBR|2|" + "|".join(fields.get(n, "") for n in range(2, 30))


FOUND = ("Organism", "Found in the parent result: E coli")
NOT_FOUND = ("", "Found in the parent result: E coli")


@pytest.mark.hazard("HZ-HL7V2-92")
@pytest.mark.parametrize("parent, code, organisms, expected", [
    ("P1^F1&LAB", "ORG&Organism&L^1^E coli", ["1"], FOUND),
    ("P1", "ORG&Organism&L^1^E coli", ["1"], FOUND),
    ("^F1&LAB", "ORG&Organism&L^^E coli", ["1"], FOUND),
    ("^F1&LAB", "ORG&Organism&L^^E coli", ["1", "2"], NOT_FOUND),
    ("^F9&LAB", "ORG&Organism&L^1^E coli", ["1"], NOT_FOUND),
    ("^F1&LAB", "XYZ&Other&L^1^E coli", ["1"], NOT_FOUND),
    ("", "ORG&Organism&L^1^E coli", ["1"], NOT_FOUND),
])  # fmt: skip
def test_a_result_of_a_child_order_was_found_in_the_one_result_of_its_parent(parent, code, organisms, expected):
    found = tied(oru(
        "20250601100000", *(ORGANISM.format(sub=sub) for sub in organisms), child(parent, code), DRUG.format(code="GENT", sub="1", flag="R"), order="P1^PAS|F1^LAB",
    ))  # fmt: skip
    assert found["GENT"] == expected


def test_an_order_number_of_two_people_ties_nothing_across_orders():
    other = (
        PID.replace("H1", "H9")
        .replace("Marsh^Ann", "Quill^Bo")
        .replace("9990001006", "")
        .replace("19700203", "19500101")
    )
    sent = oru(
        "20250601100000",
        ORGANISM.format(sub="1"),
        child("P1^F1&LAB"),
        DRUG.format(code="GENT", sub="1", flag="R"),
        order="P1^PAS|F1^LAB",
    )
    twin = oru(
        "20250601110000",
        child("P1^F1&LAB"),
        DRUG.format(code="GENT", sub="1", flag="S"),
        pid=other,
        order="P1^PAS|F8^LAB",
    )
    made = [
        each
        for each in map_sent(sent, twin)
        if each["resourceType"] == "Observation" and each["code"]["text"] == "GENT"
    ]
    assert len(made) == 2 and not any("derivedFrom" in each for each in made)


@pytest.mark.parametrize("event", ["R30", "R31", "R32"])
def test_results_of_the_point_of_care_are_results(event):
    made = map_sent(
        oru("20250601100000", "OBX|1|NM|GLU^Glucose||5.1|mmol/L||||F", order="|").replace("ORU^R01", f"ORU^{event}")
    )
    assert {each["resourceType"] for each in made} == {"Patient", "DiagnosticReport", "Observation"}
