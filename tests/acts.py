"""THE TABLE of acts: what each command and each route writes into the audit, or why it writes nothing.

A test runs each of them and compares (tests/commands/test_commands.py, tests/api/test_routes.py). A new one without a
row fails.
"""

READS_NOBODY = "it shows no data of patients and changes nothing"
NO_STORE = "it opens no store"

COMMANDS: dict[str, tuple[str, ...] | str] = {
    "init": ("init",),
    "load": ("load",),
    "remap": ("remap",),
    "quarantine list": READS_NOBODY,
    "quarantine replay": ("replay",),
    "rejects list": ("reject.list",),
    "rejects show": ("reject.show",),
    "rejects replay": ("load",),
    "rejects drop": ("reject.drop",),
    "rejects purge": ("reject.purge",),
    "mismatches": ("mismatch.list",),
    "identity review": ("identity.review",),
    "identity confirm": ("identity.confirm",),
    "identity separate": ("identity.separate",),
    "identity join": ("identity.join",),
    "identity undo": ("identity.undo",),
    "identity history": READS_NOBODY,
    "identity trace": ("identity.query", "identity.trace"),
    "identity propose": ("identity.propose",),
    "validate": NO_STORE,
    "explain": NO_STORE,
    "token": ("token",),
    "optout load": ("optout.load",),
    "optout status": READS_NOBODY,
    "client add": ("client.add",),
    "client key": ("client.key",),
    "client disable": ("client.disable",),
    "client enable": ("client.enable",),
    "client list": READS_NOBODY,
    "project add": ("project.add",),
    "project approve": ("project.approve",),
    "project suspend": ("project.suspended",),
    "project resume": ("project.active",),
    "project expire": ("project.expired",),
    "project list": READS_NOBODY,
    "export run": ("export.start", "export.gather", "export.release"),
    "export resume": ("export.resume", "export.gather", "export.release"),
    "work": ("export.gather", "export.release"),
    "audit show": ("audit.show",),
    "audit seal": READS_NOBODY,
    "audit verify": READS_NOBODY,
    "audit checkpoint": READS_NOBODY,
    "audit accept": ("audit.accept",),
    "backup": ("backup",),
    "check": READS_NOBODY,
    "restore": ("restore",),
    "serve": ("serve",),
    "listen": ("listen.serve", "listen"),
    "watch": ("watch.serve", "load"),
    "feeds": READS_NOBODY,
    "quality": READS_NOBODY,
    "synth": NO_STORE,
    "demo": ("init", "load"),
}
"""Command → the acts that a clean run may write. ``rejects list`` and ``rejects show`` write one where they show what
was sent (``--names``, ``--payload``), ``rejects drop`` and ``purge`` where there was something. ``rejects replay``
is a delivery of its own, so a ``load``. ``demo`` writes into a store of its own."""

ROUTES: dict[tuple[str, str], tuple[str, ...] | str] = {
    ("GET", "/metrics"): READS_NOBODY,
    ("GET", "/quality"): ("quality",),
    ("GET", "/fhir/Patient/{id_}/$summary"): ("shared",),
    ("GET", "/fhir/Patient/$summary"): ("shared",),
    ("POST", "/fhir/Patient/{id_}/$summary"): ("shared",),
    ("POST", "/fhir/Patient/$summary"): ("shared",),
    ("GET", "/fhir/$export"): ("export.start",),
    ("GET", "/fhir/Patient/$export"): ("export.start",),
    ("GET", "/fhir/bulk/{job}"): ("export.status",),
    ("GET", "/fhir/bulk/{job}/{name}"): ("export.download",),
    ("DELETE", "/fhir/bulk/{job}"): ("export.cancel",),
    ("GET", "/fhir/{resource_type}/{id_}"): ("read",),
    ("GET", "/fhir/{resource_type}/{id_}/_history/{version}"): ("vread",),
    ("GET", "/fhir/{resource_type}/{id_}/_history"): ("history",),
    ("GET", "/fhir/{resource_type}"): ("search",),
    ("POST", "/fhir/{resource_type}/_search"): ("search",),
    ("POST", "/sandbox/permission"): ("permit",),
}
"""Route → the act of each answer to a known caller. The public routes (``gateway.api.auth.PUBLIC``) know nobody."""
