"""Which code sets are in force: what a new release of them hides is not shown in the meantime."""

import os
import subprocess
import sys

import pytest

from gateway.errors import Refused
from gateway.intake import take as taking
from gateway.nhs import sensitive
from gateway.nhs.codesets import SNOMED, CodeSet, CodeSets
from gateway.records import require_sets
from gateway.store.database import open_store
from tests.records.test_leaks import patient
from tests.toy import deliver, row

OLD = CodeSets((CodeSet("sensitive", {(SNOMED, "one"): "gender"}),))
NEW = CodeSets((CodeSet("sensitive", {(SNOMED, "one"): "gender", (SNOMED, "two"): "gender"}),))
OF_ANN = [row("p", patient(1, "9990000018", "Ames", "Ann"))]


def test_a_store_that_holds_nothing_is_of_any_sets(store):
    require_sets(store, OLD)
    require_sets(store, NEW)


@pytest.mark.hazard("HZ-ACCESS-14")
def test_with_other_sets_nothing_is_shown_until_every_source_is_labelled_by_them(store):
    for name in ("toy", "ward"):
        deliver(store, OF_ANN, OLD, name=name)
    require_sets(store, OLD)
    with pytest.raises(Refused, match="`gateway remap` for toy, ward$"):
        require_sets(store, NEW)
    deliver(store, [], NEW)
    with pytest.raises(Refused, match="for ward$"):
        require_sets(store, NEW)
    deliver(store, [], NEW, name="ward")
    require_sets(store, NEW)
    with pytest.raises(Refused, match="for toy, ward$"):
        require_sets(store, OLD)


def test_a_labelling_that_was_cut_off_is_not_done(store, monkeypatch):
    deliver(store, OF_ANN, OLD)
    with monkeypatch.context() as cut:
        cut.setattr(taking, "map_touched", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            deliver(store, [], NEW)
    for sets in (OLD, NEW):
        with pytest.raises(Refused):
            require_sets(store, sets)
    deliver(store, [], NEW)
    require_sets(store, NEW)


def test_a_load_that_was_cut_off_leaves_the_same_sets_in_force(store, monkeypatch):
    with monkeypatch.context() as cut:
        cut.setattr(taking, "map_touched", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            deliver(store, OF_ANN, OLD)
    require_sets(store, OLD)
    with pytest.raises(Refused):
        require_sets(store, NEW)


def test_a_live_store_needs_the_sets_that_hide(tmp_path):
    live = open_store(f"sqlite:///{tmp_path / 'gateway.db'}", create="live")
    with pytest.raises(Refused, match="code sets are missing: .*sensitive"):
        require_sets(live, OLD)
    live.close()


@pytest.mark.hazard("HZ-ACCESS-16")
def test_with_another_rule_of_labels_nothing_is_shown_until_every_source_is_labelled_by_it(store, monkeypatch):
    deliver(store, OF_ANN, OLD)
    require_sets(store, OLD)
    monkeypatch.setattr(sensitive, "WITHHELD_UNREVIEWED", sensitive.WITHHELD_UNREVIEWED | {"Immunization"})
    with pytest.raises(Refused, match="other code sets or rules: run `gateway remap` for toy$"):
        require_sets(store, OLD)
    deliver(store, [], OLD)
    require_sets(store, OLD)


def test_the_fingerprint_of_labels_is_the_same_in_every_process():
    program = (
        "from gateway.nhs import sensitive; from gateway.nhs.codesets import CodeSets; "
        "print(sensitive.labelled_by(CodeSets(())))"
    )
    prints = {
        subprocess.run(
            [sys.executable, "-c", program], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(prints) == 1
