"""Withdrawals that overtake their result, or are sent under another person than the result."""

import itertools
import time

import pytest

from mappings import Feed, Group
from mappings.hl7v2 import SOURCE
from mappings.hl7v2.reader import rows
from mappings.hl7v2.strays import DOUBTED, FOLLOWED, MOST
from tests.mappings.harness_hl7v2 import DictLook, adt, map_rows, map_text, oru
from tests.mappings.test_hl7v2_hides import AT, sent_as
from tests.mappings.test_hl7v2_sameness import OTHER, nm, values

NEITHER = "PID|1||H8^^^RXX^MR||Reed^Kay||19610101|2"
ANN, ED = "H1", "H7"
MOVED = "a withdrawal sent under another patient, taken for the result that it names"
MAYBE = "a withdrawal or correction that may be of another patient's result"
NOTHING = "a withdrawal that meets no result"


def shown(*texts: str) -> dict[str, list[str]]:
    """Return the results of each hospital number, which must be the same in any order of the messages."""
    answers = []
    for order in itertools.permutations(texts):
        made = map_rows([row for text in order for row in rows(text.encode(), Feed())], Feed())
        numbers = {f"Patient/{each['id']}": number(each) for each in made if each["resourceType"] == "Patient"}
        answer: dict[str, list[str]] = {}
        for each in made:
            if each["resourceType"] == "Observation":
                value = each.get("valueQuantity", {}).get("value", "")
                answer.setdefault(numbers[each["subject"]["reference"]], []).append(f"{each['status']} {value}".strip())
        answers.append({name: sorted(results) for name, results in answer.items()})
    assert all(answer == answers[0] for answer in answers)
    return answers[0]


def number(patient: dict) -> str:
    return next(each["value"] for each in patient["identifier"] if each["value"].startswith("H"))


def warned(*texts: str) -> list[str]:
    sent = [row for text in texts for row in rows(text.encode(), Feed()) if row.table == "ORU"]
    look = DictLook("RXX", Feed())
    SOURCE.to_fhir(Group(sent[0].groups[0], "RXX", tuple(sent)), look)
    return [reason for place, reason in look.warnings if place == "OBX-11"]


FIRST = oru(AT[0], nm("7.9"))
WITHDRAWN = oru(AT[1], nm("7.9", "W"), pid=OTHER)


@pytest.mark.hazard("HZ-HL7V2-42")
@pytest.mark.parametrize(
    ("texts", "expected", "reasons"),
    [
        ([FIRST, WITHDRAWN], {ANN: ["entered-in-error"]}, [MOVED]),
        ([FIRST, WITHDRAWN, oru(AT[2], nm("7.9"), pid=OTHER)], {ANN: ["entered-in-error"], ED: ["final 7.9"]}, [MOVED]),
        ([FIRST, oru(AT[1], nm("", "D"), pid=OTHER)], {ANN: ["entered-in-error"]}, [MOVED]),
        ([FIRST, oru(AT[1], pid=OTHER, status="W")], {ANN: ["entered-in-error"]}, [MOVED]),
        ([FIRST, oru(AT[1], nm("7.9", "W"), nm("140", code="NA"), pid=OTHER)], {ANN: ["entered-in-error"], ED: ["final 140"]}, [MOVED]),
        (
            [oru(AT[0], nm("7.9"), nm("140", code="NA")), oru(AT[1], nm("7.9", "W"), nm("140", "W", code="NA"), pid=OTHER)],
            {ANN: ["entered-in-error", "entered-in-error"]},
            [MOVED, MOVED],
        ),
        # sent before the result, of another value, test or order: nobody's result is taken back
        ([oru(AT[2], nm("7.9")), WITHDRAWN], {ANN: ["final 7.9"], ED: ["entered-in-error"]}, [MAYBE]),
        ([FIRST, oru(AT[1], nm("5.5", "W"), pid=OTHER)], {ANN: ["final 7.9"], ED: ["entered-in-error"]}, [MAYBE]),
        ([FIRST, oru(AT[1], nm("7.9", "W", code="NA"), pid=OTHER)], {ANN: ["final 7.9"], ED: ["entered-in-error"]}, [NOTHING]),
        # a result of its own, and its repetition, is taken back there alone
        ([FIRST, oru(AT[0], nm("7.9"), pid=OTHER), WITHDRAWN], {ANN: ["final 7.9"], ED: ["entered-in-error"]}, []),
        (
            [FIRST, oru(AT[1], nm("7.9", "W")), sent_as(oru(AT[1], nm("7.9", "W")), "again"), oru(AT[2], nm("7.9"), pid=OTHER)],
            {ANN: ["entered-in-error"], ED: ["final 7.9"]},
            [],
        ),
        # of two people's results nobody says which
        (
            [FIRST, oru(AT[0], nm("7.9"), pid=NEITHER), WITHDRAWN],
            {ANN: ["final 7.9"], "H8": ["final 7.9"], ED: ["entered-in-error"]},
            [MAYBE],
        ),
        ([FIRST, oru(AT[1], nm("4.1", "C"), pid=OTHER)], {ANN: ["final 7.9"], ED: ["corrected 4.1"]}, [MAYBE]),
    ],
)  # fmt: skip
def test_a_withdrawal_sent_under_another_patient_reaches_the_one_result_that_it_names(texts, expected, reasons):
    assert shown(*texts) == expected
    assert warned(*texts) == reasons


