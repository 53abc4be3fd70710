"""What the documents say is so: settings, commands, paths, links, sets, the contract of a source, and the source they
show."""

import csv
import datetime
import inspect
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

import mappings
from gateway import __version__, commands, config
from gateway.commands import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDES = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not {".venv", "node_modules", "build"} & set(path.relative_to(ROOT).parts) and "egg-info" not in str(path)
)


def section(text: str, title: str) -> str:
    return re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", text, re.M | re.S)[1]


def table(text: str) -> list[list[str]]:
    """The rows of the first table of a text, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def verbs() -> dict[str, TyperCommand | TyperGroup]:
    return acts(typer.main.get_command(commands.application()))


def acts(command: TyperCommand | TyperGroup) -> dict[str, TyperCommand | TyperGroup]:
    return getattr(command, "commands", {})


# README


def test_the_table_of_settings_is_the_settings():
    def default(value: object) -> str:
        text = {None: "", False: "0", (): ""}.get(value, str(value))
        return f"`{text}`" if text else ""

    said = [
        [f"`GATEWAY_{field.name.upper()}`", default(field.default), field.metadata["help"]]
        for field in fields(config.Settings)
    ]
    assert table(section(README, "Configuration")) == said


def test_the_table_of_commands_has_every_verb_and_no_other():
    rows = [row[0] for row in table(section(README, "Commands"))]
    assert sorted(row.split()[1].strip("`") for row in rows) == sorted(verbs())


@pytest.mark.parametrize("row", table(section(README, "Commands")), ids=lambda row: row[0].split()[1].strip("`"))
def test_a_command_is_written_with_options_and_acts_that_there_are(row):
    verb = row[0].split()[1].strip("`")
    command = verbs()[verb]
    options = {
        option for part in (command, *acts(command).values()) for parameter in part.params for option in parameter.opts
    }
    assert set(re.findall(r"--[a-z-]+", row[0])) <= options
    assert set(acts(command)) <= set(re.findall(r"[a-z]+", row[0])), "an act is not told"


@pytest.mark.parametrize("name", ["demo", "test"])
def test_a_first_command_is_one_line_in_an_environment_of_its_own(name):
    block = re.search(rf"<!-- {name} command -->\n```sh\n(.*?)```", README, re.S)[1]
    assert len(block.splitlines()) == 1
    assert block.startswith("python3 -m venv .venv && .venv/bin/pip install -q ")


def test_the_map_names_what_there_is_and_all_of_it():
    told = set(
        re.findall(r"`([a-z_]+(?:/[a-z_.]+)?)`", "".join(row[0] for row in table(section(README, "Architecture"))))
    )
    assert not [name for name in told if not (ROOT / name).exists()]
    rooms = {
        f"gateway/{path.name}"
        for path in (ROOT / "gateway").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert rooms - told == {"gateway/__init__.py", "gateway/__main__.py"}
    assert {"mappings", "terminology", "tests"} <= told


def test_the_glossary_holds_the_words_that_have_one_meaning():
    words = {word.strip() for row in table(section(GUIDES, "Glossary")) for word in row[0].split(",")}
    assert {
        "source",
        "publisher",
        "feed",
        "row",
        "group",
        "resource",
        "record",
        "person",
        "label",
        "caller",
        "limit",
        "project",
        "summary",
    } <= words


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path):
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http://", "https://", "#")):
            assert (path.parent / target.partition("#")[0]).exists(), target


READ_FIRST = (
    "Quick start", "What it does", "What it does not do", "Architecture", "Commands", "Configuration", "Security",
    "Performance", "Contributing", "Licence",
)  # fmt: skip


def test_the_readme_tells_what_it_is_shows_it_and_has_the_order_that_people_expect():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.match(r"# .+\n\n[A-Z].+?\n\n!\[.+?\]\(docs/images/.+?\)\n\n", text, re.S), "words, then a picture"
    headings = re.findall(r"^## (.+)$", text, re.M)
    assert [heading for heading in headings if heading in READ_FIRST] == list(READ_FIRST)


# Changes and decisions


def test_the_changelog_tells_this_version_and_every_command():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(__version__)}\b", text, re.M)
    assert all(f"`{verb}`" in text or f"`gateway {verb}`" in text for verb in verbs())


def test_the_version_is_said_once():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"] == __version__


def test_decisions_are_dated_newest_first_and_short():
    text = (ROOT / "gateway" / "DECISIONS.md").read_text(encoding="utf-8")
    found = re.findall(r"^## (\d{4}-\d\d-\d\d): (\S.*)\n\n((?:.+\n)+)", text, re.M)
    assert len(found) == text.count("\n## ") > 10
    dates = [datetime.date.fromisoformat(date) for date, _, _ in found]
    assert dates == sorted(dates, reverse=True)
    assert not [title for _, title, body in found if not 3 <= len(body.splitlines()) <= 6]


# Sources and sets

SOURCES = (ROOT / "mappings" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", [mappings.Source, mappings.Row])
def test_the_contract_of_a_source_is_told_whole(kind):
    missing = [name for name in inspect.signature(kind).parameters if f"`{name}`" not in SOURCES]
    assert not missing


def test_the_table_of_sources_is_what_there_is():
    told = {re.match(r"\[`(\w+)`\]", row[0])[1]: row[1] for row in table(SOURCES[SOURCES.index("| Source |") :])}
    assert told == {
        name: {"gp": "GP", "social-care": "social care"}.get(each.kind, each.kind)
        for name, each in mappings.sources().items()
    }
    for name in told:
        assert (ROOT / "mappings" / name / "README.md").is_file() and list(
            (ROOT / "mappings" / name / "samples").iterdir()
        ), name


def test_the_source_the_readme_shows_can_be_loaded(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "sources" / "ward_list"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(re.search(r"```python\n(.*?)```", SOURCES, re.S)[1], encoding="utf-8")
    sent = tmp_path / "sent.csv"
    sent.write_text(
        "trust,number,family,born,sent\nRZZ,H1,Ash,1960-01-15,1\nRZZ,,Birch,1961-02-16,1\nRZZ,H3,Cedar,16/02/1961,1\n"
    )
    monkeypatch.setattr(mappings, "__path__", [*mappings.__path__, str(tmp_path / "sources")])
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    assert main(["init", "sandbox"]) == 0
    assert main(["load", "ward_list", str(sent)]) == 1
    told = capsys.readouterr().out
    assert "column number" in told and "column born" in told and "Cedar" not in told
    sent.write_text("trust,number,family,born,sent\nRZZ,H1,Ash,1960-01-15,1\nRZZ,H3,Cedar,1961-02-16,2\n")
    assert main(["load", "ward_list", str(sent)]) == 0


TERMS = (ROOT / "terminology" / "README.md").read_text(encoding="utf-8")


def test_the_table_of_sets_is_the_sets_that_are_shipped():
    rows = table(section(TERMS, "The sets"))
    told = {
        name: row for row in rows for name in re.findall(r"`([a-z0-9-]+)`", row[0]) if "not distributed" not in row[3]
    }
    shipped = {path.stem for path in (ROOT / "terminology" / "sets").glob("*.csv")}
    assert set(told) == shipped
    assert set(tomllib.loads((ROOT / "terminology" / "sets" / "index.toml").read_text(encoding="utf-8"))) == shipped
    for name, row in told.items():
        with (ROOT / "terminology" / "sets" / f"{name}.csv").open(encoding="utf-8") as file:
            effects = {each["effect"] for each in csv.DictReader(file)}
        if not row[1].startswith("as "):
            assert effects == set(re.findall(r"`([a-z0-9-]+)`", row[1])), name


def test_the_table_of_maps_is_the_maps_that_are_shipped():
    told = {row[0].strip("`") for row in table(section(TERMS, "The maps"))}
    assert told == {path.stem for path in (ROOT / "terminology" / "maps").glob("*.csv")}


# The image


def test_the_image_serves_as_an_ordinary_user_and_holds_no_data():
    last = (ROOT / "Dockerfile").read_text(encoding="utf-8").rpartition("\nFROM ")[2]
    assert last.startswith("python:3") and "-slim" in last.splitlines()[0]
    assert re.search(r"^USER (?!root)\w+", last, re.M) and 'CMD ["serve"' in last and "GATEWAY_DATA_DIR=/data" in last
    kept_out = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in kept_out and not {"!tests", "!.git", "!gateway-data"} & set(kept_out)
