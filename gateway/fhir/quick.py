"""Accepts at once what is plainly sound R4: one function a type, generated from the table, without paths and words.

``is_sound`` may doubt what is sound, and never accepts what is not. What it doubts goes the long way: the strict types,
``rules`` and ``structure`` decide, and say what is wrong and where. It relies on what was tested before it: the text is
ordinary (``is_ordinary``), and the types without the patterns of ``SEEN_HERE`` decoded it.

A generated function has ``n``, the node, and goes through what its type can hold:

    def Coding(n):
     if not known_Coding.issuperset(n) and not beside(n, known_Coding, besides_Coding, Element): return False
     if len(n) < 2 and (not n or 'id' in n): return False
     if 'extension' in n:
      for v in n['extension']:
       if not Extension(v): return False
     if 'system' in n:
      v = n['system']
      if ' ' in v: return False
     return True
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from gateway.fhir import narrative, rules
from gateway.fhir.invariants import INVARIANTS
from gateway.fhir.r4 import table

Node = dict[str, Any]
Check = Callable[[Any], bool]
SPACED = frozenset({"uri", "url", "canonical"})
"""Primitives that hold no white space. In ordinary text that leaves single spaces to look for."""
SEEN_HERE = SPACED | table.DATED | {"code"}
"""Primitives whose pattern the types need not test, because ordinary text or this module does."""
MOST_OBJECTS, LONGEST = 32, 1024 * 1024
"""Of an ordinary text: so few objects cannot nest deeper than ``model.DEEPEST``, and no string can be too long."""
_QUOTE = ord('"')
_LEADS = (b"\xc2", b"\xe1", b"\xe2", b"\xe3")
_SPACES = re.compile(rb"\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80")
"""White space beyond ASCII in UTF-8, and the bytes that begin it."""


def is_ordinary(body: bytes) -> bool:
    """Whether the strings of a JSON text hold single inner spaces and no other white space, no control character and
    no escape, and it is too small to nest deep. Text with white space between its tokens is not called ordinary.

    >>> is_ordinary(b'{"text":"a b"}'), is_ordinary(b'{"text":" a"}'), is_ordinary(b'{"text":"a\\\\n"}')
    (True, False, False)
    """
    if b"\\" in body or len(body) > LONGEST or body.count(b"{") > MOST_OBJECTS:
        return False
    if not body.isascii() and any(lead in body for lead in _LEADS) and _SPACES.search(body):
        return False
    first, *words = body.split(b" ")
    if not words:
        return True
    if not first or first[-1] == _QUOTE or words[-1][:1] in (b"", b'"'):
        return False
    for word in words[:-1]:
        if not word or word[0] == _QUOTE or word[-1] == _QUOTE:
            return False
    return words[-1][0] != _QUOTE


def make_ready() -> None:
    """Generate the functions."""
    _checks()


def is_sound(resource: Node) -> bool:
    """Whether a resource that the types decoded, of ordinary text, is sound at first sight."""
    check: Check = _checks()[resource["resourceType"]]
    return check(resource)


@lru_cache(maxsize=1)
def _checks() -> dict[str, Any]:
    """The generated functions by type. Made once a process, on first use."""
    space: dict[str, Any] = {"reference": _reference, "beside": _beside, "narrative": narrative.fault, **_DATES}
    source = [line for definition in table.types().values() for line in _function(definition, space)]
    exec(compile("\n".join(source), "<quick checks of R4>", "exec"), space)  # made of our own table alone
    for definition in table.types().values():
        _bind_choices(definition, space)
    return space


def _function(definition: table.Type, space: dict[str, Any]) -> list[str]:
    """The lines of one type's function."""
    name = definition.name
    known = frozenset(json_name for element in definition.elements for json_name in element.names)
    space[f"known_{name}"] = known | {"resourceType"} if definition.is_resource else known
    space[f"besides_{name}"] = frozenset(_besides(definition))
    lines = [
        f"def {name}(n):",
        f" if not known_{name}.issuperset(n) and not beside(n, known_{name}, besides_{name}, Element): return False",
    ]
    if not definition.is_resource:
        lines.append(" if len(n) < 2 and (not n or 'id' in n): return False")
    for element in definition.elements:
        if len(element.names) == 1:
            lines += _single(definition, element, space)
    lines += _choices(definition)
    if name == "Extension":
        lines.append(" if ('extension' in n) == bool(b): return False")
    for number, invariant in enumerate(INVARIANTS.get(name, ())):
        space[f"holds_{name}_{number}"] = invariant.holds
        lines.append(f" if not holds_{name}_{number}(n): return False")
    return [*lines, " return True", ""]


