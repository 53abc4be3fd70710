"""Variables that say nothing about what they hold are counted by package, and their number may only fall.

``names.csv`` holds the numbers; ``--update-golden`` writes it.
"""

import ast
import csv
import io
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "tests" / "names.csv"
EMPTY = frozenset({"found", "made", "each", "one", "told", "given"})


def package(path: Path) -> str:
    """The package of a module: ``gateway/store``, or ``gateway`` for a module of its own."""
    return path.relative_to(ROOT).parent.as_posix()


def names(text: str) -> list[str]:
    """Every use of an empty name as a variable or an argument, once each time it is written.

    The syntax tree is counted and not the tokens, because Python 3.12 and later split f-strings into tokens and earlier
    versions do not.
    """
    nodes = ast.walk(ast.parse(text))
    used = (node.id if isinstance(node, ast.Name) else node.arg if isinstance(node, ast.arg) else "" for node in nodes)
    return [name for name in used if name in EMPTY]


def counts() -> Counter[str]:
    counted: Counter[str] = Counter()
    for folder in ("gateway", "mappings"):
        for path in (ROOT / folder).rglob("*.py"):
            counted[package(path)] += len(names(path.read_text(encoding="utf-8")))
    return +counted


def table(counted: Counter[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("package", "count"), *sorted(counted.items())])
    return text.getvalue()


def test_a_variable_is_counted_wherever_it_is_written():
    text = "found = 1\nprint(found, a.found, f'{each}', 'told')\ndef f(given, *, told): ..."
    assert sorted(names(text)) == ["each", "found", "found", "given", "told"]


def test_the_number_of_empty_names_only_falls(request):
    counted = counts()
    if request.config.getoption("--update-golden"):
        TABLE.write_text(table(counted), encoding="utf-8", newline="\n")
    with TABLE.open(encoding="utf-8", newline="") as file:
        allowed = Counter({row["package"]: int(row["count"]) for row in csv.DictReader(file)})
    more = {name: f"{count}, not {allowed[name]}" for name, count in counted.items() if count > allowed[name]}
    assert not more, "name variables by what they hold"
    fewer = [name for name, count in allowed.items() if counted[name] < count]
    assert not fewer, "write the lower numbers down: pytest --update-golden tests/test_names.py"
