"""Narrative: a subset of XHTML without anything active (txt-1, txt-2)."""

from __future__ import annotations

import re
from html.entities import name2codepoint
from xml.etree import ElementTree

TAGS = frozenset(
    "a abbr acronym b bdo big blockquote br caption cite code col colgroup dd del dfn div dl dt em h1 h2 h3 h4 h5 "
    "h6 hr i img ins kbd "
    "li map area ol p pre q s samp small span strong strike sub sup table tbody td tfoot th thead tr tt u ul "
    "var".split()
)
ATTRIBUTES = frozenset(
    "abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff "
    "charset cite class colspan "
    "coords dir frame headers height href hreflang id lang longdesc name nohref noshade nowrap rel rev rowspan "
    "rules scope shape span "
    "src style summary tabindex title type usemap valign value width xmlns".split()
)
XHTML = "{http://www.w3.org/1999/xhtml}"
ACTIVE = ("javascript:", "vbscript:", "data:")
_TAGS = frozenset(XHTML + tag for tag in TAGS)
_ENTITY = re.compile(r"&(?!(?:lt|gt|amp|quot|apos);)([A-Za-z][A-Za-z0-9]*);")
"""An entity that XML does not define itself. XHTML defines those of HTML 4 and no others."""


def fault(div: str) -> str:
    """https://hl7.org/fhir/R4/narrative.html#xhtml

    Why a narrative is not the safe subset of XHTML, or "".

    >>> fault('<div xmlns="http://www.w3.org/1999/xhtml">a</div>'), fault('<div>a</div>')[:5]
    ('', 'txt-1')
    """
    if "<!" in div.replace("<!--", "") or "<?" in div:
        return "txt-1: no declarations in a narrative"
    try:
        root = ElementTree.fromstring(_ENTITY.sub(_defined, div))
    except (ElementTree.ParseError, RecursionError, ValueError):
        return "txt-1: not well-formed XHTML"
    if root.tag != XHTML + "div":
        return "txt-1: a div of the XHTML namespace is needed"
    if not {element.tag for element in root.iter()} <= _TAGS:
        return "txt-1: an element that a narrative may not hold"
    if not all(
        _is_passive(*attribute) for element in root.iter() if element.attrib for attribute in element.attrib.items()
    ):
        return "txt-1: an attribute that a narrative may not hold"
    if not len(root) and not "".join(root.itertext()).strip():
        return "txt-2: a narrative has some content"
    return ""


def _defined(entity: re.Match[str]) -> str:
    """The character of an entity of XHTML; as it is where there is no such one, which the parser refuses."""
    return chr(name2codepoint[entity[1]]) if entity[1] in name2codepoint else entity[0]


def _is_passive(name: str, value: str) -> bool:
    """Whether an attribute does nothing. A browser reads ``java\\tscript:`` as if the tab were not there, so we do."""
    name, address = name.rpartition("}")[2], "".join(value.split()).lower()
    return name in ATTRIBUTES and (
        not address.startswith(ACTIVE) or (name == "src" and address.startswith("data:image/"))
    )
