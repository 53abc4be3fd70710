"""Kept rows: any order of arrival ends in the same rows."""

import itertools
import json

import msgspec
import pytest

from gateway.store import kept, touched
from gateway.store.sent import Body, Sent, encode_body, group_hash, row_hash


def sent(
    order: int,
    text: str = "",
    *,
    key: str = "k1",
    deleted: bool = False,
    bare: bool = False,
    groups: tuple[str, ...] = ("g1",),
) -> Sent:
    values = {"text": text} if text else {}
    return Sent(
        row_hash("s", "p", "t", key), row_hash("s", "p", "t", "*"), "p", 7, tuple(group_hash("s", "p", g) for g in groups),
        order, deleted, encode_body(Body("t", key, "x", groups, values)), bare,
    )  # fmt: skip


def keep(session, delivery: int, rows: list[Sent]):
    return kept.keep(session, delivery, rows, {"p": 1})


def state(session) -> list[tuple]:
    rows = session.rows("SELECT hash, grp, ord, vord, deleted, body FROM kept ORDER BY hash")
    members = session.rows("SELECT m.grp, k.hash FROM member m JOIN kept k ON k.key = m.kept ORDER BY 1, 2")
    return [rows, members]


STATEMENTS = {
    "update": [sent(1, "a"), sent(2, "b"), sent(3, "c")],
    "bare delete": [sent(1, "a"), sent(2, "b"), sent(3, deleted=True, bare=True)],
    "deleted and sent again": [sent(1, "a"), sent(2, deleted=True, bare=True), sent(3, "c")],
    "moved to another group": [sent(1, "a", groups=("g1", "g2")), sent(2, "b", groups=("g1", "g3"))],
    "two at one moment": [sent(1, "a"), sent(1, "b")],
    "delete and value at one moment": [sent(1, "a"), sent(2, "b"), sent(2, deleted=True, bare=True)],
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_any_order_of_arrival_ends_in_the_same_rows(store, name):
    ends = []
    for number, order in enumerate(itertools.permutations(STATEMENTS[name])):
        with store.write() as session:
            for table in ("kept", "member", "touched"):
                session.run(f"DELETE FROM {table}")
            if number % 2:
                keep(session, 1, list(order))
            else:
                for statement in order:
                    keep(session, 1, [statement])
            ends.append(state(session))
    assert all(end == ends[0] for end in ends)


def test_the_same_rows_again_change_and_touch_nothing(store):
    rows = [sent(1, "a"), sent(1, "b", key="k2", groups=("g2", "g1"))]
    with store.write() as session:
        keep(session, 1, rows)
        session.run("DELETE FROM touched")
        counts = keep(session, 2, rows)
        assert counts == {"unchanged": 2}
        assert touched.pairs(session, 2) == []


def test_a_changed_row_touches_its_old_and_new_groups_and_who_asked(store):
    with store.write() as session:
        keep(session, 1, [sent(1, "a", groups=("g1",))])
        touched.depend(session, [(row_hash("s", "p", "t", "k1"), 9, 99), (row_hash("s", "p", "t", "*"), 9, 98)])
        session.run("DELETE FROM touched")
        keep(session, 2, [sent(2, "a", groups=("g2",))])
        groups = {group_hash("s", "p", "g1"), group_hash("s", "p", "g2"), 99, 98}
        assert {group for _, group in touched.pairs(session, 2)} == groups


def test_the_same_row_sent_later_moves_its_order_and_touches_nothing(store):
    with store.write() as session:
        keep(session, 1, [sent(1, "a")])
        touched.depend(session, [(row_hash("s", "p", "t", "k1"), 9, 99)])
        session.run("DELETE FROM touched")
        assert keep(session, 2, [sent(5, "a")]) == {"unchanged": 1}
        assert touched.pairs(session, 2) == []
        assert keep(session, 3, [sent(4, "b")]) == {"older": 1}


def test_rows_are_found_by_every_group_they_belong_to(store):
    with store.write() as session:
        keep(session, 1, [sent(1, "a", groups=("g1", "g2"))])
        first, second = (group_hash("s", "p", g) for g in ("g1", "g2"))
        found = kept.rows_of(session, [first, second])
        assert [len(found[first]), len(found[second])] == [1, 1]


def as_version_0_1_kept(row: Sent, directory: str) -> Sent:
    """The row with a body of version 0.1: it ended with the line, and the directory was a column."""
    table, key, patient, groups, values, line, _ = json.loads(row.body)
    values |= {"_agreement": directory} if directory else {}
    return msgspec.structs.replace(row, body=msgspec.json.encode([table, key, patient, groups, values, line]))


@pytest.mark.parametrize("directory", ["", "d1"])
def test_a_row_that_version_0_1_kept_is_unchanged_when_it_is_sent_again(store, directory):
    body = encode_body(Body("t", "k1", "x", ("g1",), {"text": "a"}, 3, directory))
    row = msgspec.structs.replace(sent(1), body=body)
    changed = msgspec.structs.replace(sent(3), body=body.replace(b'"a"', b'"b"'))
    with store.write() as session:
        keep(session, 1, [as_version_0_1_kept(row, directory)])
        touched.depend(session, [(row.hash, 9, 99)])
        session.run("DELETE FROM touched")
        assert keep(session, 2, [row]) == keep(session, 2, [msgspec.structs.replace(row, order=2)]) == {"unchanged": 1}
        assert touched.pairs(session, 2) == []
        assert keep(session, 2, [changed]) == {"changed": 1}
        assert session.value("SELECT body FROM kept") == changed.body


def test_marks_come_in_patient_order_a_few_at_a_time_and_tell_which_groups_are_marked_twice(store, monkeypatch):
    monkeypatch.setattr(touched, "SORTED_AT_ONCE", 2)
    marks = [(-5, 3), (0, -(2**63)), (0, 8), (7, 3), (7, 2**63 - 1), (9, 3), (9, 8)]
    with store.write() as session:
        touched.touch(session, 1, set(marks))
        touched.touch(session, 2, {(1, 1)})
        assert touched.count(session, 1) == len(marks)
        assert touched.twice(session, 1, len(marks)) == {3: -5, 8: 0}
        pages, after = [], touched.BEFORE_ALL
        while page := touched.pairs(session, 1, after, 3):
            pages, after = [*pages, *page], page[-1]
        assert pages == marks