@pytest.mark.hazard("HZ-HL7V2-42")
def test_a_result_that_may_have_been_withdrawn_under_another_patient_says_so():
    def notes(*texts: str) -> list[str]:
        made = [each for each in map_text(*texts) if each["resourceType"] == "Observation"]
        return [note["text"] for each in made for note in each.get("note", ())]

    assert notes(FIRST, oru(AT[1], nm("5.5", "W"), pid=OTHER)) == [DOUBTED]
    assert notes(FIRST, oru(AT[1], nm("4.1", "C"), pid=OTHER)) == [DOUBTED]
    assert notes(FIRST, WITHDRAWN) == [FOLLOWED]


@pytest.mark.hazard("HZ-HL7V2-42")
@pytest.mark.parametrize(
    ("merge", "expected"),
    [
        (adt("A40", AT[3], "PID|1||H9^^^RXX^MR||Marsh^Ann||19700203|2", "MRG|H1^^^RXX^MR"), {ANN: ["entered-in-error"]}),
        (adt("A40", AT[3], OTHER, "MRG|H1^^^RXX^MR"), {ED: ["entered-in-error"]}),
        (adt("A40", AT[3], "PID|1||H9^^^RXX^MR||Stone^Ed||19500101|1", "MRG|H7^^^RXX^MR"), {ANN: ["entered-in-error"]}),
    ],
)  # fmt: skip
def test_a_merge_in_between_changes_nothing_of_it(merge, expected):
    assert shown(FIRST, WITHDRAWN, merge) == expected


def order(issued: str, *segments: str, **kw) -> str:
    return oru(issued, *segments, **kw)


def crowd(number: int, kind: str) -> Group:
    """A result and a withdrawal sent under each of many people, all of one order number."""
    sent = []
    for place in range(number):
        pid = f"PID|1||H{place}^^^RXX^MR||Reed{place}^Kay||19{place % 90 + 10}0203|2"
        withdrawal = {
            "one value": oru(AT[1], nm("7.9", "W"), pid=pid),
            "own values": oru(AT[1], nm(f"{place}.5", "W"), pid=pid),
            "the next one's": oru(AT[1], nm(f"{place + 1}.5", "W", code=f"T{(place + 1) % number}"), pid=pid),
            "orders": oru(AT[1], status="W", pid=pid),
        }[kind]
        result = oru(AT[0], nm(f"{place}.5", code=f"T{place}"), pid=pid, code=f"S{place}")
        sent += [row for text in (result, withdrawal) for row in rows(text.encode(), Feed()) if row.table == "ORU"]
    return Group(sent[0].groups[0], "RXX", tuple(sent))


@pytest.mark.hazard("HZ-HL7V2-53")
@pytest.mark.parametrize("kind", ["one value", "own values", "the next one's", "orders"])
def test_withdrawals_of_many_people_under_one_order_number_hold_nothing_up(kind):
    def seconds(group: Group) -> float:
        begun = time.process_time()
        assert SOURCE.to_fhir(group, DictLook("RXX", Feed()))
        return time.process_time() - begun

    few, many = crowd(100, kind), crowd(400, kind)
    assert min(seconds(many) for _ in range(2)) < 6 * min(seconds(few) for _ in range(3)) + 0.1


@pytest.mark.hazard("HZ-HL7V2-53")
@pytest.mark.parametrize("number", [2, MOST + 1, MOST + 2])
def test_a_withdrawal_that_may_be_of_any_of_many_people_leaves_each_result_doubted(number):
    sent = [
        oru(AT[0], nm("7.9"), pid=f"PID|1||P{place}^^^RXX^MR||Reed{place}^Kay||19610101|2") for place in range(number)
    ]
    made = map_text(*sent, WITHDRAWN)
    standing = [each for each in made if each["resourceType"] == "Observation" and each["status"] == "final"]
    assert len(standing) == number
    assert all(DOUBTED in [note["text"] for note in each["note"]] for each in standing)
    assert warned(*sent, WITHDRAWN) == [MAYBE]


WITHOUT_NAME = {"code": "", "status": "W"}


@pytest.mark.hazard("HZ-HL7V2-43")
@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([FIRST, order(AT[1], status="W")], ["entered-in-error"]),
        ([sent_as(oru(AT[1], nm("7.9"))), sent_as(order(AT[0], status="W"), at=AT[2])], ["entered-in-error"]),
        ([sent_as(oru(AT[1], nm("7.9"))), sent_as(order(AT[0], **WITHOUT_NAME), at=AT[2])], ["entered-in-error"]),
        ([oru(AT[1], nm("7.9")), sent_as(order(AT[0], status="W"), at="2026132", issued=False)], ["entered-in-error"]),
        (
            [oru(AT[1], nm("7.9")), oru(AT[2], nm("4.1")), sent_as(order(AT[0], status="D"), at="2026132", issued=False)],
            ["final 4.1"],
        ),
        ([sent_as(oru(AT[1], nm("7.9", "P"))), sent_as(order(AT[0], status="X"), at=AT[2])], ["cancelled"]),
        ([sent_as(oru(AT[1], nm("7.9"))), sent_as(order(AT[0], status="X"), at=AT[2])], ["final 7.9"]),
        ([oru(AT[1], nm("7.9"), code="CRP"), sent_as(order(AT[0], status="W"), at=AT[2])], ["final 7.9"]),
        # a result that was sent after a withdrawal which met nothing stands, and is not plainly final
        ([order(AT[0], status="W"), oru(AT[1], nm("7.9"))], ["amended 7.9"]),
        ([FIRST, order(AT[1], status="W"), oru(AT[2], nm("4.1"))], ["final 4.1"]),
    ],
)  # fmt: skip
def test_a_whole_order_that_is_withdrawn_takes_what_comes_after_it_by_its_time_of_issue(texts, expected):
    assert values(*texts) == expected
