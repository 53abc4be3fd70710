"""Which labels keep a resource, and which keep a whole person, out of an export."""

from __future__ import annotations

from gateway.nhs import labels

KEEPS_OUT = labels.HIDDEN_ALWAYS
"""A Patient with one of these labels excludes everyone who shares a number with them."""
ON_REQUEST = labels.SENSITIVE | labels.LINKED | labels.SERVICE
"""Labels that a project may exclude, in addition to those that are never released."""


def hidden(exclude_sensitive: bool) -> int:
    """The label bits that keep a resource out of a project's export.

    >>> hidden(True) & labels.SENSITIVE > 0, hidden(False) & labels.SENSITIVE
    (True, 0)
    """
    return labels.NEVER_RELEASED | (ON_REQUEST if exclude_sensitive else 0)
