"""Values of lists: SystmOne sends the number of a word, and the words in SRMapping and SRConfiguredListOption."""

from __future__ import annotations

from mappings import Look, Row
from mappings.tpp.tables import CENTRAL, CONTENT, CTV3, MAPPING, OPTION
from mappings.vocabulary import by_word

_WORDS_OF = {MAPPING: "Mapping", OPTION: "ConfiguredListOption", CONTENT: "Name"}


def word(row: Row, column: str, look: Look, table: str = MAPPING) -> str:
    """Return the word of a column, "" for none. An extract can be set up to send the words themselves. A number whose
    word has not arrived is counted and shown to nobody: the row is mapped again when it comes."""
    text: str = row.values.get(column, "").strip()
    if not text or text.startswith("-"):
        return ""
    if not text.isdigit():
        return text
    entry = look.row(table, text, CENTRAL)
    if entry is None:
        look.unlisted(row.table, column, text)
        return ""
    written: str = entry.values[_WORDS_OF[table]]
    return written.strip()


def term(code: str, look: Look) -> str:
    """Return the term of a CTV3 code, "" where SRCtv3 has not said it."""
    entry = look.row(CTV3, code, CENTRAL) if code else None
    written: str = entry.values["Ctv3Text"] if entry else ""
    return written.strip()


def coded(name: str, text: str, target: str = "code") -> str:
    """Return the target of a word in ``codes_<name>.csv`` (first column is the key), "" where no row has it. Case plays
    no part."""
    return by_word(__package__, f"codes_{name}", target).get(text.strip().casefold(), "")


def is_listed(name: str, text: str) -> bool:
    """Whether ``codes_<name>.csv`` has a word."""
    return text.strip().casefold() in by_word(__package__, f"codes_{name}")
