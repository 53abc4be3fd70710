"""ADT to Patient and allergies: values that stay, values that go, merges, shielding."""

import itertools

import pytest

from gateway.errors import Invalid
from tests.mappings.harness_hl7v2 import DEAD, PID, adt, map_text, one, oru

HOME = (
    "PID|1||H1^^^RXX^MR~9990001006^^^NHS||Marsh^Ann^^^Ms^^L||19700203|2|||1 Mill Lane^^Ilford^^IG1 1AA^^H||0201^PRN^PH"
)
SHIELD = "ZU8||||1"


def patient(*texts: str, **settings) -> dict:
    return one(map_text(*texts, settings=settings), "Patient")


def by_number(resources: list[dict], number: str) -> dict:
    [found] = [
        each
        for each in resources
        if each["resourceType"] == "Patient" and any(i["value"] == number for i in each["identifier"])
    ]
    return found


def test_a_patient_has_its_numbers_name_birth_date_and_gender():
    found = patient(adt("A28", "20250101"))
    nhs, local = found["identifier"]
    assert nhs == {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990001006"}
    assert (local["system"], local["value"]) == ("https://fhir.nhs.uk/RXX/Id/RXX", "H1")
    assert found["name"] == [{"use": "official", "family": "Marsh", "given": ["Ann"], "prefix": ["Ms"]}]
    assert (found["birthDate"], found["gender"], found["active"]) == ("1970-02-03", "female", True)


@pytest.mark.parametrize(
    "sent, gender",
    [
        ("1", "male"),
        ("2", "female"),
        ("9", "other"),
        ("0", "unknown"),
        ("M", "male"),
        ("U", "unknown"),
        ("?", None),
        ("", None),
    ],
)
def test_gender_by_table(sent, gender):
    assert patient(adt("A28", "20250101", PID[:-1] + sent)).get("gender") == gender


@pytest.mark.parametrize(
    "sent, date",
    [("1970", "1970"), ("197002", "1970-02"), ("19700203010000", "1970-02-03"), ("19700203+^D", "1970-02-03")],
)
def test_a_birth_date_keeps_the_precision_sent(sent, date):
    assert patient(adt("A28", "20250101", PID.replace("19700203", sent)))["birthDate"] == date


def test_previous_names_are_old_and_unknown_uses_are_left_out():
    names = "Marsh^Ann^^^^^L~Reed^Ann^^^^^PREVIOUS-MAIDEN~Hill^Ann^^^^^PREVIOUS-BIRTH~Fay^Ann^^^^^ODD"
    found = patient(adt("A28", "20250101", PID.replace("Marsh^Ann^^^Ms^^L", names)))
    assert [name.get("use") for name in found["name"]] == ["official", "maiden", "old", None]


def test_an_empty_field_changes_nothing_and_a_deleted_one_is_gone():
    first = adt("A28", "20250101", HOME)
    kept = patient(first, adt("A31", "20250102", "PID|1||H1^^^RXX^MR||Marsh^Ann^^^Ms^^L||||||||"))
    assert kept["address"] and kept["telecom"] and kept["birthDate"] and kept["identifier"][0]["value"] == "9990001006"
    gone = patient(first, adt("A31", "20250102", 'PID|1||H1^^^RXX^MR||Marsh^Ann^^^Ms^^L||""|""|||""||""'))
    assert not {"address", "telecom", "birthDate", "gender"} & set(gone)


def test_an_older_message_that_comes_late_changes_nothing():
    assert (
        patient(adt("A31", "20250105"), adt("A31", "20250101", PID.replace("Marsh", "Old")))["name"][0]["family"]
        == "Marsh"
    )


@pytest.mark.parametrize(
    "tail, status",
    [
        ("|" * 24 + "NSTS01", "01"),
        ("|" * 24 + "UD~NSTS03", "03"),
        ("|" * 24 + "UD", None),
        ("", None),
        ("|" * 24 + "NSTS09", None),
    ],
)
def test_the_verification_status_is_written_only_when_sent(tail, status):
    found = patient(adt("A28", "20250101", PID + tail))["identifier"][0].get("extension")
    assert (found and found[0]["valueCodeableConcept"]["coding"][0]["code"]) == status


def test_pims_sends_the_status_with_the_number():
    found = patient(adt("A28", "20250101", PID.replace("9990001006^^^NHS", "9990001006^01^^^NI")))
    assert found["identifier"][0]["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "01"


@pytest.mark.hazard("HZ-HL7V2-14")
def test_a_verification_status_is_not_carried_to_another_number():
    found = patient(
        adt("A28", "20250101", PID + "|" * 24 + "NSTS01"),
        adt("A31", "20250102", PID.replace("9990001006", "9990001014")),
    )
    assert found["identifier"][0]["value"] == "9990001014" and "extension" not in found["identifier"][0]


def test_two_numbers_of_one_authority_are_both_kept():
    found = patient(adt("A28", "20250101", PID.replace("H1^^^RXX^MR", "H1^^^RXX^MR~H0^^^RXX^PI~L5^^^LAB")))
    assert [each["value"] for each in found["identifier"]] == ["9990001006", "L5", "H0", "H1"]


def test_a_deleted_number_is_gone():
    found = patient(adt("A28", "20250101"), adt("A31", "20250102", PID.replace("9990001006^^^NHS", '""^^^NHS')))
    assert [each["value"] for each in found["identifier"]] == ["H1"]


def test_a_number_with_a_wrong_check_digit_is_no_nhs_number():
    found = patient(adt("A28", "20250101", PID.replace("9990001006", "9990001007")))
    assert not any(each.get("system") == "https://fhir.nhs.uk/Id/nhs-number" for each in found["identifier"])
    assert "9990001007" in [each["value"] for each in found["identifier"]]


def test_death_is_as_this_hospital_reports_it():
    tail = "|" * 21
    assert (
        patient(adt("A31", "20250602", PID + tail + "20250601101500|Y"))["deceasedDateTime"]
        == "2025-06-01T10:15:00+01:00"
    )
    assert patient(adt("A31", "20250101", PID + tail + "|Y"))["deceasedBoolean"] is True
    assert patient(adt("A31", "20250101", PID + tail + "|N"))["deceasedBoolean"] is False
    assert not [name for name in patient(adt("A31", "20250101")) if name.startswith("deceased")]


def test_ethnicity_gp_and_contact():
    found = patient(
        adt(
            "A28",
            "20250101",
            PID + "|" * 14 + "J",
            "PD1|||Mill Surgery^^Y06601|G9310201^Fell^Tom~W98006",
            "NK1|1|Marsh^Bo|1|1 Mill Lane|0203",
        )
    )
    assert found["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "J"
    practice, _, second = found["generalPractitioner"]
    assert practice["identifier"]["value"] == "Y06601" and second["identifier"]["value"] == "W98006"
    assert found["contact"][0]["relationship"][0]["coding"][0]["code"] == "SPS"


def test_a_deleted_person_is_gone_until_added_again():
    texts = [adt("A28", "20250101"), adt("A29", "20250102")]
    assert map_text(*texts) == []
    assert patient(*texts, adt("A28", "20250103"))["active"]


@pytest.mark.hazard("HZ-HL7V2-04")
def test_a_result_message_never_changes_demographics():
    pid = HOME.replace("Marsh", "Wrong").replace("19700203", "19800203").replace("1 Mill Lane", "9 Elm Row")
    before = patient(adt("A28", "20250101", HOME))
    after = [
        each
        for each in map_text(adt("A28", "20250101", HOME), oru("20250901", pid=pid))
        if each["resourceType"] == "Patient"
    ]
    assert after == [before]


def test_a_result_message_makes_a_minimal_patient_only_where_no_adt_did():
    found = patient(oru("20250601", pid=HOME))
    assert found["name"] and found["birthDate"] and found["identifier"]
    assert not {"address", "telecom", "generalPractitioner"} & set(found)


def merged(*more: str) -> list[dict]:
    return map_text(
        adt("A28", "20250101", DEAD), adt("A28", "20250101"), adt("A40", "20250201", "MRG|H2^^^RXX^MR"), *more
    )


def test_a_merge_ends_the_prior_number_and_links_both():
    resources = merged()
    dead, survivor = by_number(resources, "H2"), by_number(resources, "H1")
    assert dead["active"] is False and survivor["active"] is True
    assert dead["link"] == [{"other": {"reference": f"Patient/{survivor['id']}"}, "type": "replaced-by"}]
    assert survivor["link"] == [{"other": {"reference": f"Patient/{dead['id']}"}, "type": "replaces"}]


@pytest.mark.hazard("HZ-HL7V2-05")
def test_a_later_a08_neither_revives_a_merged_number_nor_changes_the_survivor():
    assert merged(adt("A08", "20250301", DEAD.replace("Marsh", "Wrong"))) == merged()
    assert merged(adt("A28", "20250301", DEAD.replace("Marsh", "Wrong"))) == merged()


def test_a_merge_before_any_other_message_of_the_prior_number_still_ends_it():
    dead = by_number(map_text(adt("A40", "20250201", "MRG|H2^^^RXX^MR")), "H2")
    assert dead["active"] is False and "name" not in dead


def test_a_merge_the_other_way_later_counts():
    resources = merged(adt("A40", "20250401", DEAD, "MRG|H1^^^RXX^MR"))
    assert by_number(resources, "H2")["active"] is True and by_number(resources, "H1")["active"] is False


CHAIN = (
    adt("A40", "20250201", DEAD, "MRG|H3^^^RXX^MR"),
    adt("A40", "20250301", "MRG|H2^^^RXX^MR"),
    adt("A40", "20250401", DEAD, "MRG|H4^^^RXX^MR"),
)
"""H3 into H2, H2 into H1, and a late H4 into H2, which is dead by then."""


@pytest.mark.hazard("HZ-HL7V2-05")
@pytest.mark.parametrize("more", [(), (adt("A28", "20250101", DEAD),)], ids=["known by merges only", "known"])
@pytest.mark.parametrize(
    "texts", list(itertools.permutations(CHAIN)), ids=["".join(each) for each in itertools.permutations("123")]
)
def test_a_chain_of_merges_ends_in_one_live_number_whatever_the_order(texts, more):
    resources = map_text(*texts, *more)
    one, two, three, four = (by_number(resources, number) for number in ("H1", "H2", "H3", "H4"))
    assert [each["active"] for each in (one, two, three, four)] == [True, False, False, False]
    told = lambda each: sorted((link["type"], link["other"]["reference"]) for link in each["link"])  # noqa: E731
    at = {id(each): f"Patient/{each['id']}" for each in (one, two, three, four)}
    assert told(one) == [("replaces", at[id(two)])]
    assert told(two) == sorted([("replaced-by", at[id(one)]), ("replaces", at[id(three)]), ("replaces", at[id(four)])])
    assert told(three) == told(four) == [("replaced-by", at[id(two)])]


def test_a_number_known_only_as_dead_keeps_both_its_links():
    assert [link["type"] for link in by_number(map_text(*CHAIN[1:]), "H2")["link"]] == ["replaced-by", "replaces"]


@pytest.mark.hazard("HZ-HL7V2-06")
def test_a_shield_that_only_a_result_message_tells_restricts_its_minimal_patient():
    assert patient(oru("20250601", pid=HOME + "\r" + SHIELD))["meta"]["security"] == ["R"]


@pytest.mark.hazard("HZ-HL7V2-06")
def test_a_shielded_patient_shows_no_place_and_is_restricted():
    contact = ("PD1|||Mill Surgery^^Y06601", "NK1|1|Marsh^Bo|1|1 Mill Lane|0203")
    resources = map_text(adt("A28", "20250101", HOME, *contact), adt("A31", "20250102", HOME, *contact, SHIELD))
    found = one(resources, "Patient")
    assert found["meta"]["security"] == ["R"]
    assert not {"address", "telecom", "contact", "generalPractitioner", "managingOrganization"} & set(found)


@pytest.mark.hazard("HZ-HL7V2-06")
def test_a_message_that_does_not_repeat_the_shield_does_not_show_the_place_again():
    found = patient(adt("A31", "20250102", HOME, SHIELD), adt("A08", "20250103", HOME))
    assert found["meta"]["security"] == ["R"] and "address" not in found


@pytest.mark.parametrize(
    "said, shielded", [("1", True), ("2", True), ("Y", True), ("0", False), ('""', False), ("", False)]
)
def test_the_shield_ends_only_when_the_trust_says_so(said, shielded):
    found = patient(adt("A31", "20250102", HOME, f"ZU8||||{said}"))
    assert ("address" not in found) is shielded


def allergies(*texts: str) -> list[str]:
    return sorted(each["code"]["text"] for each in map_text(*texts) if each["resourceType"] == "AllergyIntolerance")


@pytest.mark.hazard("HZ-HL7V2-07")
def test_an_allergy_that_is_not_sent_again_is_not_removed():
    first = adt("A28", "20250101", "AL1|1|DA|P1^Penicillin^L|SV|Rash")
    assert allergies(first, adt("A31", "20250102")) == ["Penicillin"]
    assert allergies(first, adt("A31", "20250102", "AL1|1|FA|N1^Nuts^L")) == ["Nuts", "Penicillin"]
    assert allergies(first, adt("A31", "20250102", 'AL1|1|DA|""')) == ["Penicillin"]


def test_an_allergy_keeps_words_category_and_severity_of_the_reaction():
    found = one(
        map_text(adt("A28", "20250101", "AL1|1|DA|91936005^Penicillin^SCT|SV|Rash~Wheeze|20240105")),
        "AllergyIntolerance",
    )
    assert found["category"] == ["medication"] and found["code"]["coding"][0]["system"] == "http://snomed.info/sct"
    assert found["reaction"] == [{"manifestation": [{"text": "Rash"}, {"text": "Wheeze"}], "severity": "severe"}]
    assert "verificationStatus" not in found and found["onsetDateTime"] == "2024-01-05"


def test_a_diagnosis_without_a_visit_belongs_to_the_patient():
    found = one(map_text(adt("A31", "20250101", "DG1|1|I10|J45.9^Asthma^I10||20250101|W")), "Condition")
    assert found["verificationStatus"]["coding"][0]["code"] == "provisional" and "encounter" not in found


def test_a_group_of_no_family_is_refused():
    from mappings import Feed, Group
    from mappings.hl7v2 import SOURCE
    from tests.mappings.harness_hl7v2 import DictLook

    with pytest.raises(Invalid):
        SOURCE.to_fhir(Group("odd:1", "RXX", ()), DictLook("RXX", Feed()))


@pytest.mark.parametrize(
    ("pid", "settings", "expected"),
    [
        ("PID|1||H1", {"authority": "RXX"}, {"https://fhir.nhs.uk/RXX/Id/RXX": "H1"}),
        ("PID|1||H1^^^OLD", {"authority_aliases": {"OLD": "NEW"}}, {"https://fhir.nhs.uk/RXX/Id/NEW": "H1"}),
        ("PID|1|H9^^^AB^MR|", {}, {"https://fhir.nhs.uk/RXX/Id/AB": "H9"}),
        ("PID|1|H9^^^AB^MR|H1^^^RXX", {}, {"https://fhir.nhs.uk/RXX/Id/RXX": "H1", "https://fhir.nhs.uk/RXX/Id/AB": "H9"}),
        ("PID|1|||H4", {"identifier_fields": [4], "authority": "RXX"}, {"https://fhir.nhs.uk/RXX/Id/RXX": "H4"}),
        ("PID|1||H1^^^RXX|H4^^^RXX", {"identifier_fields": [4]}, {"https://fhir.nhs.uk/RXX/Id/RXX": "H1"}),
        ("PID|1|9990001006^^^NHS|H1^^^RXX", {}, {"https://fhir.nhs.uk/Id/nhs-number": "9990001006", "https://fhir.nhs.uk/RXX/Id/RXX": "H1"}),
    ],
)  # fmt: skip
def test_the_patient_carries_the_number_that_the_key_is_made_of(pid, settings, expected):
    message = adt("A28", "20250601080000", pid + "|" * (5 - pid.count("|")) + "Marsh^Ann||19700203|2")
    patient = one(map_text(message, settings=settings), "Patient")
    assert {identifier["system"]: identifier["value"] for identifier in patient["identifier"]} == expected
