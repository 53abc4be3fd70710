"""The house rules are tests: who may import whom, where outside packages live, and that every route asks who is
calling."""

import ast
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from gateway import config
from gateway.api import auth
from gateway.api.app import create_app
from gateway.composition import create_gateway, open_service
from gateway.nhs import kinds

ROOT = Path(__file__).parents[1]

ROOMS = {
    "errors": set(),
    "steering": set(),
    "log": {"steering"},
    "console": {"steering"},
    "egress": set(),
    "processes": set(),
    "memory": set(),
    "config": {"errors"},
    "durable": set(),
    "keys": {"errors", "durable"},
    "fhir": {"errors"},
    "nhs": {"fhir"},
    "terminology": {"fhir", "nhs.codesets"},
    "store": {"processes", "durable", "fhir"},
    "records": {"fhir", "nhs", "terminology", "store"},
    "care": {"fhir", "nhs", "store", "records"},
    "oversight": {"fhir", "nhs", "store", "records"},
    "mappings": {"fhir", "nhs.identifiers", "terminology"},
    "feeds": {"config", "mappings"},
    "signin": {
        "egress",
        "keys",
        "nhs.roles",
        "nhs.sandbox",
        "nhs.scopes",
        "store.clients",
        "store.changes",
        "store.database",
        "store.handles",
        "store.session",
    },
    "custody": {"durable", "keys", "signin", "store.heads"},
    "synth": {"nhs.identifiers", "processes"},
    "intake": {"processes", "durable", "fhir", "nhs", "terminology", "store", "records", "mappings", "synth"},
    "identity": {"egress", "fhir", "nhs", "store", "intake.derive", "signin.assertion"},
    "web": {"steering"},
    "summary": {"steering", "fhir", "nhs", "terminology", "records", "web"},
    "notify": {
        "config",
        "egress",
        "fhir",
        "nhs",
        "records",
        "signin",
        "store.changes",
        "store.clients",
        "store.database",
        "store.faults",
        "store.session",
        "store.subscriptions",
    },
    "export": {
        "durable",
        "processes",
        "fhir",
        "nhs",
        "terminology",
        "records",
        "store.database",
        "store.session",
        "store.faults",
        "store.jobs",
        "store.members",
        "store.projects",
        "store.ledger",
        "store.optouts",
        "store.changes",
    },
    "attack": set(),
    "pull": {"config", "durable", "egress", "keys", "signin.assertion", "store.connecting"},
    "views": {"durable", "processes", "fhir", "nhs.pseudonym"},
    "explain": {"nhs", "terminology", "mappings", "intake", "web"},
    "composition": {
        "config",
        "custody",
        "keys",
        "egress",
        "fhir.dates",
        "identity.pds",
        "nhs",
        "notify",
        "terminology",
        "records",
        "signin",
        "store.audit",
        "store.database",
        "store.ledger",
        "store.subscriptions",
    },
    "backup": {"config", "custody", "durable", "keys", "nhs.pseudonym", "composition", "export.standing", "store"},
    "shared_counts": set(),
    "metrics": {"shared_counts", "store.audit", "store.database", "store.inbox", "store.vitals", "store.watched"},
    "api": {
        "feeds",
        "metrics",
        "shared_counts",
        "fhir",
        "nhs",
        "terminology",
        "records",
        "care",
        "oversight",
        "intake",
        "notify",
        "summary",
        "export",
        "signin",
        "composition",
        "config",
        "processes",
        "web",
    },
    "demo": {"*"},
    "commands": {"*"},
    "__main__": {"*"},
}
"""Who may import whom, from below to above. ``terminology`` names the ``CodeSets`` that it fills (DECISIONS)."""