def _besides(definition: table.Type) -> list[str]:
    """The names beside single primitives (``_birthDate``)."""
    return [
        "_" + name for element in definition.elements if not element.is_many
        for name, kind in element.names.items() if kind in table.PRIMITIVES
    ]  # fmt: skip


def _single(definition: table.Type, element: table.Element, space: dict[str, Any]) -> list[str]:
    """The lines for an element that is no choice."""
    ((name, kind),) = element.names.items()
    lines = []
    if element.is_required and kind in table.PRIMITIVES:
        lines.append(f" if {name!r} not in n: return False")
    doubt = _doubt(definition, name, kind, element, space)
    is_list_of_values = element.is_many and kind in table.PRIMITIVES
    if doubt or is_list_of_values:
        lines += [f" if {name!r} in n:", f"  v = n[{name!r}]"]
    if is_list_of_values:
        lines.append("  if None in v: return False")
    if doubt and element.is_many:
        lines += ["  for v in v:", f"   if {doubt}: return False"]
    elif doubt:
        lines.append(f"  if {doubt}: return False")
    return lines


def _choices(definition: table.Type) -> list[str]:
    """The lines for the choices of a type, in one go. ``b`` holds a bit for definition choice that has its value."""
    choices = [element for element in definition.elements if len(element.names) > 1]
    if not choices:
        return []
    needed = sum(1 << number for number, element in enumerate(choices) if element.is_required)
    lines = [
        " b = 0",
        " for name, v in n.items():",
        f"  c = choices_{definition.name}.get(name)",
        "  if c is not None:",
        "   if b & c[0]: return False",
        "   b |= c[0]",
        "   if c[1] is not None and not c[1](v): return False",
    ]
    return [*lines, f" if b & {needed} != {needed}: return False"] if needed else lines


def _bind_choices(definition: table.Type, space: dict[str, Any]) -> None:
    """The bit and the check of definition name of the choices of a type."""
    rows: dict[str, tuple[int, Check | None]] = {}
    choices = [element for element in definition.elements if len(element.names) > 1]
    for number, element in enumerate(choices):
        for name, kind in element.names.items():
            doubt = _doubt(definition, name, kind, element, space)
            rows[name] = (1 << number, eval(f"lambda v: not ({doubt})", space) if doubt else None)  # as above
            rows["_" + name] = (1 << number, space["Element"])
    space[f"choices_{definition.name}"] = rows


def _doubt(definition: table.Type, name: str, kind: str, element: table.Element, space: dict[str, Any]) -> str:
    """The condition under which a value ``v`` is doubted; "" where the types said it all."""
    if kind == "Resource":
        return "True"
    if kind == "Reference":
        targets = element.targets | rules.LOOSE.get((definition.name, name), set()) if element.targets else frozenset()
        match = "match_" + "_".join(sorted(targets))
        if match not in space:
            space[match] = _leads_to(targets)
            space["targets" + match] = targets or table.resource_types()
        plain = f"len(v) == 1 and 'reference' in v and {match}(v['reference'])"
        return f"not ({plain}) and not reference(v, {match}, targets{match}, Identifier)"
    if kind == "xhtml":
        return "narrative(v)"
    if kind in SPACED:
        return "' ' in v"
    return f"not {kind}(v)" if kind in table.DATED or kind not in table.PRIMITIVES else ""


def _leads_to(targets: frozenset[str]) -> Callable[[str], object]:
    names = "|".join(sorted(targets or table.resource_types()))
    return re.compile(rf"(?:{names})/{table.ID}\Z").match


def _reference(value: Node, match: Callable[[str], object], targets: frozenset[str], identifier: Check) -> bool:
    """Whether a reference with more than its address, or to an entry of its bundle, is sound."""
    if (
        not value
        or " " in value.get("reference", "")
        or not value.keys() <= {"reference", "display", "type", "identifier"}
    ):
        return False
    return (
        ("reference" not in value or bool(match(value["reference"])) or value["reference"].startswith("urn:uuid:"))
        and ("type" not in value or value["type"] in targets)
        and ("identifier" not in value or identifier(value["identifier"]))
    )


def _beside(node: Node, known: frozenset[str], besides: frozenset[str], element: Check) -> bool:
    """Whether the names that are no elements stand beside single primitives, and hold what an element may."""
    return all(name in known or (name in besides and element(value)) for name, value in node.items())


def _dated(kind: str) -> Check:
    matches = table.PATTERNS[kind].match

    @lru_cache(maxsize=32768)
    def check(text: str) -> bool:
        return bool(matches(text)) and rules.is_real(text)

    return check


_DATES = {kind: _dated(kind) for kind in table.DATED}
