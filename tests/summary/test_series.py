"""Tests over time: what may stand in one line, what is drawn and what is joined."""

from decimal import Decimal

import pytest

from gateway.fhir.build import resource
from gateway.nhs.summary.sections.results import REPORT_IN_ERROR
from gateway.nhs.summary.series import SEE_NOTE, SEE_REPORT, series
from gateway.summary.page import summary_page
from gateway.summary.plot import plot
from tests.nhs.records import ALL, TRUST, coded, held, record, result

SYSTOLIC, DIASTOLIC = coded("Systolic", "271649006"), coded("Diastolic", "271650006")


def taken(id_: str, day: str, value="5.1", **more) -> dict:
    return result(id_, Decimal(value), **{"effectiveDateTime": f"2026-{day}T09:00:00+00:00", **more})


def quantity(value: str, unit: str = "mmol/L", **more) -> dict:
    return {"valueQuantity": {"value": Decimal(value), "unit": unit, **more}}


def pressure(id_: str, day: str, high: int, low: int) -> dict:
    parts = [{"code": SYSTOLIC, **quantity(str(high), "mmHg")}, {"code": DIASTOLIC, **quantity(str(low), "mmHg")}]
    code = coded("Blood pressure", "75367002")
    return resource("Observation", id_, status="final", code=code, effectiveDateTime=f"2026-{day}", component=parts)


def report(id_: str, *results: str, words: str = "Urea and electrolytes", **more) -> dict:
    return resource(
        "DiagnosticReport",
        id_,
        **{
            "status": "final",
            "code": {"text": words},
            "result": [{"reference": f"Observation/{name}"} for name in results],
            **more,
        },
    )


def done_by(name: str) -> dict:
    return {"performer": [{"display": name}]}


def ranged(unit: str) -> dict:
    return {"referenceRange": [{end: {"value": bound, "unit": unit} for end, bound in (("low", 3500), ("high", 5300))}]}


COMMENT = [{"url": "urn:x/DiagnosticReport.note", "valueAnnotation": {"text": "Haemolysed"}}]


@pytest.mark.hazard("HZ-SUMMARY-53")
@pytest.mark.parametrize(
    "others, lines",
    [
        ([taken("b", "02-02")], 1),
        ([taken("b", "02-02", words="Sodium", code="1000661000000107")], 2),
        ([{**taken("b", "02-02"), **quantity("5100", "umol/L")}], 2),
        ([held(taken("b", "02-02"), TRUST)], 2),
        ([taken("b", "02-02", specimen={"display": "Urine"})], 2),
        ([taken("b", "02-02"), report("r", "b")], 1),
        ([taken("b", "02-02"), report("r", "a", **done_by("Lab A")), report("s", "b", **done_by("Lab B"))], 2),
        ([taken("b", "02-02"), report("r", "a", **done_by("Lab A")), report("s", "b", **done_by("Lab A"))], 1),
        ([taken("b", "02-02", performer=[{"reference": "Organization/lab"}])], 2),
        ([taken("b", "02-02", performer=[{"reference": "Practitioner/a", "display": "Dr Green"}])], 1),
    ],
    ids=[
        "the same",
        "another code",
        "another unit",
        "another source",
        "another specimen",
        "in another report",
        "another laboratory by its report",
        "one laboratory",
        "another laboratory by its result",
        "another clinician",
    ],
)
def test_one_line_is_of_one_code_one_unit_one_specimen_and_one_source(others, lines):
    tests = series(record(taken("a", "02-01"), *others))
    assert len(tests) == lines
    assert sum(len(test.points) for test in tests) == 2


def test_the_last_five_of_a_test_are_told_newest_first_with_the_range_last_sent():
    days = [f"01-{day:02}" for day in range(1, 8)]
    made = [
        taken(f"o{day}", day, f"4.{day[-1]}", referenceRange=[{"low": {"value": 3}, "high": {"value": 5}}])
        for day in days
    ]
    (test,) = series(record(*made))
    assert [point.words for point in test.points] == [f"4.{day} mmol/L" for day in (7, 6, 5, 4, 3)]
    assert (test.more, test.range_words, test.unit) == (True, "range 3 to 5", "mmol/L")


def test_a_long_report_in_words_is_named_by_its_report_and_is_not_cut():
    long = result("o", None, words="Report", valueString="No focal lesion. " * 9)
    (test,) = series(record(long, report("r", "o", words="Chest X-ray")))
    assert (test.title, test.points[0].words) == ("Chest X-ray", SEE_REPORT)


@pytest.mark.hazard("HZ-SUMMARY-53")
@pytest.mark.parametrize(
    "others, flags, shape",
    [
        ([report("r", "b", "z", status="preliminary")], ("report: preliminary",), "cross"),
        ([report("r", "b", "z", status="cancelled")], ("report cancelled",), "cross"),
        ([report("r", "b", "z", status="corrected")], ("report: corrected",), "dot"),
        ([report("r", "b", status="entered-in-error")], (REPORT_IN_ERROR,), "cross"),
        ([report("r", "b", status="entered-in-error"), report("s", "b")], (), "dot"),
        ([report("r", "b", "z")], (), "dot"),
    ],
    ids=["preliminary", "cancelled", "corrected", "in error", "in error and in another", "final"],
)
def test_what_a_report_says_of_itself_stands_with_its_results(others, flags, shape):
    (test,) = series(record(taken("a", "01-01", "5"), taken("b", "01-02", "6"), taken("c", "01-03", "7"), *others))
    assert [point.flags for point in test.points] == [(), flags, ()]
    drawing = plot(test)
    assert drawing.marks[1].shape == shape
    first, middle, last = drawing.marks
    joined = [(line[0], line[2]) for line in drawing.lines]
    assert joined == ([(first.x, last.x)] if shape == "cross" else [(first.x, middle.x), (middle.x, last.x)])


