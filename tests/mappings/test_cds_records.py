"""What a CDS record means: who was seen, what is certain, whose it is, and what a later record takes back."""

import re
from itertools import permutations

import pytest

from gateway.nhs.codesets import CodeSets
from gateway.nhs.identifiers import synthetic
from gateway.nhs.labels import UNCLASSIFIED
from gateway.nhs.sensitive import own_labels
from mappings import Feed, Group, Reject
from mappings.cds import SOURCE
from mappings.cds.replaced import Replacements
from mappings.vocabulary import code_table, protected
from tests.mappings.harness import DictLook, faults, keep, map_rows
from tests.mappings.harness_cds import (
    PERSON,
    SEEN,
    answer,
    bulk,
    came,
    deleted,
    mapped,
    seen,
    sent,
    stay,
    waits,
)


def codes_of(resources, element="code"):
    return [coding["code"] for resource in resources for coding in resource[element].get("coding", ())]


def certainty(resource):
    return resource.get("verificationStatus", {}).get("coding", [{}])[0].get("code", "")


# Who was seen


@pytest.mark.hazard("HZ-CDS-01")
@pytest.mark.parametrize(
    ("code", "status"),
    [("2", "cancelled"), ("3", "noshow"), ("4", "cancelled"), ("7", "noshow"), ("0", "booked")],
)
def test_an_appointment_that_did_not_take_place_is_never_a_visit(code, status):
    result = mapped(seen(Attended=code, Diagnosis1="I10X", Procedure1="W371"))
    assert result.one("Appointment")["status"] == status
    assert not result.resources("Encounter") and not result.resources("Condition") and not result.resources("Procedure")
    assert result.unlisted, "what was coded for it is counted"