HOMES = {
    "asyncssh": {"gateway/intake/watch/sftp.py"},
    "authlib": {"gateway/signin/code_flow.py"},
    "jose": {"gateway/signin"},
    "typer": {"gateway/commands"},
    "click": set(),
    "httpx": {"gateway/egress.py", "gateway/demo.py"},
    "splink": {"gateway/identity/proposing.py"},
    "duckdb": {"gateway/identity/proposing.py"},
    "fhirpathpy": {"gateway/views/path.py"},
    "antlr4": {"gateway/views/path.py"},
    "pyarrow": {"gateway/views/parquet.py"},
    "fsspec": {"gateway/views/parquet.py"},
    "fhir.resources": {"gateway/fhir/second_opinion.py"},
    "sqlmodel": {"gateway/store", "gateway/pull/research.py"},
    "sqlalchemy": {"gateway/store", "gateway/pull/research.py"},
    "alembic": {"gateway/store"},
    "pysqlite3": {"gateway/store"},
    "psycopg": {"gateway/store"},
    "fastapi": {"gateway/api", "gateway/web", "gateway/demo.py"},
    "starlette": {"gateway/api", "gateway/web"},
    "uvicorn": {"gateway/api"},
    "jsonpatch": {"gateway/intake/patching.py"},
    "limits": {"gateway/api/rates.py", "gateway/api/shared_rates.py"},
    "prometheus_client": {"gateway/metrics.py", "gateway/shared_counts.py"},
    "markdown_it": {"gateway/explain/mapping_document.py"},
    "pyspark": {"gateway/export"},
    "defusedxml": {"mappings/readers/xml.py", "gateway/fhir/as_xml.py"},
    "rich": {"gateway/demo.py", "gateway/console.py"},
}


def modules() -> list[Path]:
    return sorted(p for folder in ("gateway", "mappings", "terminology") for p in (ROOT / folder).rglob("*.py"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a module's syntax tree, the module first."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def parsed(path: Path) -> ast.Module:
    return nodes(path)[0]


@cache
def imports(path: Path) -> set[str]:
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] == "mappings":
        return "mappings"
    return parts[1] if len(parts) > 1 and parts[1] != "__init__" else ""


def within(name: str, allowed: set[str]) -> bool:
    return "*" in allowed or any(name == a or name.startswith(a + ".") for a in allowed)


def test_every_room_has_its_row_and_every_row_its_room():
    assert ROOMS.keys() == {room(path) for path in modules()} - {""}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_what_lies_below_it(path):
    name = room(path)
    if not name:
        return
    allowed = ROOMS[name] | {"errors", "log", "memory", name, "__version__"}
    for imported in imports(path):
        if imported.startswith("gateway."):
            inner = imported.removeprefix("gateway.")
            assert within(inner, allowed), f"{name} may not import {imported}"
        if (imported == "mappings" or imported.startswith("mappings.")) and name != "mappings":
            assert within("mappings", allowed), f"{name} may not import {imported}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_an_outside_package_has_one_home(path):
    here = str(path.relative_to(ROOT))
    for imported in imports(path):
        for package, homes in HOMES.items():
            if imported == package or imported.startswith(package + "."):
                assert any(here == home or here.startswith(home + "/") for home in homes), (
                    f"{package} does not live in {here}"
                )


def arrows() -> dict[str, set[str]]:
    """The rooms that each room's modules import, itself left out."""
    rooms = {room(path) for path in modules()} - {""}
    graph: dict[str, set[str]] = {name: set() for name in rooms}
    for path in modules():
        for imported in imports(path):
            package, _, inner = imported.partition(".")
            target = inner.partition(".")[0] if package == "gateway" else package
            if room(path) and target in rooms - {room(path)}:
                graph[room(path)].add(target)
    return graph


def test_rooms_import_downwards_only_and_in_no_circle():
    """Take away, again and again, the rooms that import none of those left. What cannot be taken away is a circle."""
    graph = arrows()
    assert len(graph) > 20 and graph["intake"] >= {"store", "mappings"}
    while free := {name for name, targets in graph.items() if not targets}:
        graph = {name: targets - free for name, targets in graph.items() if name not in free}
    assert not graph, f"a circle of rooms: {graph}"
    order = list(ROOMS)
    up = {
        (name, target)
        for name, targets in arrows().items()
        for target in targets
        if order.index(target) > order.index(name)
    }
    assert up == set(), f"the rows of ROOMS are from below to above, and these imports go up: {up}"


def test_modules_import_each_other_in_no_circle():
    """What a module imports when it is imported itself; an import in a function or for the types alone is no arrow."""
    names = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in modules()}
    graph = {name: {within for word in _at_import(path) if (within := _module(word, names)) and within != name}
             for name, path in names.items()}  # fmt: skip
    assert graph["gateway.intake.take"] >= {"gateway.store.deliveries", "gateway.intake.engine"}
    while free := {name for name, targets in graph.items() if not targets & graph.keys()}:
        graph = {name: targets for name, targets in graph.items() if name not in free}
    assert not graph, f"among these modules is a circle: {sorted(graph)}"