@pytest.mark.hazard("HZ-SUMMARY-53")
@pytest.mark.parametrize(
    "others, points",
    [
        ([taken("b", "01-02", "6.9")], [("6.9", (), "dot")]),
        ([taken("b", "01-02", "6.9", status="preliminary")], [("6.9", (), "dot")]),
        ([taken("b", "01-02", "5.0", status="preliminary")], [("6.9", (), "dot"), ("5.0", ("preliminary",), "cross")]),
        ([taken("b", "01-02", "5.0", status="corrected")], [("5.0", ("corrected",), "square"), ("6.9", (), "dot")]),
        ([taken("b", "01-02", "6.9", interpretation=[{"text": "High"}])], [("6.9", ("High",), "dot")]),
    ],
    ids=["sent twice", "preliminary and final", "preliminary of another value", "corrected", "flagged once"],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_one_result_sent_twice_is_one_point_and_the_settled_one_leads(others, points, is_first):
    both = [taken("a", "01-02", "6.9"), *others]
    (test,) = series(record(taken("c", "01-01", "4"), *(both if is_first else reversed(both))))
    shapes = [mark.shape for mark in reversed(plot(test).marks)]
    shown = [(point.words, point.flags, shape) for point, shape in zip(test.points, shapes)]
    assert shown == [*((f"{value} mmol/L", flags, shape) for value, flags, shape in points), ("4 mmol/L", (), "dot")]


@pytest.mark.hazard("HZ-SUMMARY-53")
@pytest.mark.parametrize(
    "unit, words, band",
    [
        ("umol/L", "range 3500 micromol/L to 5300 micromol/L", (None, None)),
        ("mmol/L", "range 3500 to 5300", (3500, 5300)),
        ("", "range 3500 to 5300", (3500, 5300)),
    ],
)
def test_a_range_in_another_unit_says_so_and_is_not_drawn(unit, words, band):
    (test,) = series(record(taken("a", "01-01", **ranged(unit))))
    assert (test.range_words, (test.low, test.high)) == (words, band)


@pytest.mark.hazard("HZ-SUMMARY-53")
@pytest.mark.parametrize(
    "more, extra, remark",
    [
        ({"note": [{"text": "HAEMOLYSED - unreliable"}]}, [], "Note: HAEMOLYSED - unreliable"),
        ({"note": [{"text": "long " * 40}]}, [], SEE_NOTE),
        ({}, [report("r", "a", "z", extension=COMMENT)], "Report comment: Haemolysed"),
        ({}, [], ""),
    ],
    ids=["its own", "a long one", "of its report", "none"],
)
def test_a_comment_stands_with_the_value_and_on_the_page(more, extra, remark):
    given = record(taken("a", "01-01", "6.9", **more), *extra)
    (test,) = series(given)
    assert test.points[0].remark == remark
    cell = summary_page(given).partition('<td class="newest">')[2].partition("</td>")[0]
    assert ('class="remark"' in cell) == bool(remark) and remark in cell


def test_who_may_not_see_results_has_no_tests():
    assert series(record(taken("a", "02-01"), sections=ALL - {"results"})) == []


@pytest.mark.hazard("HZ-SUMMARY-53")
def test_a_bound_is_open_and_joins_nothing_and_a_correction_is_square():
    made = (
        taken("a", "01-01", "9"),
        {**taken("b", "01-02"), **quantity("5", comparator="<")},
        taken("c", "01-03", "7", status="corrected"),
        taken("d", "01-04", "8"),
    )
    (test,) = series(record(*made))
    drawing = plot(test)
    assert [mark.shape for mark in drawing.marks] == ["dot", "open", "square", "dot"]
    assert len(drawing.lines) == 1 and drawing.lines[0][0] == drawing.marks[2].x


@pytest.mark.hazard("HZ-SUMMARY-53")
@pytest.mark.parametrize(
    "values, least, most",
    [(("130", "90"), 0.6, 1.0), (("4.9", "4.8"), 0.05, 0.3), (("5", "5"), 0.0, 0.0), (("0", "0"), 0.0, 0.0)],
    ids=["a fall is seen", "noise is not magnified", "no change", "nought"],
)
def test_the_scale_neither_hides_a_change_nor_makes_one(values, least, most):
    far = [{"low": {"value": 0}, "high": {"value": 1000}}]
    (test,) = series(
        record(
            *(taken(f"o{place}", f"01-0{place}", value, referenceRange=far) for place, value in enumerate(values, 1))
        )
    )
    first, last = plot(test).marks
    assert least <= (last.y - first.y) / 110 <= most


def test_a_blood_pressure_is_a_bar_with_two_ends():
    (test,) = series(record(pressure("a", "01-01", 150, 90), pressure("b", "01-02", 132, 85)))
    drawing = plot(test)
    assert [point.words for point in test.points] == ["132/85 mmHg", "150/90 mmHg"]
    assert all(mark.low > mark.y for mark in drawing.marks) and drawing.lines == ()


@pytest.mark.parametrize(
    "made", [[taken("a", "01-01")], [taken("a", "01-01"), taken("b", "01-02", effectiveDateTime="")], []]
)
def test_fewer_than_two_dated_numbers_are_no_trend(made):
    assert [plot(test) for test in series(record(*made))] == [None] * min(len(made), 1)
