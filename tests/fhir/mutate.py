"""Break a valid resource in one place: every kind of single fault, each with the place where it was made."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gateway.fhir.r4 import table

Path = tuple[str | int, ...]
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'
TEXTS = frozenset({"string", "markdown"})
DATES = {"date": "2024-02-30", "dateTime": "2024-02-30", "instant": "2024-02-30T10:00:00Z"}
MONTHS = {"date": "2024-13-01", "dateTime": "2024-13-01", "instant": "2024-13-01T10:00:00Z"}
ZONELESS = {"dateTime": "2024-02-01T10:00:00", "instant": "2024-02-01T10:00:00"}
EXTENSION = {"url": "http://example.org/e", "valueBoolean": True}
ACTIVE = (
    f"<div {XHTML}><script>a</script></div>", f'<div {XHTML}><p onclick="a">a</p></div>', f'<div {XHTML}><a href="javascript:a">a</a></div>',
    f"<div {XHTML}><form>a</form></div>", f'<div {XHTML}><iframe src="http://example.org"/></div>',
)  # fmt: skip
NOT_XHTML = (f"<div {XHTML}><p>a</div>", "<div>a</div>", "a", f"<p {XHTML}>a</p>", f"<div {XHTML}></div>")


@dataclass(frozen=True)
class Node:
    """One object of a resource: where it is, of which type, and what it holds."""

    path: Path
    kind: table.Type
    value: dict


@dataclass(frozen=True)
class Leaf:
    """One value of an element in a node: ``within`` is the list it is in, if it is."""

    node: Node
    element: table.Element
    name: str
    kind: str
    path: Path
    value: object

    @property
    def is_primitive(self) -> bool:
        return self.kind in table.PRIMITIVES


Fault = tuple[Path, object]
"""Where to put what; ``REMOVED`` removes."""
REMOVED = object()


def nodes(value: dict, kind: str = "", path: Path = ()) -> Iterator[Node]:
    """Every object of a resource, outermost first."""
    node = Node(path, table.types()[kind or value["resourceType"]], value)
    yield node
    for leaf in leaves(node):
        if not leaf.is_primitive and isinstance(leaf.value, dict):
            yield from nodes(leaf.value, "" if leaf.kind == "Resource" else leaf.kind, leaf.path)


def leaves(node: Node) -> Iterator[Leaf]:
    """Every value of every element of a node, one by one."""
    for element in node.kind.elements:
        for name, kind in element.names.items():
            if name not in node.value:
                continue
            given = node.value[name]
            if element.is_many:
                for index, each in enumerate(given):
                    if each is not None:
                        yield Leaf(node, element, name, kind, (*node.path, name, index), each)
            else:
                yield Leaf(node, element, name, kind, (*node.path, name), given)


def mutants(resource: dict, seed: int, each: int = 1) -> Iterator[tuple[str, str, dict]]:
    """(kind of fault, its place, the broken resource): of every kind at most ``each``, chosen by ``seed`` among all
    places it could be in."""
    found = list(nodes(resource))
    values = [leaf for node in found for leaf in leaves(node)]
    for number, (name, (of, faults)) in enumerate(FAULTS.items()):
        places = [fault for item in (found if of is Node else values) for fault in faults(item)]
        chance = random.Random(f"{seed}/{number}")
        for path, put in chance.sample(places, min(each, len(places))):
            yield name, place(path), _put(resource, path, put)


def place(path: Path) -> str:
    """A path in the way of FHIRPath, without the type before it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _put(resource: dict, path: Path, value: object) -> dict:
    made = at = copy.deepcopy(resource)
    for step in path[:-1]:
        at = at[step]
    if value is REMOVED:
        del at[path[-1]]
    else:
        at[path[-1]] = copy.deepcopy(value)
    return made


# Faults of a node


def _required(node: Node) -> Iterator[Fault]:
    for element in node.kind.elements:
        given = [name for name in element.names if name in node.value]
        if element.is_required and given and "_" + given[0] not in node.value:
            yield (*node.path, given[0]), REMOVED


def _unknown(node: Node) -> Iterator[Fault]:
    yield (*node.path, "unknownElement"), "a"


def _misspelt(node: Node) -> Iterator[Fault]:
    for name in node.value:
        if name.lower() != name and name != "resourceType":
            yield (*node.path, name.lower()), node.value[name]