def _module(name: str, names: Mapping[str, Path]) -> str:
    """The module that an imported name is, or is of; "" for one of another project."""
    while name and name not in names:
        name = name.rpartition(".")[0]
    return name


def _at_import(path: Path) -> set[str]:
    """What the body of a module imports."""
    waiting: list[ast.stmt] = list(parsed(path).body)
    found: set[str] = set()
    for node in waiting:
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                waiting += node.orelse
            case ast.If() | ast.Try():
                waiting += [*node.body, *node.orelse]
            case ast.Import():
                found |= {alias.name for alias in node.names}
            case ast.ImportFrom():
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


JOINED = {
    "gateway/composition.py": {"Audit", "open_store", "open_door"},
    # Worker processes open again, by its URL, the store that their parent was given.
    "gateway/export/cut.py": {"open_store"},
    "gateway/export/crowding.py": {"open_store"},
    "gateway/intake/engine.py": {"open_store"},
    # A developer's tool makes the next migration from a new store of its own.
    "gateway/store/migrations/__main__.py": {"open_store"},
    # The function itself constructs the audit that it is told to open.
    "gateway/records/door.py": {"Audit"},
}
"""Who opens what: the composition root, and the few that it cannot open for."""
PLACES = ("audit.db", "gateway.db", "exports", "keys", "export-root.key", "sandbox-issuer.pem")
"""Names in the data folder."""
NAMERS = {"gateway/config.py", "gateway/keys.py"}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_only_the_composition_root_opens_the_parts_and_joins_their_paths(path):
    here, tree = str(path.relative_to(ROOT)), parsed(path)
    opens = {"open_store", "open_door", "Audit"}
    names = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    called = {getattr(name, "id", getattr(name, "attr", "")) for name in names} & opens
    assert called == JOINED.get(here, set()), f"{here} opens {called}"
    joined = {
        operand.value
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        for operand in (node.left, node.right)
        if isinstance(operand, ast.Constant)
    }
    if here not in NAMERS:
        assert not joined & set(PLACES), f"{here} joins {joined}"


def test_neither_routes_nor_pages_take_a_delivery_in():
    """They call a function of ``intake`` that decides who may. Only it reaches what loads files."""
    for path in modules():
        if room(path) in ("api", "web"):
            assert not [name for name in imports(path) if within(name, {"gateway.intake.load", "gateway.intake.take"})]


def test_no_module_has_a_name_that_says_nothing():
    empty = {"utils", "helpers", "common", "core", "util", "misc"}
    assert not [p for p in modules() if p.stem in empty or p.parent.name in empty]


SAME_NAME = {
    "errors": "the kinds of failure, and how HTTP answers them",
    "sandbox": "the sandbox's named users, and its token issuer",
    "table": "the table of FHIR's types, and THE TABLE of a summary's sections",
}
"""Modules of one name in two rooms that have nothing to do with each other, each with its reason."""
NAMED_BY_OTHERS = {"synth", "commands"}
"""Rooms whose modules are named after what they write or run: a source's table, an operator's verb."""


