"""The code sets that come with the gateway: well-formed, explained, and nothing licensed or invented where it should
not be."""

import csv
import tomllib
from pathlib import Path

import pytest

from gateway.errors import Refused
from gateway.nhs import codesets, optout
from gateway.nhs.codesets import REQUIRED, CodeSet, CodeSets
from gateway.terminology import sets

FOLDER = Path(__file__).parents[2] / "terminology" / "sets"
INDEX = tomllib.loads((FOLDER / "index.toml").read_text(encoding="utf-8"))
EFFECTS = {
    **REQUIRED,
    **{name: {*optout.RESTRICTIVE[name], "none"} for name in optout.SETS},
    "allergy": {"drug", "substance"},
    "no-known-allergy": {"any", "drug"},
}


def rows(file):
    with (FOLDER / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def shipped(table):
    members = {(row["system"], row["code"]): row["effect"] for row in rows(table["file"])}
    return CodeSet(
        table["name"],
        members,
        table["version"],
        table["date"],
        table["origin"],
        table.get("sandbox", False),
        frozenset(table.get("covers", ())),
    )


def verhoeff(code):
    """Whether the last digit of a SNOMED CT identifier checks."""
    d = [
        [(i + j) % 5 + 5 * ((i >= 5) ^ (j >= 5)) if i < 5 else (i - j) % 5 + 5 * (j < 5) for j in range(10)]
        for i in range(10)
    ]
    p = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
    for _ in range(6):
        p.append([p[1][each] for each in p[-1]])
    check = 0
    for place, digit in enumerate(reversed(code)):
        check = d[check][p[place % 8][int(digit)]]
    return check == 0


def test_every_file_has_a_table_and_every_table_a_file_that_says_where_it_comes_from():
    assert {table["file"] for table in INDEX.values()} == {path.name for path in FOLDER.glob("*.csv")}
    for table in INDEX.values():
        assert all(table[name] for name in ("name", "version", "date", "origin", "licence"))


@pytest.mark.parametrize("name", INDEX)
def test_a_set_has_the_four_columns_known_effects_and_no_code_twice(name):
    found = rows(INDEX[name]["file"])
    assert found and all(list(row) == ["system", "code", "display", "effect"] and all(row.values()) for row in found)
    assert len({(row["system"], row["code"]) for row in found}) == len(found)
    assert {row["effect"] for row in found} <= set(EFFECTS[INDEX[name]["name"]])


def test_snomed_codes_have_their_check_digit():
    codes = [row["code"] for table in INDEX.values() for row in rows(table["file"]) if row["system"] == codesets.SNOMED]
    assert codes and all(verhoeff(code) for code in codes)


def test_what_is_invented_says_so_in_every_row():
    for table in INDEX.values():
        for row in rows(table["file"]):
            assert row["display"].startswith("SANDBOX ONLY") == table.get("sandbox", False)


def test_the_sandbox_has_every_category_and_a_live_store_lacks_exactly_what_is_licensed():
    every = tuple(shipped(table) for table in INDEX.values())
    assert codesets.missing(CodeSets(every)) == ("sensitive", "legal")
    real = tuple(CodeSet(each.name, each.members, each.version, each.date, each.origin) for each in every)
    assert codesets.missing(CodeSets(real)) == ()


def write_own(folder: Path, **changes) -> Path:
    folder.mkdir()
    made = {"sensitive": REQUIRED["sensitive"], "legal": REQUIRED["legal"]}
    tables = []
    for name, effects in made.items():
        rows_ = "".join(
            f"http://snomed.info/sct,{name}{number},a term,{effect}\n" for number, effect in enumerate(sorted(effects))
        )
        (folder / f"{name}.csv").write_text("system,code,display,effect\n" + rows_, encoding="utf-8")
        about = {
            "name": name,
            "file": f"{name}.csv",
            "version": "1",
            "date": "2026-01-01",
            "origin": "a release",
            **changes,
        }
        tables.append(f"[{name}]\n" + "".join(f'{key} = "{value}"\n' for key, value in about.items() if value))
    (folder / "index.toml").write_text("\n".join(tables), encoding="utf-8")
    return folder


def test_a_live_store_brings_the_sets_that_are_not_distributed(tmp_path):
    assert codesets.missing(sets.load(sandbox=False)) == ("sensitive", "legal")
    assert codesets.missing(sets.load(sandbox=False, own=write_own(tmp_path / "own"))) == ()


@pytest.mark.parametrize("changes", [{"file": "absent.csv"}, {"version": ""}, {"name": ""}])
def test_a_set_of_ones_own_that_cannot_be_read_is_refused_by_its_place(tmp_path, changes):
    with pytest.raises(Refused, match="table 1 of index.toml"):
        sets.load(sandbox=False, own=write_own(tmp_path / "own", **changes))
    with pytest.raises(Refused, match="index.toml cannot be read"):
        sets.load(sandbox=False, own=tmp_path / "absent")