def _two(node: Node) -> Iterator[Fault]:
    for element in node.kind.elements:
        if element.is_choice and any(name in node.value for name in element.names):
            for name, value in (
                ("valueString", "a"),
                ("effectiveDateTime", "2024"),
                ("onsetString", "a"),
                ("deceasedBoolean", False),
            ):
                if name in element.names and name not in node.value:
                    yield (*node.path, name), value


def _extension_both(node: Node) -> Iterator[Fault]:
    if node.kind.name == "Extension" and "extension" not in node.value:
        yield (*node.path, "extension"), [EXTENSION]


def _extension_neither(node: Node) -> Iterator[Fault]:
    if not node.value.get("extension"):
        yield (*node.path, "extension"), [{"url": "http://example.org/e"}]


def _extension_nameless(node: Node) -> Iterator[Fault]:
    if not node.value.get("extension"):
        yield (*node.path, "extension"), [{"valueBoolean": True}]


def _no_children(node: Node) -> Iterator[Fault]:
    if not node.value.get("extension"):
        yield (*node.path, "extension"), []


def _null_member(node: Node) -> Iterator[Fault]:
    for element in node.kind.elements:
        for name, kind in element.names.items():
            if element.is_many and kind in table.PRIMITIVES and name in node.value and "_" + name not in node.value:
                yield (*node.path, name), [*node.value[name], None]


def _scalar(node: Node) -> Iterator[Fault]:
    for element in node.kind.elements:
        for name in element.names:
            if element.is_many and node.value.get(name):
                yield (*node.path, name), node.value[name][0]


def _list(node: Node) -> Iterator[Fault]:
    for element in node.kind.elements:
        for name in element.names:
            if not element.is_many and name in node.value:
                yield (*node.path, name), [node.value[name]]


def _reversed(node: Node) -> Iterator[Fault]:
    if node.kind.name == "Period" and "start" in node.value:
        yield (*node.path, "end"), "0999"


def _systemless(node: Node) -> Iterator[Fault]:
    if (
        node.kind.name in ("Quantity", "Age", "Duration", "SimpleQuantity")
        and "code" in node.value
        and "system" in node.value
    ):
        yield (*node.path, "system"), REMOVED


def _no_such_type(node: Node) -> Iterator[Fault]:
    if node.kind.is_resource:
        yield (*node.path, "resourceType"), "Person2"
        yield (*node.path, "resourceType"), REMOVED
        yield (*node.path, "resourceType"), "DomainResource"


def _unused(node: Node) -> Iterator[Fault]:
    if node.path == () and "contained" not in node.value and "contained" in _names(node):
        yield ("contained",), [{"resourceType": "Basic", "id": "unused-1", "code": {"text": "a"}}]


def _names(node: Node) -> set[str]:
    return {name for element in node.kind.elements for name in element.names}


# Faults of a value


def _primitives(kinds: Iterable[str], *put: object) -> Callable[[Leaf], Iterator[Fault]]:
    kinds = frozenset(kinds)

    def faults(leaf: Leaf) -> Iterator[Fault]:
        if leaf.kind in kinds:
            for value in put:
                yield leaf.path, value

    return faults


def _by_kind(put: dict[str, str]) -> Callable[[Leaf], Iterator[Fault]]:
    def faults(leaf: Leaf) -> Iterator[Fault]:
        if leaf.kind in put:
            yield leaf.path, put[leaf.kind]

    return faults


def _bad_code(leaf: Leaf) -> Iterator[Fault]:
    if leaf.kind == "code" and leaf.element.codes:
        yield leaf.path, "no-such-code"
        yield leaf.path, str(leaf.value).upper() + "X"


def _complex(*put: object) -> Callable[[Leaf], Iterator[Fault]]:
    def faults(leaf: Leaf) -> Iterator[Fault]:
        if not leaf.is_primitive:
            for value in put:
                yield leaf.path, value

    return faults


def _null(leaf: Leaf) -> Iterator[Fault]:
    if not leaf.element.is_many or not leaf.is_primitive:
        yield leaf.path, None


def _empty_list(leaf: Leaf) -> Iterator[Fault]:
    if leaf.element.is_many:
        yield leaf.path[:-1], []


def _newline(leaf: Leaf) -> Iterator[Fault]:
    if leaf.is_primitive and isinstance(leaf.value, str) and leaf.kind not in {*TEXTS, "xhtml", "base64Binary"}:
        yield leaf.path, leaf.value + "\n"


