"""The columns of each table in their order, generated from ``tables.py``: do not edit.

``python -m gateway.store.migrations`` writes this file, and a test compares it with the tables. A process that only
runs plain statements starts without importing SQLModel.
"""

from gateway.store.statements import Columns

ALERT = Columns("alert", ("key", "cause", "ods", "type", "subtype", "rule", "user_id", "name", "role", "request", "state", "at"))  # fmt: skip
ALERT_STEP = Columns("alert_step", ("alert", "number", "state", "by", "note", "at"))
AUDIT = Columns("audit", ("seq", "at", "stream", "event"))
CLAIM = Columns("claim", ("patient", "number", "evidence"))
CLIENT = Columns("client", ("id", "name", "organisation", "publishers", "projects", "scopes", "jwks", "jwks_url", "state", "added", "changed"))  # fmt: skip
CLOCK = Columns("clock", ("id", "commit_seq", "updated", "label_seq"))
DELIVERY = Columns("delivery", ("key", "source", "name", "mapping", "plan", "first", "started", "state", "report"))
DEPENDS = Columns("depends", ("dep", "patient", "grp"))
ENTRY = Columns("entry", ("patient", "param", "value", "head"))
ENTRY_GLOBAL = Columns("entry_global", ("param", "value", "head"))
GATHERED = Columns("gathered", ("job", "bucket", "person", "patient", "name"))
HANDLE = Columns("handle", ("kind", "digest", "family", "issuer", "subject", "body", "used", "until"))
HEAD = Columns("head", ("key", "type", "id", "id_hash", "patient", "grp", "publisher", "kind", "own", "labels", "number", "updated", "commit_seq", "seen_seq", "low", "high", "deleted", "hash", "body"))  # fmt: skip
HISTORY = Columns("history", ("head", "number", "version"))
JOB = Columns("job", ("id", "kind", "owner", "state", "created", "lease", "pins", "outcome"))
KEPT = Columns("kept", ("key", "hash", "grp", "patient", "delivery", "publisher", "ord", "vord", "deleted", "body"))
LABEL = Columns("label", ("patient", "head", "bit", "cause"))
LEDGER = Columns("ledger", ("seq", "at", "entry", "hash"))
MEMBER = Columns("member", ("grp", "kept"))
MISMATCH = Columns("mismatch", ("number", "patient", "why"))
NOTICE = Columns("notice", ("subscription", "version", "head", "event", "message"))
OPTOUT = Columns("optout", ("list", "number"))
OPTOUT_LIST = Columns("optout_list", ("key", "loaded", "as_at", "count", "hash"))
PART = Columns("part", ("job", "number", "state", "outcome"))
PART_MEMBER = Columns("part_member", ("job", "part", "person", "patient", "name"))
PERMISSION = Columns("permission", ("key", "number", "ods", "user_id", "basis", "reason", "at", "until"))
PERSON = Columns("person", ("patient", "person", "grade", "why"))
PREFERENCE = Columns("preference", ("patient", "head", "name", "at"))
PROJECT = Columns("project", ("name", "version", "state", "at", "document"))
PROPOSAL = Columns("proposal", ("model", "patient", "other", "probability", "reasons", "at"))
PUBLISHER = Columns("publisher", ("key", "source", "code", "ods", "name", "kind", "state", "ord", "named", "placed", "received"))  # fmt: skip
QUARANTINE = Columns("quarantine", ("grp", "source", "patient", "delivery", "place", "reason"))
REJECTED = Columns("rejected", ("key", "hash", "source", "feed", "delivery", "at", "name", "place", "reason", "size", "payload"))  # fmt: skip
RULING = Columns("ruling", ("key", "at", "act", "item", "patient", "other", "number", "undoes", "by", "why"))
SEAL = Columns("seal", ("stream", "last", "rows", "hash"))
SECOND_DATE = Columns("second_date", ("head", "param", "low", "high"))
SHARING = Columns("sharing", ("publisher", "agreement", "state", "ord"))
SHOWN = Columns("shown", ("digest", "until", "body"))
SPENT = Columns("spent", ("kind", "digest", "until"))
STORE = Columns("store", ("id", "mode", "namespace", "created"))
SUBSCRIPTION = Columns("subscription", ("id", "issuer", "client", "organisation", "type", "state", "error", "base", "body", "headers", "number", "created", "changed", "until", "cursor", "events", "failures", "due", "lease"))  # fmt: skip
TOUCHED = Columns("touched", ("delivery", "patient", "grp"))
TRACE = Columns("trace", ("key", "patient", "number", "answer", "outcome", "asked", "answered", "restricted", "died", "at", "until"))  # fmt: skip
VERSION = Columns("version", ("key", "head", "number", "updated", "commit_seq", "delivery", "ord", "mapping", "deleted", "body"))  # fmt: skip
WORD = Columns("word", ("param", "word", "head"))
