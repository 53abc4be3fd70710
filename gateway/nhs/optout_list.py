"""Whether a file is a likely list of those who have opted out: the judgement by which a wrong one is stopped.

One person in about eighteen has opted out in England, and the list changes by fractions of a per cent between two loads
(https://digital.nhs.uk/data-and-information/publications/statistical/national-data-opt-out).
"""

from __future__ import annotations

HOLDS = ("opted-out", "kept")
"""What a file of numbers may hold: those who have opted out, or those whom the service's answer keeps."""
ODDS = 3
"""If the people held who are on the list outnumber the others by this many, the file is more likely the service's
answer than the list: at one in eighteen the odds are above 5,000 to one."""
MANY, SHARE = 100, 4
"""Of ``MANY`` people held or more, fewer than one in ``SHARE`` is on a true list."""
FEW_LOST, LOST_SHARE = 2, 50
"""A list may lose ``FEW_LOST`` members, or one in ``LOST_SHARE``. One that loses more, or is less than half as long,
may be cut short or another organisation's."""


def doubts(
    *, held: int, listed: int, before: int, after: int, lost: int, is_older: bool = False, is_known: bool = False
) -> list[str]:
    """The reasons why a list may be wrong; none where it looks right. No reason holds a count.

    ``held`` are the NHS numbers in the store, ``listed`` those of them on the list; ``before`` and ``after`` the
    numbers on the list in force and on the new one, ``lost`` those of the old that the new has not. ``is_older``: its
    own date is before that of the list in force. ``is_known``: the same numbers were loaded for an earlier date.

    >>> doubts(held=20, listed=18, before=0, after=18, lost=0)
    ['most of the people held are on it, so it may be the answer of the service']
    >>> doubts(held=1000, listed=60, before=70, after=72, lost=1)
    []
    """
    is_answer = 2 * listed - held >= ODDS or (held >= MANY and listed * SHARE > held)
    is_cut = (lost > FEW_LOST and lost * LOST_SHARE > before) or 2 * after < before
    reasons = (
        (is_answer, "most of the people held are on it, so it may be the answer of the service"),
        (is_cut, "it lacks many who are on the list in force, so it may be cut short"),
        (is_older, "it is older than the list in force"),
        (is_known, "it is the same as a list of an earlier date"),
    )
    return [reason for is_true, reason in reasons if is_true]