def _target(leaf: Leaf) -> Iterator[Fault]:
    if leaf.kind == "Reference" and leaf.element.targets and "reference" in leaf.value:
        wrong = next(name for name in ("Linkage", "Basic", "Patient") if name not in leaf.element.targets)
        yield (*leaf.path, "reference"), f"{wrong}/1"
        yield (*leaf.path, "reference"), f"http://example.org/fhir/{wrong}/1"


def _typed(leaf: Leaf) -> Iterator[Fault]:
    if leaf.kind == "Reference" and leaf.element.targets and "type" not in leaf.value:
        yield (
            (*leaf.path, "type"),
            next(name for name in ("Linkage", "Basic", "Patient") if name not in leaf.element.targets),
        )


def _nowhere(leaf: Leaf) -> Iterator[Fault]:
    if leaf.kind == "Reference":
        yield (*leaf.path, "reference"), "#no-such-id"


STRINGS = tuple(table.STRINGS)
FAULTS: dict[str, tuple[type, Callable]] = {
    "a required element dropped": (Node, _required),
    "an unknown element": (Node, _unknown),
    "an element in small letters": (Node, _misspelt),
    "two values of one choice": (Node, _two),
    "an extension with value and child": (Node, _extension_both),
    "an extension with neither": (Node, _extension_neither),
    "an extension without url": (Node, _extension_nameless),
    "an empty list of extensions": (Node, _no_children),
    "a null in a list": (Node, _null_member),
    "a scalar for a list": (Node, _scalar),
    "a list for a scalar": (Node, _list),
    "a period that ends before it starts": (Node, _reversed),
    "a quantity's code without system": (Node, _systemless),
    "no such resource type": (Node, _no_such_type),
    "a contained resource nobody refers to": (Node, _unused),
    "a number for a string": (Leaf, _primitives(STRINGS, 7)),
    "an object for a string": (Leaf, _primitives(STRINGS, {"value": "a"})),
    "a string for a number": (Leaf, _primitives((*table.INTEGERS, "decimal"), "7", "seven")),
    "a string for a boolean": (Leaf, _primitives(["boolean"], "true", 1)),
    "a string for an object": (Leaf, _complex("a")),
    "a fraction for an integer": (Leaf, _primitives(table.INTEGERS, 1.5)),
    "a negative unsignedInt": (Leaf, _primitives(["unsignedInt"], -1)),
    "no positiveInt": (Leaf, _primitives(["positiveInt"], 0, -1)),
    "an integer too large": (Leaf, _primitives(table.INTEGERS, 2**31)),
    "a code outside the required set": (Leaf, _bad_code),
    "30 February": (Leaf, _by_kind(DATES)),
    "a thirteenth month": (Leaf, _by_kind(MONTHS)),
    "a time without zone": (Leaf, _by_kind(ZONELESS)),
    "a date written the English way": (Leaf, _primitives(DATES, "01/02/2024")),
    "a date with a time": (Leaf, _primitives(["date"], "2024-02-01T10:00:00Z")),
    "hour 25": (Leaf, _primitives(["time"], "25:00:00")),
    "an empty object": (Leaf, _complex({})),
    "an object of an id alone": (Leaf, _complex({"id": "a"})),
    "an empty list": (Leaf, _empty_list),
    "an empty string": (Leaf, _primitives(STRINGS, "")),
    "a string of spaces": (Leaf, _primitives(set(STRINGS) - {"xhtml"}, "  ")),
    "a null": (Leaf, _null),
    "a newline behind a value": (Leaf, _newline),
    "a space in a uri": (Leaf, _primitives(["uri", "url", "canonical"], "http://example.org/a b")),
    "a space before a code": (Leaf, _primitives(["code"], " a")),
    "an oid that is none": (Leaf, _primitives(["oid"], "1.2.3")),
    "base64 that is none": (Leaf, _primitives(["base64Binary"], "a b*c")),
    "an id too long": (Leaf, _primitives(["id"], "a" * 65)),
    "an id with an underscore": (Leaf, _primitives(["id"], "a_b")),
    "a narrative with active content": (Leaf, _primitives(["xhtml"], *ACTIVE)),
    "a narrative that is not XHTML": (Leaf, _primitives(["xhtml"], *NOT_XHTML)),
    "a reference to a type not allowed": (Leaf, _target),
    "a reference whose type is not allowed": (Leaf, _typed),
    "a local reference to nothing": (Leaf, _nowhere),
}
