"""Documents (MDM): one DocumentReference each, whatever replaced or cancelled it, and in any order of arrival."""

import base64
import itertools

import pytest

from mappings import Feed, Group
from mappings.hl7v2 import SOURCE
from mappings.hl7v2.reader import row
from tests.mappings.harness_hl7v2 import DEAD, PID, DictLook, map_rows, map_sent, map_text, one, visit

PDF = base64.b64encode(b"%PDF-1.4 a letter %%EOF").decode()
CUT = base64.b64encode(b"%PDF-1.4 half a letter").decode()
TEXT = ("OBX|1|TX|L^Clinic letter||Seen today.||||||F", "OBX|2|TX|L^Clinic letter||Well.||||||F")
FILE = (f"OBX|1|ED|L^Clinic letter||^application^pdf^Base64^{PDF}||||||F",)


def mdm(event: str, time: str, *obx: str, number: str = "D1^EPR", parent: str = "", pid: str = PID, **txa: str) -> str:
    """A message of a document; further fields of TXA by number (``f17="AU"``)."""
    fields = {2: "DS", 4: "20250601090000", 9: "C1234567^Marsh^Sarah", 12: number, 13: parent, 17: "AU", 19: "AV"}
    fields |= {int(name[1:]): value for name, value in txa.items()}
    return "\r".join([
        f"MSH|^~\\&|EPR|RXX|TIE|RXX|{time}||MDM^{event}|{event}-{time}|T|2.4",
        f"EVN|{event}|{time}", pid, visit(), "TXA|1|" + "|".join(fields.get(n, "") for n in range(2, 26)), *obx,
    ])  # fmt: skip


def letters(*messages: str) -> dict[str, dict]:
    """What messages make, by document number: the same in every order of arrival."""
    answers = []
    for arrived in itertools.permutations(messages):
        made = [each for each in map_sent(*arrived) if each["resourceType"] == "DocumentReference"]
        answers.append(made)
    assert all(answer == answers[0] for answer in answers)
    return {each["identifier"][0]["value"]: each for each in answers[0]}


def words(letter: dict) -> list[str]:
    held = [content["attachment"] for content in letter["content"]]
    return [base64.b64decode(each["data"]).decode() for each in held if "data" in each]


def test_a_letter_in_text_is_whole_and_says_who_wrote_it_when_and_of_which_visit():
    made = map_text(
        mdm("T02", "20250601120000", *TEXT, "NTE|1||Copy to GP", f25="Discharge letter", f22="C7654321^Poe^Ann")
    )
    letter, encounter = one(made, "DocumentReference"), one(made, "Patient")
    assert words(letter) == ["Clinic letter: Seen today.\nWell.\n\nComment: Copy to GP"]
    assert letter["status"] == "current" and letter["docStatus"] == "final"
    assert letter["type"]["coding"][0]["code"] == "DS" and letter["description"] == "Discharge letter"
    assert letter["author"][0]["display"] == "Sarah Marsh" and letter["authenticator"]["display"] == "Ann Poe"
    assert letter["date"] == "2025-06-01T09:00:00+01:00"
    assert letter["context"]["encounter"] and letter["subject"]["reference"].endswith(encounter["id"])


STATUSES = [
    ({}, "current", "final", None),
    ({"f17": "LA"}, "current", "final", None),
    ({"f17": "DI"}, "current", "preliminary", None),
    ({"f17": "IN"}, "current", "preliminary", None),
    ({"f17": ""}, "current", None, None),
    ({"f17": "ZZ"}, "current", None, None),
    ({"f18": "U"}, "current", "final", None),
    ({"f18": "R"}, "current", "final", ["R"]),
    ({"f18": "V"}, "current", "final", ["V"]),
    ({"f18": "SECRET"}, "current", "final", ["R"]),
    ({"f19": "UN"}, "current", "final", ["R"]),
    ({"f19": "OB"}, "superseded", "final", None),
    ({"f19": "CA"}, "entered-in-error", None, None),
    ({"f19": ""}, "current", "final", None),
]


