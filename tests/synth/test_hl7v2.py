"""The feed: whole messages in order, every event that the gateway must know, and the traps of the fixed people."""

from collections import Counter
from datetime import date

import pytest

from gateway.synth import hl7v2, roles
from gateway.synth.people import people

TODAY = date(2026, 11, 24)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("feed")
    hl7v2.write(people(250, 1, TODAY), place)
    return place


@pytest.fixture(scope="module")
def feed(folder):
    return [message for path in sorted(folder.iterdir()) for message in parsed(path.read_bytes().decode("utf-8"))]


def parsed(text: str) -> list[list[list[str]]]:
    """Return messages as lists of segments as lists of fields; MSH's are shifted by one so that numbers are HL7's."""
    found: list[list[list[str]]] = []
    for line in text.split("\r"):
        fields = line.split("|")
        if fields[0] == "MSH":
            found.append([])
            fields.insert(1, "|")
        if line:
            found[-1].append(fields)
    return found


def event(message) -> str:
    return message[0][9].split("^")[1]


def about(feed, number):
    return [message for message in feed if message[0][10].startswith(f"{number:07d}")]


def segment(message, name):
    return next((fields for fields in message if fields[0] == name), None)


def test_every_event_that_must_be_known_is_sent(feed):
    counts = Counter(event(message) for message in feed)
    assert set(counts) == {"A01", "A02", "A03", "A04", "A08", "A11", "A12", "A13", "A28", "A31", "A40", "R01"}


def test_a_world_of_ten_already_has_every_event(tmp_path):
    hl7v2.write(people(10, 1, TODAY), tmp_path)
    sent = [message for path in tmp_path.iterdir() for message in parsed(path.read_bytes().decode("utf-8"))]
    assert {event(message) for message in sent} == {
        "A01",
        "A02",
        "A03",
        "A04",
        "A08",
        "A11",
        "A12",
        "A13",
        "A28",
        "A31",
        "A40",
        "R01",
    }


def test_who_moved_house_has_another_address_from_that_day_on(feed):
    sent = about(feed, roles.DEMO)
    moved = next(number for number, message in enumerate(sent) if event(message) == "A31")
    before, after = ({segment(message, "PID")[11] for message in part} for part in (sent[:moved], sent[moved:]))
    assert len(before) == len(after) == 1 and before != after


def test_files_end_segments_with_a_carriage_return_only(folder):
    for path in folder.iterdir():
        content = path.read_bytes()
        assert b"\n" not in content and content.startswith(b"MSH|^~\\&|") and content.endswith(b"\r")


def test_a_file_is_in_the_order_of_sending(folder):
    for path in folder.iterdir():
        sent = [message[0][7] for message in parsed(path.read_bytes().decode("utf-8"))]
        assert sent == sorted(sent)


def test_nothing_is_sent_from_the_future(feed):
    assert max(message[0][7] for message in feed) < f"{TODAY:%Y%m%d}"


def test_no_control_id_is_used_twice(feed):
    ids = [message[0][10] for message in feed]
    assert len(set(ids)) == len(ids)


def test_the_sender_is_the_trust_and_the_message_a_test(feed):
    assert {(message[0][4], message[0][11], message[0][12]) for message in feed} == {("RZZ", "T", "2.4")}


def test_a_person_is_made_known_before_anything_is_told_of_them(feed):
    first = {}
    for message in feed:
        first.setdefault(message[0][10][:7], event(message))
    assert set(first.values()) == {"A28"}


def test_a_cancelling_event_carries_the_time_of_what_it_cancels(feed):
    for message in feed:
        evn = segment(message, "EVN")
        if event(message) in ("A11", "A12", "A13"):
            assert evn[6] < evn[2]
            cancelled = {"A11": "A01", "A12": "A02", "A13": "A03"}[event(message)]
            earlier = [m for m in about(feed, int(message[0][10][:7])) if event(m) == cancelled]
            assert evn[6] in {segment(m, "EVN")[6] for m in earlier}
        elif evn:
            assert evn[6] == evn[2]


def test_a_discharge_taken_back_takes_its_fields_back(feed):
    for message in feed:
        if event(message) == "A13":
            pv1 = segment(message, "PV1")
            assert pv1[45] == pv1[36] == pv1[37] == ""


def test_only_a_verified_number_is_sent_as_traced(feed):
    stated = Counter()
    for message in feed:
        pid = segment(message, "PID")
        number = "^^^NHS^NH" in pid[3]
        status = pid[32] if len(pid) > 32 else ""
        assert bool(status) is number
        stated[status] += 1
    assert set(stated) == {"", "NSTS01", "NSTS02"} and stated["NSTS01"] > stated["NSTS02"]


def test_results_come_as_numbers_comparators_codes_and_words(feed):
    kinds = Counter(fields[2] for message in feed for fields in message if fields[0] == "OBX")
    assert set(kinds) == {"NM", "SN", "CE", "TX"}


def test_a_corrected_result_keeps_its_number_and_follows_the_wrong_one(feed):
    reports = {}
    for message in feed:
        obr = segment(message, "OBR")
        if obr:
            reports.setdefault(obr[3], []).append((obr[22], obr[25], segment(message, "OBX")[5]))
    corrected = [sent for sent in reports.values() if sent[-1][1] == "C"]
    assert corrected
    for sent in corrected:
        assert (
            [status for _, status, _ in sent] == ["F", "C"]
            and sent[0][0] < sent[1][0]
            and float(sent[0][2]) > 6 > float(sent[1][2])
        )
    assert [sent for sent in reports.values() if [status for _, status, _ in sent] == ["P", "F"]]


def test_the_merge_names_both_numbers_and_the_dead_one_speaks_again(feed):
    sent = about(feed, roles.MERGED)
    place = next(number for number, message in enumerate(sent) if event(message) == "A40")
    merge = sent[place]
    survivor, prior = "H0000005", segment(merge, "MRG")[1].split("^")[0]
    assert survivor in segment(merge, "PID")[3] and prior not in segment(merge, "PID")[3] and prior == "H9000005"
    assert [event(message) for message in sent[:place]].count("A28") == 2
    assert any(prior in segment(message, "PID")[3] for message in sent[:place] if event(message) == "A04")
    after = [message for message in sent[place + 1 :] if prior in segment(message, "PID")[3]]
    assert [event(message) for message in after] == ["A08"]


def test_the_twin_is_sent_with_his_sisters_number_untraced(feed):
    sister = segment(about(feed, roles.TWIN_SIBLING)[0], "PID")
    for message in about(feed, roles.TWIN):
        pid = segment(message, "PID")
        assert pid[3].split("^")[0] == sister[3].split("^")[0] and pid[32] == "NSTS02" and pid[8] != sister[8]


def test_a_death_is_told_once_it_is_known(feed):
    for person in people(250, 1, TODAY):
        if person.death and person.hospital:
            sent = about(feed, person.number)
            dead = [segment(message, "PID")[30:31] == ["Y"] for message in sent]
            assert dead == [False] * (len(sent) - 1) + [True] and event(sent[-1]) == "A31"


def test_separators_in_words_are_escaped():
    assert hl7v2.escape("a|b^c~d&e\\f") == "a\\F\\b\\S\\c\\R\\d\\T\\e\\E\\f"


def test_no_report_goes_to_a_visit_that_had_not_begun(feed):
    for person in people(250, 1, TODAY):
        starts = {visit.key: visit.moves[0].at for visit in person.story.visits}
        assert all(report.taken >= starts[report.visit] for report in person.story.reports if report.visit)