def test_no_two_modules_of_the_house_have_one_name():
    """Two modules of one name force an alias wherever both are imported."""
    named = [p for p in modules() if p.is_relative_to(ROOT / "gateway") and room(p) not in NAMED_BY_OTHERS]
    stems = Counter(path.stem for path in named)
    assert {stem for stem, count in stems.items() if count > 1} <= {"__init__", "__main__", *SAME_NAME}


def test_every_module_says_its_idea_in_its_first_line():
    silent = [str(p.relative_to(ROOT)) for p in modules() if p.stat().st_size and not ast.get_docstring(parsed(p))]
    assert not silent


WIDTH = 120


def test_lines_are_within_the_width_but_for_tables():
    """A statement or decorator marked ``# fmt: skip`` is a table that reviewers read by its rows."""
    for path in [*modules(), *sorted((ROOT / "tests").rglob("*.py"))]:
        text = path.read_text(encoding="utf-8")
        lines, tables = text.splitlines(), set()
        if max(map(len, lines), default=0) <= WIDTH:
            continue
        for node in ast.walk(ast.parse(text)):
            for part in (node, *getattr(node, "decorator_list", ())):
                if isinstance(part, (ast.stmt, ast.expr)) and "# fmt: skip" in lines[part.end_lineno - 1]:
                    tables |= set(range(part.lineno, part.end_lineno + 1))
        wide = [number for number, line in enumerate(lines, 1) if len(line) > WIDTH and number not in tables]
        assert not wide, f"{path.relative_to(ROOT)} lines {wide}"


def test_no_module_but_the_table_decides_by_the_name_of_a_kind_of_publisher():
    """A kind is named by its row, by a source that declares its own, and by synthetic people. Nobody compares one."""
    for path in modules():
        here = path.relative_to(ROOT).as_posix()
        if here.startswith("gateway/synth/") or here in ("gateway/nhs/kinds.py", "gateway/store/numbers.py"):
            continue
        tree = parsed(path)
        assert not _decided_on(tree) & kinds.KINDS.keys(), f"{here} decides by the name of a kind"


def _decided_on(tree: ast.AST) -> set[object]:
    """The constants that a module compares with, matches, puts into a set or a condition, or keys a dict by."""
    decided: set[object] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        match node:
            case ast.Compare():
                parts = [node.left, *node.comparators]
            case ast.MatchValue():
                parts = [node.value]
            case ast.Set():
                parts = list(node.elts)
            case ast.Dict():
                parts = list(node.keys)
            case ast.Call(func=ast.Name(id="frozenset" | "set")):
                parts = list(node.args)
        for part in parts:
            decided |= {inner.value for inner in ast.walk(part) if isinstance(inner, ast.Constant)} if part else set()
    return decided


def test_policy_and_store_are_strangers():
    for path in (ROOT / "gateway/nhs").rglob("*.py"):
        assert not any(name.startswith("gateway.store") for name in imports(path)), path
    for path in (ROOT / "gateway/store").rglob("*.py"):
        assert not any(name.startswith("gateway.nhs") for name in imports(path)), path


def test_sql_lies_in_the_store_only():
    verbs = ("SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ")
    for path in modules():
        if "store" in path.parts:
            continue
        for node in nodes(path):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not node.value.lstrip().startswith(verbs), f"SQL in {path.relative_to(ROOT)} line {node.lineno}"


def test_every_route_that_is_not_named_as_public_asks_who_is_calling(tmp_path):
    settings = config.Settings(data_dir=tmp_path, sandbox=True)
    with create_gateway(settings, "sandbox") as gateway, open_service(gateway) as service:
        app = create_app(service)
    answering = [route for route in app.routes if hasattr(route, "dependant")]
    assert len(answering) > 10 and [route.path for route in app.routes if route not in answering] == ["/static"]
    asking = {auth.caller, auth.caller_of_page}
    assert {route.path for route in answering if not asking & _asked(route.dependant)} == auth.PUBLIC


