"""``gateway validate``: one line a resource, in documents, lines, Bundles and streams; the exit code says whether all
of it is valid R4."""

import io
import json
import sys
from types import SimpleNamespace

import pytest

from gateway.commands import main
from gateway.fhir import files, model
from tests.fhir.resources import CODE, body, made

GOOD = '{"resourceType":"Patient"}'
BAD = '{"resourceType":"Patient","birthDate":"9990009990"}'
NOT_JSON = {"severity": "error", "code": "structure", "location": "", "message": "not JSON in UTF-8"}
DELETE = {"method": "DELETE", "url": "Patient/a"}
PRETTY = """
{
  "resourceType": "Bundle",
  "type": "collection",
  "entry": [
    {"fullUrl": "urn:a", "resource": {"resourceType": "Patient"}},
    {
      "fullUrl": "urn:b",
      "resource": {
        "resourceType": "Patient",
        "gender": "M"
      }
    }, {"fullUrl": "urn:c", "resource": {"resourceType": "Patient"}}
  ]
}
"""
CASES = {
    "a document": ("a.json", GOOD, [(1, "Patient", True)]),
    "a document over many lines": ("a.json", json.dumps(json.loads(GOOD), indent=1), [(1, "Patient", True)]),
    "a document with a byte order mark": ("a.json", "\ufeff" + GOOD, [(1, "Patient", True)]),
    "an invalid document": ("a.json", BAD, [(1, "Patient", False)]),
    "lines": ("a.ndjson", f"{GOOD}\n{BAD}\n{GOOD}\n", [(1, "Patient", True), (2, "Patient", False), (3, "Patient", True)]),
    "lines without a last newline": ("a.ndjson", f"{GOOD}\n{GOOD}", [(1, "Patient", True), (2, "Patient", True)]),
    "lines ended the Windows way": ("a.ndjson", f"{GOOD}\r\n{GOOD}\r\n", [(1, "Patient", True), (2, "Patient", True)]),
    "blank lines between": ("a.ndjson", f"\n{GOOD}\n \n{GOOD}\n\n", [(2, "Patient", True), (4, "Patient", True)]),
    "a bad line, and the rest": ("a.ndjson", f"{GOOD}\n{{bad\n{GOOD}\n", [(1, "Patient", True), (2, "", False), (3, "Patient", True)]),
    "a cut-off line, and the rest": ("a.ndjson", f"{GOOD[:-4]}\n{GOOD}\n", [(1, "", False), (2, "Patient", True)]),
    "bad lines alone": ("a.jsonl", "{bad\n[]\nbad\n", [(1, "", False), (2, "", False), (3, "", False)]),
    "lines by another name": ("a.json", f"{GOOD}\n{{bad\n{GOOD}\n", [(1, "Patient", True), (2, "", False), (3, "Patient", True)]),
    "lines by another name, the first one bad": ("a.json", f"{{bad\n{GOOD}\n", [(1, "", False), (2, "Patient", True)]),
    "a document that is not JSON": ("a.json", '{\n "resourceType": "Patient",\n}\n', [(1, "", False)]),
    "no resource type that exists": ("a.json", '{"resourceType": "9990009990"}', [(1, "", False)]),
    "nothing": ("a.json", "", [(1, "", False)]),
    "nothing, in lines": ("a.ndjson", "", [(1, "", False)]),
    "a name twice": ("a.json", '{"resourceType":"Patient","id":"9990009990","id":"a"}', [(1, "Patient", False)]),
    "a depth bomb": ("a.json", "[" * 100_000, [(1, "", False)]),
    "a Bundle": ("a.json", PRETTY, [(1, "Bundle", False), (6, "Patient", True), (9, "Patient", False), (13, "Patient", True)]),
    "Bundles in lines": (
        "a.ndjson", "\n".join([body(made("Bundle", entry=[{"resource": made("Patient")}])).decode()] * 2),
        [(1, "Bundle", True), (1, "Patient", True), (2, "Bundle", True), (2, "Patient", True)],
    ),
    "a Bundle in a Bundle": (
        "a.json", body(made("Bundle", entry=[{"resource": made("Bundle", entry=[{"resource": made("Patient")}])}])).decode(),
        [(1, "Bundle", True), (1, "Bundle", True), (1, "Patient", True)],
    ),
    "a Bundle without resources": ("a.json", body(made("Bundle", type="batch", entry=[{"request": DELETE}])).decode(), [(1, "Bundle", True)]),
    "a Bundle that is none": ("a.json", '{"resourceType":"Bundle","entry":"9990009990"}', [(1, "Bundle", False)]),
}  # fmt: skip
SHAPE = ["file", "line", "resourceType", "valid", "issues"]