@pytest.mark.parametrize("code", ["5", "6"])
def test_an_attendance_is_a_visit(code):
    result = mapped(seen(Attended=code, Outcome="2"))
    encounter = result.one("Encounter")
    assert (encounter["status"], encounter["class"]["code"]) == ("finished", "AMB")
    assert encounter["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "2"
    assert not result.resources("Appointment")


@pytest.mark.hazard("HZ-CDS-26")
@pytest.mark.parametrize("minutes", ["", "0", "000", "?", "\N{SUPERSCRIPT TWO}", "9" * 20])
def test_an_appointment_of_no_stated_length_is_told_and_does_not_wait(minutes):
    result = mapped(seen(Attended="3", Minutes=minutes))
    assert "minutesDuration" not in result.one("Appointment") and faults(result.resources()) == []
    assert mapped(seen(Attended="3", Minutes="020")).one("Appointment")["minutesDuration"] == 20


@pytest.mark.hazard("HZ-CDS-01")
@pytest.mark.parametrize("items", [{"Attended": ""}, {"Attended": "8"}, {"AppointmentDate": "20250318"}], ids=str)
def test_a_record_that_does_not_say_whether_the_patient_was_seen_waits(items):
    found = map_rows(SOURCE, [seen(**items)])
    assert list(found.faults.values()) in (["column Attended"], ["column AppointmentDate"])


@pytest.mark.hazard("HZ-CDS-02")
def test_an_administrative_event_is_no_attendance():
    result = mapped(seen(FirstAttendance="5"))
    assert {each["resourceType"] for each in result.resources()} == {"Patient"}


# What is certain


@pytest.mark.hazard("HZ-CDS-03")
@pytest.mark.parametrize(
    ("qualifier", "status"),
    [("410605003", "confirmed"), ("415684004", "provisional"), ("", "unconfirmed"), ("123456789", "unconfirmed")],
)
def test_an_emergency_diagnosis_is_confirmed_only_where_its_qualifier_says_so(qualifier, status):
    result = mapped(came(EcDiagnosis1="22298006", EcQualifier1=qualifier, EcSequence1="1"))
    assert certainty(result.one("Condition")) == status


@pytest.mark.hazard("HZ-CDS-03")
@pytest.mark.parametrize(
    ("items", "status"), [({"Diagnosis1": "I219"}, "unconfirmed"), ({"AeDiagnosis1": "20"}, "unconfirmed"), ({"Comorbidity1": "44054006"}, "unconfirmed")], ids=str
)  # fmt: skip
def test_what_an_emergency_department_says_without_certainty_is_unconfirmed(items, status):
    assert certainty(mapped(came(**items)).one("Condition")) == status


@pytest.mark.hazard("HZ-CDS-04")
@pytest.mark.parametrize(("type_", "status"), [("190", "provisional"), ("180", "provisional"), ("130", "")])
def test_the_diagnosis_of_an_unfinished_episode_is_provisional_and_none_is_confirmed(type_, status):
    assert certainty(mapped(stay(Type=type_, Diagnosis1="J189")).one("Condition")) == status


@pytest.mark.hazard("HZ-CDS-05")
def test_an_illness_of_the_family_is_not_the_patients():
    result = mapped(stay(Diagnosis1="I10X", Diagnosis2="Z803"))
    assert codes_of(result.resources("Condition")) == ["I10"]
    assert result.one("FamilyMemberHistory")["condition"][0]["code"]["coding"][0]["code"] == "Z80.3"
    spell = [each for each in result.resources("Encounter") if each.get("diagnosis")]
    assert [len(each["diagnosis"]) for each in spell] == [1]


@pytest.mark.hazard("HZ-CDS-05")
@pytest.mark.parametrize(
    ("code", "status"),
    [("Z853", "inactive"), ("Z867", "inactive"), ("Z915", "inactive"), ("Z921", ""), ("Z911", ""), ("I10X", "")],
)
def test_an_illness_that_is_over_is_inactive(code, status):
    condition = mapped(stay(Diagnosis1=code)).one("Condition")
    assert condition.get("clinicalStatus", {}).get("coding", [{"code": ""}])[0]["code"] == status


@pytest.mark.hazard("HZ-CDS-06")
@pytest.mark.parametrize(
    ("code", "to"), [("Z880", "to penicillin,"), ("Z887", "to serum and vaccine,"), ("Z910", "no medicine")]
)
def test_a_history_of_allergy_is_an_allergy_and_a_condition(code, to):
    result = mapped(stay(Diagnosis1="I10X", Diagnosis2=code))
    allergy = result.one("AllergyIntolerance")
    assert (certainty(allergy), allergy["clinicalStatus"]["coding"][0]["code"]) == ("unconfirmed", "active")
    assert len(result.resources("Condition")) == 2 and to in allergy["code"]["text"]


@pytest.mark.parametrize(
    ("sent_as", "code"),
    [("I10X", "I10"), ("I10", "I10"), ("A170D", "A17.0"), ("G01XA", "G01"), ("M2556", "M25.56"), ("J18.9", "J18.9"), ("S7200D", "S72.00"), ("I10X-", "I10")],
)  # fmt: skip
def test_icd_10_is_read_as_it_is_filled(sent_as, code):
    assert codes_of(mapped(stay(Diagnosis1=sent_as)).resources("Condition")) == [code]


def test_a_diagnosis_of_another_form_stays_the_senders_and_is_counted():
    result = mapped(stay(Diagnosis1="ASTHMA"))
    assert result.one("Condition")["code"]["coding"][0]["system"] == "https://fhir.nhs.uk/RZZ/CodeSystem/diagnosis"
    assert result.unlisted == ["Inpatient Diagnosis"]


@pytest.mark.hazard("HZ-CDS-07")
def test_the_side_of_an_operation_stays_with_it():
    result = mapped(stay(Procedure1="W371", Procedure2="Z943", Procedure3="Y981", Procedure4="C751", Procedure5="Z942"))
    by_code = {each["code"]["coding"][0]["code"]: each for each in result.resources("Procedure")}
    assert codes_of([{"code": site} for site in by_code["W37.1"]["bodySite"]]) == ["Z94.3"]
    assert codes_of([{"code": site} for site in by_code["C75.1"]["bodySite"]]) == ["Z94.2"]
    assert by_code["Y98.1"]["partOf"] == [{"reference": f"Procedure/{by_code['W37.1']['id']}"}]
    wait = mapped(waits(Procedure1="W371", Procedure2="Z943")).one("ServiceRequest")
    assert codes_of([{"code": site} for site in wait["bodySite"]]) == ["Z94.3"]


@pytest.mark.hazard("HZ-CDS-08")
@pytest.mark.parametrize("items", [{"EcInvestigation1": "1088291000000101"}, {"EcTreatment1": "183964008"}], ids=str)
def test_a_code_that_says_nothing_was_done_is_no_procedure(items):
    assert not mapped(came(**items)).resources("Procedure")


@pytest.mark.hazard("HZ-CDS-09")
def test_what_is_dated_after_all_that_is_known_has_not_happened():
    later = "20250312"
    result = mapped(stay(Procedure1="W371", ProcedureDate1=later, DischargeDate=later, DischargeMethod="4"))
    assert (result.one("Procedure")["status"], "performedDateTime" in result.one("Procedure")) == ("unknown", False)
    spell = next(each for each in result.resources("Encounter") if "identifier" in each)
    assert spell["status"] == "in-progress" and "end" not in spell["period"] and "extension" not in spell
    assert "birthDate" not in mapped(stay(BirthDate=later)).one("Patient")


@pytest.mark.hazard("HZ-CDS-10")
@pytest.mark.parametrize(
    ("code", "words"),
    [("B24X", "HIV"), ("A510", "sexually"), ("O049", "termination"), ("I10X", "")]
    + [(code, "gonorrhoea") for code in ("N743", "K671", "M730A")]
    + [(code, "syphili") for code in ("N742A", "N290", "I980", "M731", "K672", "M031")]
    + [("N744", "chlamydia"), ("K670", "chlamydia"), ("P964", "termination"), ("B24X and more", "HIV")],
)
def test_a_code_of_something_protected_has_words_by_which_it_is_held_back(code, words):
    text = mapped(stay(Diagnosis1=code)).one("Condition")["code"]["text"]
    assert words in text and (bool(words) or ":" not in text)


@pytest.mark.hazard("HZ-CDS-10")
def test_an_illness_of_the_family_that_is_protected_has_its_words_too():
    (told,) = mapped(stay(Diagnosis1="Z830")).one("FamilyMemberHistory")["condition"]
    assert "HIV" in told["code"]["text"]


@pytest.mark.hazard("HZ-CDS-10")
@pytest.mark.parametrize("row", code_table("mappings", "codes_protected"), ids=lambda row: row["code"])
def test_the_words_of_every_protected_code_hold_it_back(row):
    text = {"text": f"{row['code']}: {protected(row['system'], row['code'])}"}
    bits, _ = own_labels({"resourceType": "Condition", "code": text}, (), CodeSets(), "hospital", "share")
    assert bits == UNCLASSIFIED


# The spell


@pytest.mark.hazard("HZ-CDS-11")
@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_the_last_episode_says_how_a_spell_ended_whatever_comes_last(order):
    gone = {
        "DischargeDate": "20240320",
        "DischargeTime": "110000",
        "DischargeMethod": "1",
        "DischargeDestination": "19",
    }
    first = stay(ApplicableDate="20240401")
    last = stay(2, UniqueId="E2", EpisodeNumber="02", LastEpisode="1", ApplicableDate="20240402", **gone)
    corrected = stay(ApplicableDate="20240403", Diagnosis1="I10X")
    rows = [first, last, corrected]
    result = mapped(*(rows[place] for place in order))
    spell = next(each for each in result.resources("Encounter") if "identifier" in each)
    assert (spell["status"], spell["period"]["end"]) == ("finished", "2024-03-20T11:00:00+00:00")
    episodes = [each for each in result.resources("Encounter") if "partOf" in each]
    assert len(episodes) == 2 and codes_of(result.resources("Condition")) == ["I10"]


def test_a_spell_without_discharge_goes_on_and_says_nothing_of_its_end():
    result = mapped(stay(DischargeMethod="8", DischargeDestination="98"))
    spell = next(each for each in result.resources("Encounter") if "identifier" in each)
    assert spell["status"] == "in-progress" and "dischargeDisposition" not in spell["hospitalization"]


def test_critical_care_is_part_of_its_episode_and_told_once():
    again = {"CriticalStart2": "20240312", "CriticalId2": "CC1", "CriticalStart3": "20240313", "CriticalId3": "CC2"}
    result = mapped(stay(CriticalStart1="20240312", CriticalId1="CC1", CriticalEnd1="20240313", **again))
    periods = [each for each in result.resources("Encounter") if "Critical care" in each["type"][0]["text"]]
    (episode,) = (
        each for each in result.resources("Encounter") if "serviceType" in each or "Episode" in str(each["type"])
    )
    assert sorted(each["status"] for each in periods) == ["finished", "in-progress"]
    assert {each["partOf"]["reference"] for each in periods} == {f"Encounter/{episode['id']}"}


def test_a_birth_at_home_is_no_admission():
    result = mapped(stay(Type="150", SpellNumber="", BirthWeight="3000", LiveOrStill="1"))
    assert {each["class"].get("code", "") for each in result.resources("Encounter")} == {""}
    assert [each["valueQuantity"]["value"] for each in result.resources("Observation") if "valueQuantity" in each] == [
        3000
    ]


@pytest.mark.parametrize("grams", ["9999", "0", "x"])
def test_a_birth_weight_that_stands_for_none_is_none(grams):
    assert not mapped(stay(Type="120", BirthWeight=grams)).resources("Observation")


@pytest.mark.hazard("HZ-CDS-12")
@pytest.mark.parametrize(
    ("items", "status"),
    [({}, "active"), ({"Removal": "1", "RemovalDate": "20240320"}, "completed"), ({"Removal": "4", "RemovalDate": "20240320"}, "revoked"), ({"Removal": "7", "RemovalDate": "20240320"}, "unknown"), ({"Removal": "4", "RemovalDate": "20250320"}, "active")],
    ids=str,
)  # fmt: skip
def test_who_waits_is_told_by_the_newest_record_of_the_entry(items, status):
    older = waits(UniqueId="W0", ApplicableDate="20240301")
    result = mapped(waits(UniqueId="W9", **items), older)
    assert result.one("ServiceRequest")["status"] == status


# Whose record it is


WITHHELD = [{"WithheldFlag": "1"}, {"WithheldReason": "03"}, {"WithheldFlag": "Y", "WithheldReason": "99"}]
SECRET = {
    **PERSON, "FullName": "Ann Marsh", "RequestedName": "Annie", "AddressLine1": "1 Test Street", "Address": "1 Test Street",
    "Gp": "G9912345", "Practice": "A99001", "Referrer": "G9912345", "ReferringOrganisation": "A99001", "MaritalStatus": "M",
}  # fmt: skip


@pytest.mark.hazard("HZ-CDS-13")
@pytest.mark.parametrize("items", WITHHELD, ids=str)
@pytest.mark.parametrize("of", [stay, seen, came, waits])
def test_a_record_whose_identity_is_withheld_keeps_nothing_of_it_and_is_restricted(of, items):
    row = of(**{**SECRET, **items, "Diagnosis1": "O049", "SpellNumber": "S77", "Ward1": "W9"})
    kept = f"{row.values} {row.patient} {row.groups} {row.key}"
    assert not [
        word
        for name, word in SECRET.items()
        if word in kept.split("'") and name not in ("Gender", "NumberStatus", "LocalIdOrganisation")
    ]
    assert "9990000018" not in kept and "900001" not in kept and "S77" not in kept
    result = mapped(row, of(UniqueId="other"))
    anonymous = [each for each in result.resources() if "R" in each["meta"].get("security", ())]
    patient = next(each for each in anonymous if each["resourceType"] == "Patient")
    assert patient.keys() == {"resourceType", "id", "meta", "active"}
    about = [each for each in result.resources() if patient["id"] in str(each)]
    assert len(about) > 1 and all("R" in each["meta"]["security"] for each in about), "kept apart, and restricted"


@pytest.mark.hazard("HZ-CDS-13")
def test_an_identity_that_is_withheld_later_is_taken_back():
    rows = [stay(), stay(ApplicableDate="20240402", WithheldReason="03")]
    for order in permutations(rows):
        result = mapped(*order)
        assert result.one("Patient")["meta"]["security"] == ["R"]
        assert all(each["meta"]["security"] == ["R"] for each in result.resources())
        assert "9990000018" not in str(result.kept)


@pytest.mark.hazard("HZ-CDS-13")
def test_a_record_that_is_withheld_is_hidden_even_at_fault():
    row = stay(WithheldReason="01", EpisodeStart="99999999")
    assert SOURCE.hides(Group(row.groups[0], row.publisher, (row,)))
    assert not SOURCE.hides(Group("x", "RZZ", (stay(),)))


@pytest.mark.hazard("HZ-CDS-14")
@pytest.mark.parametrize("status", ["01", "1", "02", "04", "07", "08", "", "99"])
def test_only_status_01_makes_a_verified_number(status):
    number = mapped(stay(NumberStatus=status)).one("Patient")["identifier"][0]
    said = codes_of([{"code": each["valueCodeableConcept"]} for each in number.get("extension", ())])
    assert number["value"] == "9990000018"
    assert said == ([status.zfill(2)] if status not in ("", "99") else [])


@pytest.mark.hazard("HZ-CDS-14")
@pytest.mark.parametrize("number", ["9990000019", "1234567890", "0000000000"])
def test_a_number_that_cannot_be_identifies_nobody(number):
    systems = [each.get("system") for each in mapped(stay(NhsNumber=number)).one("Patient")["identifier"]]
    assert "https://fhir.nhs.uk/Id/nhs-number" not in systems


@pytest.mark.hazard("HZ-CDS-15")
@pytest.mark.parametrize(
    "written",
    ["9990000018", "BRZZ00 9990000018 1", "RZZ9990000018001", "999 000 0018", "A-999-000-0018", "999.000.0018"],
)
@pytest.mark.parametrize("item", ["LocalId", "UniqueId", "SpellNumber"])
def test_no_key_holds_an_nhs_number(item, written):
    row = stay(**{item: written})
    assert "9990000018" not in re.sub(r"[ .-]", "", f"{row.key} {row.patient} {row.groups}")
    other = answer(feed=Feed(namespace=b"another store"), **{**dict(SEEN), "LocalId": "9990000018"})
    again = answer(feed=Feed(namespace=b"one store"), **{**dict(SEEN), "LocalId": "9990000018"})
    assert not isinstance(other, Reject) and not isinstance(again, Reject) and other.patient != again.patient


def test_two_trusts_may_give_one_number():
    result = mapped(stay(), stay(2, UniqueId="E9", LocalIdOrganisation="RYY00", NhsNumber=synthetic(40)))
    assert len(result.resources("Patient")) == 2


def test_a_patient_without_a_local_number_is_of_that_record_alone():
    nobody = dict.fromkeys(("LocalId", "LocalIdOrganisation"), "")
    result = mapped(stay(**nobody), stay(2, UniqueId="E9", **nobody))
    assert len(result.resources("Patient")) == 2


@pytest.mark.parametrize("code", ["C9999998", "N9999998", "X9999998", "G9999998", "R9999981", "CHIEF"])
def test_a_default_code_stands_for_nobody(code):
    result = mapped(stay(Consultant=code, Referrer=code, Gp=code, Practice="V81999", ReferringOrganisation="X99999"))
    assert all("participant" not in each for each in result.resources("Encounter"))
    assert "generalPractitioner" not in result.one("Patient")


@pytest.mark.hazard("HZ-CDS-16")
def test_a_safeguarding_concern_is_restricted_and_what_is_beside_it_is_not():
    result = mapped(came(Safeguarding1="371772001", EcDiagnosis1="22298006"))
    assert result.one("Flag")["meta"]["security"] == ["R"]
    assert "security" not in result.one("Encounter")["meta"]
    row = came(Safeguarding1="371772001")
    assert SOURCE.hides(Group(row.groups[0], "RZZ", (row,)))


# What a later record takes back


@pytest.mark.hazard("HZ-CDS-17")
@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_a_deletion_takes_a_record_back_and_a_later_one_brings_it_again(order):
    rows = [stay(), deleted("BRZZ00E1", "130", "20240501"), stay(ApplicableDate="20240601", Diagnosis1="I10X")]
    assert codes_of(mapped(*(rows[place] for place in order)).resources("Condition")) == ["I10"]
    until = mapped(*(rows[place] for place in order if place != 2))
    assert until.resources() == []


@pytest.mark.hazard("HZ-CDS-17")
@pytest.mark.parametrize("time", ["", "093000"])
def test_a_deletion_of_the_same_second_wins_wherever_it_stands_in_its_file(time):
    """Without a time both count from midnight, and the lines of two files say nothing of which was first."""
    at = {"ApplicableDate": "20240501", "ApplicableTime": time}
    gone = sent(2, **dict.fromkeys(PERSON, ""), Type="130", UniqueId="BRZZ00E1", UpdateType="1", **at)
    for order in permutations([stay(50, **at), gone]):
        assert mapped(*order).resources() == []
    later = stay(1, **{**at, "ApplicableDate": "20240502"})
    assert mapped(gone, later).resources("Encounter")


@pytest.mark.hazard("HZ-CDS-17")
def test_an_older_record_never_replaces_a_newer_one():
    newer, older = stay(ApplicableTime="093001", Diagnosis1="I10X"), stay(Diagnosis1="J189")
    for order in permutations([newer, older]):
        assert codes_of(mapped(*order).resources("Condition")) == ["I10"]


def replaced(*numbers: str, extract: str = "20240402", **items: str):
    """Bulk records of March, and what they replace."""
    found, rows = Replacements(), []
    for number in numbers:
        row = bulk(seen, extract, "20240301", "20240331", UniqueId=number, Attendance=number, **items)
        found.see(row)
        rows.append(row)
    return [*rows, *found.rows()]


def visits(rows):
    return sorted(each["identifier"][0]["value"] for each in mapped(*rows).resources("Encounter"))


@pytest.mark.hazard("HZ-CDS-18")
def test_a_bulk_replacement_takes_back_what_it_lacks_whatever_arrives_first():
    first, second = replaced("K1", "K2"), replaced("K1", "K3", extract="20240502")
    assert visits([*first, *second]) == visits([*second, *first]) == ["K1", "K3"]


@pytest.mark.hazard("HZ-CDS-18")
@pytest.mark.parametrize(
    "items",
    [{"BulkGroup": "150"}, {"Sender": "RYY00"}, {"Recipient": "QYY00"}, {"ActivityDate": "20240228"}, {"ActivityDate": "20240401"}],
    ids=str,
)  # fmt: skip
def test_a_bulk_replacement_leaves_what_it_does_not_speak_of(items):
    rows = [*replaced("K1", **items), *replaced("K2", extract="20240502")]
    assert visits(rows) == ["K1", "K2"]


@pytest.mark.hazard("HZ-CDS-18")
def test_a_record_of_net_change_is_only_deleted_by_name():
    assert visits([seen(Attendance="A1", BulkGroup="060"), *replaced("K2", extract="20240502")]) == ["A1", "K2"]


def test_a_record_asks_for_the_replacements_of_its_own_month_alone():
    """Else each bulk extract would map all that was ever sent in bulk again."""
    row = replaced("K1")[0]
    look = DictLook(SOURCE, keep([row], SOURCE), row.publisher, Feed())
    SOURCE.to_fhir(Group(row.groups[0], row.publisher, (row,)), look)
    assert look.asked == {("RZZ", "Replacement 2024-03", "*")}
    assert {each.table for each in replaced("K1") if each.aside} == {"Replacement 2024-03"}


@pytest.mark.hazard("HZ-CDS-18")
def test_a_bulk_replacement_with_a_reject_takes_nothing_back():
    found = Replacements()
    later = bulk(seen, "20240502", "20240301", "20240331", UniqueId="K2", Attendance="K2")
    found.see(Reject("line 1", "length"))
    found.see(later)
    assert visits([*replaced("K1"), later, *found.rows()]) == ["K1", "K2"]


# What is refused


@pytest.mark.hazard("HZ-CDS-19")
@pytest.mark.parametrize("flag", ["1", "Y", "true"])
def test_a_test_interchange_is_refused(flag):
    assert answer(**SEEN, Test=flag) == Reject("line 1", "a test interchange")


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ({"Type": "999"}, "column Type"),
        ({"Protocol": "030"}, "column Protocol"),
        ({"UpdateType": "2"}, "column UpdateType"),
        ({"UpdateType": ""}, "column UpdateType"),
        ({"ApplicableDate": ""}, "column ApplicableDate"),
        ({"ApplicableDate": "20241301"}, "column ApplicableDate"),
        ({"ApplicableDate": "19991231"}, "column ApplicableDate"),
        ({"ApplicableTime": "250000"}, "column ApplicableTime"),
        ({"UniqueId": ""}, "column UniqueId"),
        ({"Provider": "", "Sender": ""}, "column Provider"),
        ({"Protocol": "020", "BulkGroup": "", "ExtractDate": "20240402"}, "column BulkGroup"),
        ({"Protocol": "020", "BulkGroup": "060", "ExtractDate": "20240402", "ActivityDate": ""}, "column ActivityDate"),
        ({"Protocol": "020", "BulkGroup": "060", "ExtractDate": "20240402"}, "column PeriodStart"),
        ({"Protocol": "020", "BulkGroup": "060", "PeriodStart": "20240331", "PeriodEnd": "20240301"}, "column PeriodEnd"),
        ({"Protocol": "020", "BulkGroup": "060", "PeriodStart": "20200101", "PeriodEnd": "20240331"}, "column PeriodEnd"),
    ],
    ids=str,
)  # fmt: skip
def test_a_record_that_its_protocol_does_not_allow_is_refused_by_its_place(items, reason):
    assert answer(7, **{**SEEN, **items}) == Reject("line 7", reason)


