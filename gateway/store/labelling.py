"""Labels at rest: bits on the head and their causes beside it. A label covers every version of its resource."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.store import columns
from gateway.store.numbers import TYPE_NUMBER
from gateway.store.session import Session

PATIENT = TYPE_NUMBER["Patient"]


def patients_of_groups(session: Session, groups: Sequence[int]) -> list[tuple[int, str, int]]:
    """(patient, id, deleted) of the Patient resources these groups make."""
    return session.rows(
        f"SELECT patient, id, deleted FROM head WHERE {session.within('grp')} AND type = ?",
        session.listed(groups),
        PATIENT,
    )


def with_labels(session: Session, patients: Sequence[int]) -> list[int]:
    """Return the patients in whose record anything is or was labelled. Only their labels need to be derived again."""
    sql = f"SELECT DISTINCT patient FROM head WHERE {session.within('patient')} AND labels <> 0 ORDER BY patient"
    return [row[0] for row in session.rows(sql, session.listed(sorted(patients)))]


def own_of(session: Session, patient: int) -> dict[int, int]:
    """The items' own label bits by head."""
    return dict(session.rows("SELECT key, own FROM head WHERE patient = ? AND own <> 0", patient))


def set_derived(session: Session, patient: int, head: int, bits: int, causes: dict[int, str]) -> bool:
    """Set all the labels of a resource; say whether they changed. ``causes`` explains the bits it did not carry
    itself."""
    held = session.row("SELECT labels, own FROM head WHERE key = ?", head)
    if held is None:
        raise KeyError("head")
    before, own = held
    after = own | bits
    if before == after:
        return False
    session.run("UPDATE head SET labels = ?, seen_seq = ? WHERE key = ?", after, session.commit_seq, head)
    session.run("DELETE FROM label WHERE patient = ? AND head = ? AND cause LIKE 'derived:%'", patient, head)
    session.ignore(
        "label",
        columns.LABEL.all,
        [(patient, head, bit, f"derived: {cause}") for bit, cause in causes.items() if not own & bit],
    )
    return True


def set_deleted(session: Session, patient: int, bits: int, mask: int) -> bool:
    """Give deleted resources the patient's labels that are in ``mask``, so that a flag that arrives late also hides
    their history."""
    wanted = "((labels & ?) | (own & ?) | ?)"
    sql = f"UPDATE head SET labels = {wanted}, seen_seq = ? WHERE patient = ? AND deleted = 1 AND labels <> {wanted}"
    if not session.run(sql, ~mask, mask, bits, session.commit_seq, patient, ~mask, mask, bits):
        return False
    session.run(
        "DELETE FROM label WHERE patient = ? AND (bit & ?) <> 0 AND cause LIKE 'derived:%' "
        "AND head IN (SELECT key FROM head WHERE patient = ? AND deleted = 1 AND (labels & ?) = 0)",
        patient, mask, patient, mask,
    )  # fmt: skip
    return True


def changed(session: Session) -> None:
    """Record that a label changed in this transaction, so that unreleased parts of exports are cut again."""
    session.run("UPDATE clock SET label_seq = ? WHERE id = 1", session.commit_seq)


def label_seq(session: Session) -> int:
    """The commit of the last change of any label."""
    return session.value("SELECT label_seq FROM clock WHERE id = 1") or 0


def labelled(session: Session, patients: Sequence[int], bits: int) -> set[int]:
    """Those of these patients whose own Patient resource carries one of these labels."""
    sql = f"SELECT patient FROM head WHERE {session.within('patient')} AND type = ? AND (labels & ?) <> 0"
    return {row[0] for row in session.rows(sql, session.listed(sorted(patients)), PATIENT, bits)}