@pytest.fixture
def validate(tmp_path, capsys, monkeypatch):
    """Run the verb where no settings and no store are: (exit code, what it printed, what it said of itself)."""

    def run(*words: str, stdin: bytes = b"") -> tuple[int, list[dict], str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        code = main(["validate", *words])
        out, err = capsys.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err

    return run


def summary(lines: list[dict]) -> list[tuple[int, str, bool]]:
    return [(line["line"], line["resourceType"], line["valid"]) for line in lines]


@pytest.mark.parametrize(("name", "content", "expected"), CASES.values(), ids=CASES)
def test_every_resource_has_a_line_and_the_code_says_whether_all_are_valid(validate, tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content.encode())
    code, lines, err = validate(name)
    assert summary(lines) == expected and code == (0 if all(valid for _, _, valid in expected) else 1)
    assert all(list(line) == SHAPE and line["file"] == name and line["valid"] == (not line["issues"]) for line in lines)
    assert all(list(issue) == ["severity", "code", "location", "message"] for line in lines for issue in line["issues"])
    assert "9990009990" not in json.dumps(lines) + err


@pytest.mark.parametrize(("name", "content", "expected"), [case for case in CASES.values() if case[0] == "a.json"])
def test_standard_input_is_read_like_a_file(validate, name, content, expected):
    code, lines, _ = validate("-", stdin=content.encode())
    assert summary(lines) == expected and {line["file"] for line in lines} == {"-"}
    assert code == (0 if all(valid for _, _, valid in expected) else 1)


def test_several_files_and_a_stream_are_one_run(validate, tmp_path):
    (tmp_path / "a.json").write_text(GOOD)
    (tmp_path / "b.ndjson").write_text(f"{GOOD}\n{BAD}\n")
    code, lines, _ = validate("a.json", "-", "b.ndjson", stdin=GOOD.encode())
    assert [(line["file"], line["line"]) for line in lines] == [
        ("a.json", 1),
        ("-", 1),
        ("b.ndjson", 1),
        ("b.ndjson", 2),
    ] and code == 1


@pytest.mark.parametrize("name", ["nowhere.json", "."])
def test_a_file_that_cannot_be_read_is_told_by_its_number_and_exits_2(validate, tmp_path, name):
    (tmp_path / "a.json").write_text(GOOD)
    code, lines, err = validate("a.json", name)
    assert code == 2 and summary(lines) == [(1, "Patient", True)] and err == "gateway validate: file 2 cannot be read\n"


def test_constraints_of_uk_core_are_told_and_change_neither_valid_nor_the_code(validate):
    resource = {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/a"}, "clinicalStatus": CODE}
    code, lines, _ = validate("-", stdin=body(made("Bundle", entry=[{"resource": resource}])))
    assert code == 0 and [(line["resourceType"], line["valid"]) for line in lines] == [
        ("Bundle", True),
        ("AllergyIntolerance", True),
    ]
    assert lines[1]["issues"] == [
        {"severity": "error", "code": "required", "location": "AllergyIntolerance.code", "message": "1..* in UK Core"}
    ]  # fmt: skip


def test_bytes_that_are_not_utf8_are_a_line_of_their_own(validate, tmp_path):
    (tmp_path / "a.ndjson").write_bytes(
        f"{GOOD}\n".encode() + '{"resourceType":"Patient","id":"é"}\n'.encode("latin-1") + GOOD.encode()
    )
    code, lines, _ = validate("a.ndjson")
    assert summary(lines) == [(1, "Patient", True), (2, "", False), (3, "Patient", True)] and code == 1
    assert lines[1]["issues"] == [NOT_JSON]


def test_a_line_that_is_too_large_does_not_hide_the_next(validate, tmp_path):
    large = b'{"resourceType":"Patient"' + b" " * (model.LARGEST * 2) + b"}"
    (tmp_path / "a.ndjson").write_bytes(b"\n".join([GOOD.encode(), large, GOOD.encode()]))
    code, lines, _ = validate("a.ndjson")
    assert summary(lines) == [(1, "Patient", True), (2, "", False), (3, "Patient", True)] and code == 1
    assert lines[1]["issues"][0]["code"] == "too-long"


def test_lines_are_told_before_the_stream_ends():
    class Endless(io.RawIOBase):
        def readline(self, size=-1):
            return GOOD.encode() + b"\n"

    told = files.validate_lines(["-"], Endless(), lambda resource: [])
    assert [next(told)["line"] for _ in range(3)] == [1, 2, 3]