@pytest.mark.hazard("HZ-HL7V2-79")
@pytest.mark.parametrize("txa, status, completion, security", STATUSES)
def test_completion_confidentiality_and_availability(txa, status, completion, security):
    letter = letters(mdm("T02", "20250601120000", *FILE, **txa))["D1"]
    assert (letter["status"], letter.get("docStatus"), letter["meta"].get("security")) == (status, completion, security)
    assert bool(words(letter)) == (status != "entered-in-error")
    if completion != "final":
        assert "authenticator" not in letter, "nobody has signed it"


@pytest.mark.hazard("HZ-HL7V2-80")
def test_a_cancelled_document_keeps_no_content_and_comes_back_only_when_sent_again():
    sent, gone = mdm("T02", "20250601120000", *FILE), mdm("T11", "20250601130000")
    letter = letters(sent, gone)["D1"]
    assert letter["status"] == "entered-in-error" and not words(letter) and "docStatus" not in letter
    again = letters(sent, gone, mdm("T02", "20250601140000", *FILE))["D1"]
    assert again["status"] == "current" and "was cancelled before" in again["description"]
    assert not letters(gone), "nothing is known of it"


@pytest.mark.hazard("HZ-HL7V2-80")
@pytest.mark.parametrize("event", [f"T{n:02}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)])
def test_a_notice_of_its_status_does_not_bring_a_cancelled_document_back(event):
    sent, gone = mdm("T02", "20250601120000", *FILE), mdm("T11", "20250601130000")
    letter = letters(sent, gone, mdm(event, "20250601140000", *FILE))["D1"]
    assert letter["status"] == ("entered-in-error" if event == "T03" else "current")
    assert bool(words(letter)) == ("was cancelled before" in letter.get("description", "")) == (event != "T03")


@pytest.mark.hazard("HZ-HL7V2-80")
@pytest.mark.parametrize("event", ["T09", "T10", "T08"])
def test_a_replaced_document_is_superseded_and_says_so(event):
    made = letters(
        mdm("T02", "20250601120000", *FILE),
        mdm(event, "20250601130000", *TEXT, number="D2^EPR", parent="D1^EPR"),
        mdm("T04", "20250601140000", *FILE),
    )
    assert made["D1"]["status"] == "superseded" and "Replaced by another document" in made["D1"]["description"]
    assert words(made["D1"]), "what was acted on can be read still"
    assert made["D2"]["relatesTo"][0]["code"] == "replaces"
    assert made["D2"]["relatesTo"][0]["target"]["reference"].endswith(made["D1"]["id"])


FIRST = mdm("T02", "20250601120000", *FILE)
SECOND = mdm("T10", "20250601130000", *TEXT, number="D2^EPR", parent="D1^EPR")
CHAINS = [
    ((mdm("T11", "20250601140000", number="D2^EPR"),), {"D1": "current", "D2": "entered-in-error"}),
    ((mdm("T11", "20250601140000", number="D2^EPR", parent="D1^EPR"),), {"D1": "current", "D2": "entered-in-error"}),
    ((mdm("T03", "20250601140000", number="D2^EPR", f19="CA"),), {"D1": "current", "D2": "entered-in-error"}),
    ((mdm("T03", "20250601140000", number="D2^EPR"),), {"D1": "superseded", "D2": "current"}),
    (
        (mdm("T11", "20250601140000", number="D2^EPR"), mdm("T02", "20250601150000", *TEXT, number="D2^EPR")),
        {"D1": "superseded", "D2": "current"},
    ),
    (
        (mdm("T11", "20250601140000", number="D2^EPR"), mdm("T03", "20250601150000", *TEXT, number="D2^EPR")),
        {"D1": "current", "D2": "entered-in-error"},
    ),
    (
        (
            mdm("T10", "20250601140000", *TEXT, number="D3^EPR", parent="D2^EPR"),
            mdm("T11", "20250601150000", number="D2^EPR"),
        ),
        {"D1": "superseded", "D2": "entered-in-error", "D3": "current"},
    ),
    (
        (mdm("T10", "20250601140000", *TEXT, number="D1^EPR", parent="D2^EPR"),),
        {"D1": "superseded", "D2": "superseded"},
    ),
]


@pytest.mark.hazard("HZ-HL7V2-80")
@pytest.mark.parametrize("later, statuses", CHAINS)
def test_a_letter_is_current_again_when_what_replaced_it_is_cancelled(later, statuses):
    made = letters(FIRST, SECOND, *later)
    assert {number: letter["status"] for number, letter in made.items()} == statuses
    is_back = statuses["D1"] == "current"
    assert ("was cancelled itself" in made["D1"].get("description", "")) == is_back and words(made["D1"])


def test_an_addendum_is_a_document_of_its_own_and_under_the_same_number_it_comes_behind():
    sent = mdm("T02", "20250601120000", *TEXT)
    made = letters(sent, mdm("T06", "20250601130000", "OBX|1|TX|L^x||More.", number="D2", parent="D1"))
    assert made["D1"]["status"] == "current" and made["D2"]["relatesTo"][0]["code"] == "appends"
    assert made["D2"]["relatesTo"][0]["target"]["reference"].endswith(made["D1"]["id"]) is False, "another namespace"
    behind = letters(sent, mdm("T06", "20250601130000", "OBX|1|TX|L^Clinic letter||More."))["D1"]
    assert words(behind) == ["Seen today.\nWell.\n\nMore."] and behind["docStatus"] == "amended"


@pytest.mark.hazard("HZ-HL7V2-80")
def test_an_edit_takes_the_place_of_what_was_sent_and_is_amended_after_it_was_final():
    edited = letters(mdm("T02", "20250601120000", *FILE), mdm("T08", "20250601130000", *TEXT, f21="Wrong dose"))["D1"]
    assert words(edited) == ["Seen today.\nWell."] and edited["docStatus"] == "amended"
    assert "Edited after it was final" in edited["description"] and "Wrong dose" in edited["description"]
    assert words(letters(mdm("T02", "20250601120000", *FILE), mdm("T03", "20250601130000"))["D1"]) == [
        "%PDF-1.4 a letter %%EOF"
    ], "a change of status takes no content away"


@pytest.mark.hazard("HZ-HL7V2-81")
@pytest.mark.parametrize("obx, told", [
    ((f"OBX|1|ED|L^x||^application^pdf^Base64^{CUT}||||||F",), "is not whole"),
    (("OBX|1|ED|L^x||^application^pdf^Base64^||||||F",), "announced without its content"),
    ((), "announced without its content"),
    (("OBX|1|TX|L^x||Wrong patient||||||W",), "withdrawn by its sender"),
])  # fmt: skip
def test_what_is_not_whole_or_withdrawn_is_not_shown_and_the_letter_says_so(obx, told):
    letter = letters(mdm("T02", "20250601120000", *obx))["D1"]
    assert not words(letter) and told in letter["description"]


def test_values_in_a_letter_stay_its_words():
    obx = (
        "OBX|1|NM|K^Potassium||5.1|mmol/L|3.5-5.0|H|||F",
        "OBX|2|CE|C^Cause||A1^Renal^L||||||F",
        "OBX|3|RP|I^Image||img/7^PACS||||||F",
    )
    made = map_text(mdm("T02", "20250601120000", *obx))
    (text,) = words(one(made, "DocumentReference"))
    assert text == "Potassium: 5.1 mmol/L (range 3.5-5.0; H)\n\nCause: Renal\n\nImage: img/7 PACS"
    assert "Observation" not in {each["resourceType"] for each in made}, "a letter is no result"


def test_a_document_without_a_number_is_one_by_its_patient_type_and_times():
    first = mdm("T02", "20250601120000", *TEXT, number="")
    edit = mdm("T08", "20250601130000", *FILE, number="")
    other = mdm("T02", "20250601120000", *TEXT, number="", f4="20250602")
    made = [each for each in map_text(first, edit, other) if each["resourceType"] == "DocumentReference"]
    assert len(made) == 2 and all("identifier" not in each for each in made)


@pytest.mark.hazard("HZ-HL7V2-82")
def test_one_document_number_of_two_people_is_two_documents():
    other = "PID|1||H9^^^RXX^MR||Quill^Bo||19500101|1"
    made = map_text(mdm("T02", "20250601120000", *TEXT), mdm("T02", "20250601130000", *FILE, pid=other))
    found = [each for each in made if each["resourceType"] == "DocumentReference"]
    assert len({each["subject"]["reference"] for each in found}) == len(found) == 2


@pytest.mark.hazard("HZ-HL7V2-82")
@pytest.mark.parametrize("event, status", [("T11", "entered-in-error"), ("T10", "superseded")])
def test_a_document_of_the_wrong_patient_that_is_taken_back_under_the_right_one_goes(event, status):
    other = "PID|1||H9^^^RXX^MR||Quill^Bo||19500101|1"
    new = {"number": "D2^EPR", "parent": "D1^EPR"} if event == "T10" else {}
    feed, warnings = Feed(), []
    sent = [mdm("T02", "20250601120000", *TEXT, pid=other), mdm(event, "20250601130000", *TEXT, **new)]
    made = map_rows([row(message.encode(), feed) for message in sent], feed, warnings)
    old = next(
        each for each in made if each["resourceType"] == "DocumentReference" and each["identifier"][0]["value"] == "D1"
    )
    assert (
        old["status"] == status
        and ("TXA-12", "a cancellation or replacement sent under another patient, taken for the document it names")
        in warnings
    )


@pytest.mark.hazard("HZ-HL7V2-82")
def test_a_cancellation_that_may_be_of_two_peoples_documents_has_both_say_so():
    people = [f"PID|1||H{n}^^^RXX^MR||Quill^{name}||19500101|1" for n, name in ((7, "Bo"), (8, "Cy"))]
    sent = [mdm("T02", "20250601120000", *TEXT, pid=pid) for pid in people]
    made = map_text(*sent, mdm("T11", "20250601130000"))
    found = [each for each in made if each["resourceType"] == "DocumentReference"]
    assert len(found) == 2 and all("Ask the sender" in each["description"] for each in found)


def test_a_group_at_fault_still_hides_and_withdraws():
    feed = Feed()
    sent = [
        row(mdm("T02", "20250601120000", *FILE, f18="V").encode(), feed),
        row(mdm("T11", "20250601130000").encode(), feed),
    ]
    group = Group("doc:EPR|D1", "RXX", tuple(sent))
    (gone,) = SOURCE.withdrawn(group, DictLook("RXX", feed))
    (whole,) = SOURCE.to_fhir(group, DictLook("RXX", feed))
    assert SOURCE.hides(group) and gone["status"] == "entered-in-error" and gone["id"] == whole["id"]
    assert not SOURCE.hides(Group("pat:RXX|H1", "RXX", tuple(sent))), "it says nothing of the patient"


def test_a_document_under_a_retired_number_is_the_same_document():
    old = DEAD.replace("H2", "H3")
    merge = "\r".join(
        ["MSH|^~\\&|PAS|RXX|TIE|RXX|20250602||ADT^A40|m|T|2.4", "EVN|A40|20250602", PID, "MRG|H3^^^RXX^MR"]
    )
    made = map_sent(mdm("T02", "20250601120000", *FILE, pid=old), merge, mdm("T11", "20250603"))
    (letter,) = [each for each in made if each["resourceType"] == "DocumentReference"]
    assert letter["status"] == "entered-in-error"