def _asked(dependant) -> set:
    """What is called before a route, at any depth."""
    return {dependant.call}.union(*map(_asked, dependant.dependencies))


def test_only_the_doors_reach_the_resources():
    doors = ("gateway/intake", "gateway/records/", "gateway/care/", "gateway/store", "gateway/commands/init.py",
             "gateway/identity/")  # fmt: skip
    reached = {
        "gateway.store.resources",
        "gateway.store.writing",
        "gateway.store.makers",
        "gateway.store.serving",
        "gateway.store.kept",
        "gateway.store.lacking",
        "gateway.store.touched",
        "gateway.store.sharing",
        "gateway.store.find",
        "gateway.store.labelling",
        "gateway.store.identities",
        "gateway.store.registry",
        "gateway.store.permissions",
        "gateway.store.preferences",
        "gateway.store.traces",
        "gateway.store.reviewed",
        "gateway.store.proposals",
    }
    for path in modules():
        here = str(path.relative_to(ROOT))
        if not here.startswith(doors):
            assert not [
                name for name in imports(path) if any(name == r or name.startswith(r + ".") for r in reached)
            ], here


def test_records_only_reads():
    """No transaction that writes, and no function of the store that inserts, updates or deletes. (Its audit is written
    by the audit itself.)"""
    writers = {
        f"gateway.store.{path.stem}.{name}" for path in (ROOT / "gateway/store").glob("*.py") for name in _writing(path)
    }
    assert {"gateway.store.permissions.grant", "gateway.store.writing.put_many"} <= writers
    for path in (ROOT / "gateway/records").glob("*.py"):
        tree = parsed(path)
        assert not {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & {
            "write",
            "insert",
            "many",
        }
        assert not writers & _used(tree), path.name


def _used(tree: ast.AST) -> set[str]:
    """What a module names of others, in full: imported, or an attribute of what is imported."""
    imported = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }  # fmt: skip
    attributes = {
        f"{imported[node.value.id]}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imported
    }
    return attributes | set(imported.values())


def _writing(path: Path) -> set[str]:
    """The functions of a module that change a table, by themselves or by another function or class of it."""
    tree = parsed(path)
    texts = {node.name: ast.unparse(node) for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    statements = (
        "INSERT INTO",
        "UPDATE ",
        "DELETE FROM",
        "session.insert(",
        "session.many(",
        "rows.add(",
        "setattr(row",
    )
    writing: set[str] = set()
    while more := {
        name
        for name, text in texts.items()
        if name not in writing and any(word in text for word in (*statements, *(f"{other}(" for other in writing)))
    }:
        writing |= more
    return {name for name in writing if name[0].islower()}


def test_no_attribute_appears_outside_a_constructor():
    """An object has all its attributes from the beginning: its class or ``__init__`` names each of them."""
    for path in modules():
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                late = _assigned(node) - _declared(node)
                assert not late, f"{path.relative_to(ROOT)}: {node.name} gets {late}"


def _declared(node: ast.ClassDef) -> set[str]:
    """The attributes that the body of a class and its constructor name."""
    named = [part.target for part in node.body if isinstance(part, ast.AnnAssign)]
    named += [target for part in node.body if isinstance(part, ast.Assign) for target in part.targets]
    made = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    return {name.id for name in named if isinstance(name, ast.Name)}.union(*map(_assigned, made))


def _assigned(node: ast.AST) -> set[str]:
    """The attributes that code gives to ``self``."""
    return {
        part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute)
        and isinstance(part.ctx, ast.Store)
        and isinstance(part.value, ast.Name)
        and part.value.id == "self"
    }
