"""A found file names the project and the release it came from, by its pseudonyms alone."""

import csv
import json
from dataclasses import asdict

import pytest

from gateway import records
from gateway.errors import Refused
from gateway.export import asking, national_list, origin, running, same_people
from gateway.store import ledger
from tests.export.conftest import ROOT


@pytest.fixture
def releases(loaded, approved, made, tmp_path):
    """Of project "study" two releases, which have another order, and one of project "other"."""

    def release(project: str, name: str):
        job = asking.start(loaded, project, "operator", optout_days=7, root=ROOT)
        running.run(loaded, job, tmp_path / name, ROOT, workers=1)
        return job, tmp_path / name

    approved("study"), approved("other", setting="export", export_basis="agreed")
    first = release("study", "first")
    shorter = tmp_path / "shorter.csv"
    shorter.write_text("".join(made.path("optout").read_text().splitlines(keepends=True)[:-1]))
    national_list.load(loaded, shorter)
    return {"first": first, "second": release("study", "second"), "other": release("other", "other")}


def rows(folder, resource_type: str) -> list[dict]:
    return [
        json.loads(line) for path in sorted(folder.glob(f"{resource_type}.*")) for line in path.read_text().splitlines()
    ]


def persons(folder) -> list[str]:
    return list(dict.fromkeys(row["identifier"][0]["value"] for row in rows(folder, "Patient")))


def traced(store, path) -> dict:
    with store.read() as session:
        return asdict(origin.trace(session, ROOT, origin.pseudonyms(path)))


@pytest.mark.hazard("HZ-EXPORT-24")
@pytest.mark.parametrize("name", ["first", "second"])
def test_ten_rows_without_their_other_columns_name_the_project_and_the_release(loaded, releases, tmp_path, name):
    job, folder = releases[name]
    with (tmp_path / "found.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows([["", person.upper(), 7] for person in persons(folder)[:10]])
    report = traced(loaded, tmp_path / "found.csv")
    assert (report["looked_for"], report["unknown"]) == (10, 0)
    (own,) = report["origins"]
    assert (own["project"], own["key_version"], own["pseudonyms"]) == ("study", 1, 10)
    likely, less = own["releases"]
    assert (likely["release"], likely["in_order"]) == (job, 1.0) and less["in_order"] < 1


def test_ids_of_resources_alone_are_enough(loaded, releases, tmp_path):
    job, folder = releases["other"]
    (tmp_path / "found.txt").write_text(" ".join(row["id"] for row in rows(folder, "Observation")[5:15]))
    (own,) = traced(loaded, tmp_path / "found.txt")["origins"]
    assert (own["project"], own["pseudonyms"]) == ("other", 10) and own["releases"][0]["release"] == job


def test_what_was_loaded_after_a_release_was_not_in_it(loaded, releases, tmp_path, monkeypatch):
    _, folder = releases["first"]
    (tmp_path / "found.txt").write_text("\n".join(row["id"] for row in rows(folder, "Condition")[:10]))
    with loaded.read() as session:
        entries = list(ledger.entries(session))
        entries[0][1]["pins"]["as_of"] = 0  # as if the first release had been made before anything was held
        monkeypatch.setattr(ledger, "entries", lambda session: iter(entries))
        report = origin.trace(session, ROOT, origin.pseudonyms(tmp_path / "found.txt"))
    assert {release.release: release.could_hold for release in report.origins[0].releases} == {
        releases["first"][0]: 0, releases["second"][0]: 10,
    }  # fmt: skip


def test_rows_of_two_projects_in_one_file_name_both(loaded, releases, tmp_path):
    mixed = [*persons(releases["first"][1])[:3], *persons(releases["other"][1])[:5], "a" * 26]
    (tmp_path / "found.txt").write_text("\n".join(mixed))
    report = traced(loaded, tmp_path / "found.txt")
    assert [(own["project"], own["pseudonyms"]) for own in report["origins"]] == [("other", 5), ("study", 3)]
    assert report["unknown"] == 1


@pytest.mark.parametrize(
    ("own", "junk", "barren", "stopped_early"),
    [(10, 1, 5, True), (10, 1, 10**9, False), (9, 1, 5, False), (10, 2, 5, False), (10, 0, 5, False)],
    ids=["one word of junk", "not yet in vain", "too few of a project", "too many unknown", "all are met"],
)
def test_a_word_that_is_nobodys_does_not_try_all_that_is_held(
    loaded, releases, tmp_path, monkeypatch, own, junk, barren, stopped_early
):
    monkeypatch.setattr(origin, "BARREN", barren)
    words = [*persons(releases["first"][1])[:own], *(letter * 26 for letter in "ab"[:junk])]
    (tmp_path / "found.txt").write_text("\n".join(words))
    report = traced(loaded, tmp_path / "found.txt")
    assert (report["unknown"], report["stopped_early"]) == (junk, stopped_early)
    assert [(project["project"], project["pseudonyms"]) for project in report["origins"]] == [("study", own)]
    with loaded.read() as session:
        of_all = sum(1 for _ in records.nameable(session))
    assert (report["tried"] == of_all) == (junk > 0 and not stopped_early) and 0 < report["tried"] <= of_all


@pytest.mark.parametrize("text", ["", "nothing of ours", "a" * 27, "1" * 26])
def test_a_file_of_something_else_names_nobody(loaded, releases, tmp_path, text):
    (tmp_path / "found.txt").write_text(text)
    assert traced(loaded, tmp_path / "found.txt") == {
        "looked_for": 0, "unknown": 0, "origins": [], "tried": 0, "stopped_early": False,
    }  # fmt: skip


def test_another_root_key_is_refused_and_so_is_a_file_that_is_not_there(loaded, releases, tmp_path):
    with loaded.read() as session, pytest.raises(Refused, match="root key"):
        origin.trace(session, bytes(32), [b"a" * 26])
    with pytest.raises(Refused, match="cannot be read"):
        origin.pseudonyms(tmp_path / "nowhere")


def test_who_is_who_in_two_releases_is_known_to_the_holder_of_the_key_alone(loaded, releases):
    (_, first), (_, second), (_, other) = releases.values()
    with loaded.read() as session:
        entries = {folder: same_people.release_of(session, folder) for folder in (first, second, other)}
        assert same_people.is_one_key(entries[first], entries[second])
        assert not same_people.is_one_key(entries[first], entries[other])
        pairs = same_people.pairs(session, ROOT, entries[second], entries[other])
    assert {pairs[name] for name in persons(second)} == set(persons(other))
    assert set(persons(second)).isdisjoint(persons(other)) and set(persons(first)) < set(persons(second))


def test_a_folder_that_is_no_release_of_this_store_is_refused(loaded, releases, tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    for folder in (tmp_path, tmp_path / "nowhere"):
        with loaded.read() as session, pytest.raises(Refused, match="manifest"):
            same_people.release_of(session, folder)