def test_a_bulk_record_without_an_identifier_is_named_by_what_it_tells_of():
    row = bulk(seen, "20240402", "20240301", "20240331", UniqueId="")
    assert row.key == "bulk|900001|A1|"


@pytest.mark.parametrize(
    ("items", "publisher"),
    [({}, "RZZ"), ({"Provider": "RYY01"}, "RYY01"), ({"Provider": "8A123"}, "8A123"), ({"Provider": ""}, "RZZ")],
    ids=str,
)
def test_the_provider_publishes(items, publisher):
    assert seen(**items).publisher == publisher
    said = answer(feed=Feed(settings={"provider": "RXX"}), **{**SEEN, "Provider": ""})
    assert not isinstance(said, Reject) and said.publisher == "RXX"


def test_the_site_of_an_attendance_may_stand_in_the_line_of_ward_stays():
    (there,) = mapped(seen(WardSite1="RZZ01", Clinic="FRAC1")).one("Encounter")["location"]
    assert there["location"]["identifier"]["value"] == "RZZ01|FRAC1"


def test_a_time_that_the_clock_showed_twice_is_tagged():
    result = mapped(seen(AppointmentDate="20231029", AppointmentTime="013000"))
    assert result.one("Encounter")["meta"]["tag"][0]["code"] == "ambiguous-time"


def test_records_of_several_kinds_may_have_one_identifier():
    """They should not, and a slip of one trust must not mix what they make."""
    same = {"UniqueId": "SAME", "Diagnosis1": "I10X", "Procedure1": "W371", "ProcedureDate1": "20240312"}
    result = mapped(stay(**same), seen(**same), came(**same), waits(**same))
    assert len(result.resources("Condition")) == len(result.resources("Procedure")) == 3


def test_a_record_of_nothing_but_its_header_is_kept():
    assert sent(Type="130", UniqueId="E77").key == "E77"
