"""The mapping documents are what the sources do with their samples, and say of a column neither more nor less."""

import json
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path

import pytest

from gateway.commands import main
from gateway.errors import Invalid
from gateway.explain import mapping_document, trials
from gateway.explain.mapping_document import DECIDES, LEFT_OUT, NOTHING, REACHES, READS
from gateway.fhir import build
from mappings import Feed, Publisher, Reject, Row, Source, sources, vocabulary
from mappings.readers.cells import csv_cells
from mappings.readers.csv import csv_rows
from mappings.readers.files import File

HOME = Path(__file__).parents[2] / "mappings"
MEASURED = sorted(name for name, source in sources().items() if source.cells)
PROFILE = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient"
TEXT = """number,family,sex,ward,time,gone,spare,unit
1,Hart,MALE,A,5,,x,mmHg
2,Lea,FEMALE,B,6,,y,mmHg
"""


@cache
def explained(name: str) -> mapping_document.Explanation:
    return mapping_document.Explanation(sources()[name], trials.measure(trials.open_samples(sources()[name])))


LONG = {"cds", "gp_connect", "hl7v2", "tpp"}
"""Sources whose samples take long to measure."""
EACH = [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in MEASURED]


@pytest.mark.parametrize("name", EACH)
def test_the_document_of_a_source_is_what_its_samples_show(name, golden):
    golden(HOME / name / "explained.md", mapping_document.markdown(explained(name)))


def test_every_source_has_a_document():
    assert sorted(sources()) == MEASURED


def test_what_is_known_of_emis_is_measured():
    effects = explained("emis").effects
    assert effects["Admin_Patient", "Sex"].elements == ["Patient.gender"]
    hidden = effects["CareRecord_Observation", "IsConfidential"].elements
    assert "Condition.meta.security" in hidden and "Observation.meta.security" in hidden
    assert effects["CareRecord_Consultation", "ConsultationSourceTerm"].tables == {"codes_consultation.csv"}


# A source of one file, of which all is known


def _read(file, feed):
    for item in csv_rows(file):
        if isinstance(item, Reject):
            yield item
        elif not item[1]["number"].isdigit():
            yield Reject(f"line {item[0]}", "column number")
        else:
            values = item[1]
            yield Row("T", values["number"], values["ward"] or "none", int(values["time"] or 0), values,
                      groups=(values["number"],), deleted=values["gone"] == "1")  # fmt: skip


def _to_fhir(group, look):
    patients = []
    for row in group.of("T"):
        if row.values["family"] == "":
            raise Invalid("column family")
        fields = {"name": [{"family": row.values["family"]}], "gender": row.values["sex"].lower()}
        if vocabulary.unit(row.values["unit"]).get("code"):
            fields["active"] = True
        patients.append(build.resource("Patient", look.id("Patient", row.key, "all"), PROFILE, **fields))
    return patients


TOY = Source(
    "toy", "hospital", "Toy", "1", lambda path, feed: [], _read, _to_fhir, cells=lambda file, feed: csv_cells(file, "T", "utf-8"),
    publisher=lambda row: Publisher(row.publisher), unmapped=lambda table, column: "nobody needs it" if column == "spare" else "",
)  # fmt: skip


@pytest.fixture(scope="module")
def toy() -> mapping_document.Explanation:
    file = File(Path("t.csv"), encodings=("utf-8",), content=TEXT.encode())
    samples = trials.Samples(TOY, Feed(), [file], [list(_read(file, Feed()))])
    return mapping_document.Explanation(TOY, trials.measure(samples))


@pytest.mark.parametrize(
    ("column", "kind", "elements", "other", "tables"),
    [
        ("number", DECIDES, [], {"names the row", "refuses the row"}, set()),
        ("family", REACHES, ["Patient.name.family"], {"holds the group back"}, set()),
        ("sex", REACHES, ["Patient.gender"], set(), set()),
        ("time", READS, [], {"says which row is the newest"}, set()),
        ("gone", DECIDES, [], set(), set()),
        ("spare", LEFT_OUT, [], set(), set()),
        ("unit", REACHES, ["Patient.active"], set(), {"terminology/maps/ucum.csv"}),
    ],
)
def test_a_column_is_said_to_do_what_it_does(toy, column, kind, elements, other, tables):
    effect = toy.effects["T", column]
    assert (toy.kind(("T", column)), effect.elements, effect.other, effect.tables) == (kind, elements, other, tables)


def test_a_column_without_effect_and_without_reason_is_named_on_top(toy):
    bare = mapping_document.Explanation(trials.replace(TOY, unmapped=lambda table, column: ""), toy.effects)
    assert bare.counts[NOTHING] == 1 and "**T** spare." in mapping_document.markdown(bare)
    assert toy.counts[NOTHING] == 0 and "nobody needs it" in mapping_document.markdown(toy)


def test_a_table_is_learnt_again_after_it_was_unlearnt():
    assert vocabulary.unit("mmHg")["code"] == "mm[Hg]"
    with pytest.raises(ZeroDivisionError), vocabulary.unlearning("terminology", "maps/ucum"):
        assert "code" not in vocabulary.unit("mmHg")
        raise ZeroDivisionError
    assert vocabulary.unit("mmHg")["code"] == "mm[Hg]"


def test_samples_with_their_rows_in_another_column_order_say_the_same(toy):
    turned = "\n".join(",".join(reversed(line.split(","))) for line in TEXT.splitlines()) + "\n"
    file = File(Path("t.csv"), encodings=("utf-8",), content=turned.encode())
    effects = trials.measure(trials.Samples(TOY, Feed(), [file], [list(_read(file, Feed()))]))
    assert effects == toy.effects


# The command


def test_the_page_is_one_file_with_every_table(tmp_path, capsys):
    path = tmp_path / "cld.html"
    assert main(["explain", "cld", "--html", str(path)]) == 0
    page = path.read_text(encoding="utf-8")
    root = ET.fromstring(page.replace("<!DOCTYPE html>", "").replace("<meta charset=\"utf-8\">", "").replace('initial-scale=1">', 'initial-scale=1"/>'))  # fmt: skip
    assert "src=" not in page and "href=" not in page and len(root.findall(".//table")) == 2
    assert capsys.readouterr().out == ""


def test_the_json_has_every_column(capsys):
    assert main(["explain", "fhir", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["counts"] == explained("fhir").counts
    assert sum(told["counts"].values()) == len(told["columns"]) > 50


def test_an_unknown_source_is_refused(capsys):
    assert main(["explain", "none"]) == 2
    assert "there are" in capsys.readouterr().err


def test_a_source_without_samples_or_cells_is_refused():
    with pytest.raises(Exception, match="cannot be taken apart"):
        trials.open_samples(trials.replace(sources()["fhir"], cells=None))
