"""The one door out. Every read is decided, fetched and audited here.

A decision is about one person: who is asked about, the facts, ``nhs.access.decide``, then find within its limits,
audit, answer. Nothing is returned before its audit is on disk.
"""

from gateway.records.choosing import Choice, chosen
from gateway.records.door import (
    Door,
    Found,
    Page,
    check,
    http_date,
    may_read,
    open_door,
    refuse_early,
    require_sets,
    who,
)
from gateway.records.everything import everything
from gateway.records.listing import caseloads, list_id
from gateway.records.membership import count as count_members
from gateway.records.membership import data_moment, label_seq, members, names, stream, today
from gateway.records.nameable import Nameable, count_nameable, nameable, was_held
from gateway.records.notified import Notifiable, notifiable
from gateway.records.own_view import Looked, choices, looked
from gateway.records.person import person, refuse_person_early
from gateway.records.reading import history, read, search, vread
from gateway.store.serving import instant

__all__ = [
    "Choice", "Door", "Found", "Looked", "Nameable", "Notifiable", "Page", "caseloads", "check", "choices", "chosen", "count_members",
    "count_nameable", "data_moment", "everything", "history", "http_date", "instant", "label_seq", "list_id",
    "looked", "may_read", "members", "nameable", "names", "notifiable", "open_door", "person", "read",
    "refuse_early", "refuse_person_early", "require_sets", "search", "stream", "today", "vread", "was_held", "who",
]  # fmt: skip
