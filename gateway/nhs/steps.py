"""The ten steps of an access decision as a reader is told of them, read from the trace that each decision leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

STEPS = (
    "Who asks?",
    "Does the role, with its activity, allow the act?",
    "For which organisation, and do the scopes cover it?",
    "What did the caller's own organisation record?",
    "Is there a relationship, and permission to view?",
    "What is the patient's status?",
    "Which choices of the patient stand?",
    "Which sections does the role open?",
    "Which items are sensitive?",
    "Was it written into the audit?",
)
"""THE TABLE of the steps, in the order in which they are asked; the first that fails refuses."""
PASSED, REFUSED, NOT_REACHED, NOT_ASKED = "passed", "refused", "not reached", "not asked"
_REFUSED = ": refused, "


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one decision: its outcome, and the rules that fired in it, in words that hold no value."""

    number: int
    question: str
    outcome: str
    rules: tuple[str, ...]

    def plain(self) -> dict[str, object]:
        """The step as JSON tells it."""
        return {"step": self.number, "question": self.question, "outcome": self.outcome, "rules": list(self.rules)}


def steps(trace: Sequence[str], *, is_audited: bool) -> list[Step]:
    """The ten steps of a decision's trace. A step that nothing is said of was not asked for this act, or where one
    before it refused, not reached.

    >>> trace = ["0 authenticate: Nurse", "1 activity: none: refused, role"]
    >>> [step.outcome for step in steps(trace, is_audited=True)][:3]
    ['passed', 'refused', 'not reached']
    """
    said: dict[int, list[str]] = {}
    for number, words in _read(trace):
        said.setdefault(number, []).append(words)
    refusing = min((number for number, rules in said.items() if any(_REFUSED in rule for rule in rules)), default=None)
    ten = [
        Step(number, question, _outcome(number, number in said, refusing), tuple(said.get(number, ())))
        for number, question in enumerate(STEPS[:-1])
    ]
    words = (
        "the event is on disk before the answer leaves" if is_audited else "asked as a rehearsal: nobody was answered"
    )
    return [*ten, Step(9, STEPS[-1], PASSED if is_audited else NOT_ASKED, (words,))]


def _read(trace: Sequence[str]) -> Iterator[tuple[int, str]]:
    """(step, words) of each line; one without a number is of the step before it."""
    number = 0
    for line in trace:
        digit, _, words = line.partition(" ")
        if digit.isdigit() and int(digit) < len(STEPS):
            number, line = int(digit), words
        yield number, line


def _outcome(number: int, is_said: bool, refusing: int | None) -> str:
    if refusing is None or number < refusing:
        return PASSED if is_said else NOT_ASKED
    return REFUSED if number == refusing else NOT_REACHED
