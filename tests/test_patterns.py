"""Every regular expression of the product takes time in proportion to its text (CWE-1333): a text of a source or of a
stranger holds nobody up."""

import ast
import functools
import importlib
import re
import time
from pathlib import Path

import pytest

from gateway.nhs import optout, sensitive

ROOT = Path(__file__).parents[1]
SMALL, LARGE = 20_000, 1_000_000
SECONDS = 1.0
"""For a megabyte; a quadratic pattern takes minutes."""
BOUNDED = {"mappings/emis/words.py": 1_000}
"""Modules that cut a text to so many characters before a pattern reads it."""
SKIPPED = {"synth", "demo.py", "__main__.py", "migrations", "generate.py"}
"""Modules that read no text of others."""
CALLS = {"compile", "search", "match", "fullmatch", "sub", "split", "findall", "finditer"}


def modules() -> list[Path]:
    found = (path for folder in ("gateway", "mappings", "terminology") for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if not SKIPPED & set(path.relative_to(ROOT).parts))


@functools.cache
def calls() -> list[tuple[Path, str, str, ast.Call]]:
    """Calls of a method that patterns have: the module, the name it is called on, the method, and the call."""
    found = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS:
                on = node.func.value
                name = on.attr if isinstance(on, ast.Attribute) else on.id if isinstance(on, ast.Name) else ""
                found.append((path, name, node.func.attr, node))
    return found


def written() -> dict[str, tuple[re.Pattern, set[str]]]:
    """The patterns that stand as text in a call of ``re``, with the method that is called."""
    return {
        f"{path.relative_to(ROOT)}:{call.lineno}": (re.compile(call.args[0].value), {method})
        for path, name, method, call in calls()
        if name == "re" and method != "compile" and call.args and isinstance(call.args[0], ast.Constant)
    }


def held(path: Path) -> dict[str, tuple[re.Pattern, set[str]]]:
    """The compiled patterns that a module holds, also in tables and rows, with the methods that are called on them: on
    its name, or for one in a table on any name of the module."""
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    unnamed = {method for where, name, method, _ in calls() if where == path and name not in vars(module)}
    patterns: dict[str, tuple[re.Pattern, set[str]]] = {}
    for name, value in vars(module).items():
        methods = {method for _, called, method, _ in calls() if called == name} or unnamed or {"fullmatch"}
        for number, pattern in enumerate(inside(value)):
            patterns[f"{path.relative_to(ROOT)}:{name}[{number}]"] = (pattern, methods)
    return patterns


def inside(value: object, depth: int = 0) -> list[re.Pattern]:
    if isinstance(value, re.Pattern):
        return [value]
    if depth > 4:
        return []
    if isinstance(value, dict):
        return [pattern for item in (*value, *value.values()) for pattern in inside(item, depth + 1)]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [pattern for item in value for pattern in inside(item, depth + 1)]
    return []


def patterns() -> list[tuple[str, re.Pattern, set[str]]]:
    """Each pattern with the place where it was met first, and how it is used."""
    unique: dict[tuple[str | bytes, int], tuple[str, re.Pattern, set[str]]] = {}
    places = written()
    for path in modules():
        places |= held(path)
    for place, (pattern, methods) in places.items():
        known = unique.setdefault((pattern.pattern, pattern.flags), (place, pattern, set()))
        known[2].update(methods - {"compile"})
    return list(unique.values())


PIECES = re.compile(
    r"\\[dwsSWDbB]|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?[:=!<iPaLmsux][=!]?|[(){}|*+?^$]|\{\d+,?\d*\}|[^\\\[\](){}|*+?^$]"
)
OF_CLASS = {r"\d": "1", r"\w": "a", r"\s": " ", r"\S": "a", r"\W": "-", r"\D": "a", ".": "a", r"\b": "", r"\B": ""}


def pumps(source: str) -> list[str]:
    """Short texts that, repeated, make a pattern try often: each literal and class of it, its words, its alternatives
    joined, and what lies around a repeat."""
    words = re.findall(r"[A-Za-z]{2,}", re.sub(r"\\[A-Za-z]", " ", source))
    chars = []
    for piece in PIECES.findall(source):
        if piece.startswith("["):
            chars.append(member(piece))
        elif piece in OF_CLASS:
            chars.append(OF_CLASS[piece])
        elif piece.startswith("\\"):
            chars.append(piece[1:])
        elif piece not in "(){}|*+?^$" and not piece.startswith(("(?", "{")):
            chars.append(piece)
    made = {
        *chars,
        "".join(chars),
        *words,
        *(f"{word} " for word in words),
        " ".join(words),
        " ",
        "a",
        "1",
        "\\",
        "a ",
        "1 ",
        "\t",
        "\n",
    }
    made |= {first + second for first, second in zip(chars, chars[1:])}
    return sorted(pump for pump in made if pump)


def member(class_: str) -> str:
    """A character that a class holds."""
    return next((chr(code) for code in (97, 65, 49, 32, *range(33, 127)) if re.fullmatch(class_, chr(code))), "a")


def texts(pattern: re.Pattern, size: int) -> list[str | bytes]:
    is_bytes = isinstance(pattern.pattern, bytes)
    source = pattern.pattern.decode("latin-1") if is_bytes else pattern.pattern
    joined = [pump * (size // len(pump)) + end for pump in pumps(source) for end in ("", "\x00!")]
    return [text.encode("latin-1", "replace") for text in joined] if is_bytes else joined


def slowest(pattern: re.Pattern, methods: set[str], size: int, limit: float) -> float:
    """The longest time of one use, in seconds of this thread; what is over the limit is measured again."""
    worst = 0.0
    for text in texts(pattern, size):
        for method in methods:
            took = seconds(pattern, method, text)
            worst = max(worst, took if took <= limit else min(took, seconds(pattern, method, text)))
            if worst > limit:
                return worst
    return worst


def seconds(pattern: re.Pattern, method: str, text: str | bytes) -> float:
    arguments = (text[:0], text) if method == "sub" else (text,)
    started = time.thread_time()
    found = getattr(pattern, method)(*arguments)
    if method == "finditer":
        list(found)
    return time.thread_time() - started


def test_patterns_are_found_in_tables_and_in_calls():
    places = {place for place, _, _ in patterns()}
    assert len(places) > 90
    assert any(place.startswith("gateway/nhs/optout.py") for place in places)


def size_of(place: str) -> int:
    return BOUNDED.get(place.partition(":")[0], SMALL)


@pytest.mark.slow
def test_every_pattern_is_linear():
    """A text of 20 kB in a twentieth of a second: a quadratic pattern takes seconds, a linear one with forty words at
    each of its places 20 ms on a busy machine."""
    slow = {}
    for place, pattern, methods in patterns():
        took = slowest(pattern, methods, size_of(place), SECONDS / 20)
        if took > SECONDS / 20:
            slow[place] = round(took, 3)
    assert slow == {}


def test_a_text_of_a_megabyte_holds_nobody_up():
    """Words that begin a pattern and never end it, through the functions that a load calls."""
    for word in ("share ", "extract", "terminat", "consent share\n", "a", " "):
        concept = {"text": "consent " + word * (LARGE // len(word))}
        started = time.thread_time()
        optout.is_consent_like(concept)
        sensitive._hints(concept["text"])
        assert time.thread_time() - started < SECONDS, word
