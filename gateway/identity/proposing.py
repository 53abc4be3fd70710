"""Proposes records that may be one person's, with Splink: probabilities and reasons for the review, and no more.

The model is Fellegi and Sunter's, trained on the store's own records as Splink recommends: how often two records match
by strict rules, how often fields agree by chance from random pairs, how often they agree for one person by expectation
maximisation. https://moj-analytical-services.github.io/splink/
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NamedTuple

from gateway.errors import Refused
from gateway.nhs import identity, labels
from gateway.nhs.identity import Evidence
from gateway.store import identities, labelling, proposals, reviewed
from gateway.store.changes import record_write
from gateway.store.database import Store

MODEL = "splink"
LEAST_RECORDS = 100
"""Fewer teach a model nothing: nothing is proposed."""
LEAST_PROBABILITY = 0.95
"""From here a pair is proposed. Measured in ``docs/privacy-officer.md``."""
MOST_PAIRS = 1_000_000
"""Random pairs from which agreement by chance is estimated."""
SEED = 20260101
"""The same records give the same proposals."""
RECALL = 0.7
"""The share of matching pairs that the strict rules are taken to find."""


class Field(NamedTuple):
    """A field that is compared: its column, its name in a reason, and the level that means "the same"."""

    column: str
    name: str
    same: int


FIELDS = (
    Field("given", "given name", 4),
    Field("family", "surname", 4),
    Field("born", "birth date", 5),
    Field("sex", "sex", 1),
    Field("postcode", "postcode", 4),
)
BLOCKS = (("family", "born"), ("given", "born"), ("given", "family"), ("postcode", "born"), ("given", "postcode"))
"""Only pairs that agree in both fields of a block are compared."""
STRICT = (("given", "family", "born"), ("family", "born", "postcode"), ("given", "born", "postcode"))
"""Rules by which two records surely match, nearly always."""
TRAINED_BY = (("given", "family"), ("born",))
"""Blocks in which agreement is learnt: each teaches the fields that it does not hold fixed."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records by their keys, how probably they are one person's, and why, field by field, without values."""

    first: int
    other: int
    probability: float
    reasons: str


def propose(store: Store, by: str) -> int:
    """Replace the proposals of the review; return how many there are. Raises ``Refused`` where Splink is missing."""
    with store.read() as session:
        evidence = {patient: identity.decode_evidence(body) for patient, body in reviewed.evidences(session)}
        hidden = labelling.labelled(session, list(evidence), labels.HIDDEN_ALWAYS)
        person_of = identities.persons_of(session, list(evidence))
    shown = {patient: said for patient, said in evidence.items() if patient not in hidden and not said.replaced}
    pairs = _between_people(compared(shown), shown, person_of)
    with store.write() as session:
        rows = [(pair.first, pair.other, round(pair.probability * 1e6), pair.reasons) for pair in pairs]
        proposals.replace(session, MODEL, rows)
        record_write(session, {"act": "identity.propose", "by": by, "model": MODEL, "count": len(rows)})
    return len(pairs)


def compared(evidence: dict[int, Evidence], least: float = LEAST_PROBABILITY) -> list[Pair]:
    """The pairs of records that are probably one person's, the most probable first. Raises ``Refused`` where Splink is
    missing, or no model can be trained on these records."""
    _require_splink()
    if len(evidence) < LEAST_RECORDS:
        return []
    rows = [_row(patient, said) for patient, said in sorted(evidence.items())]
    try:
        matches = _matches(rows, least)
    except Exception:  # its messages hold values
        raise Refused("Splink could not train a model on these records") from None
    pairs = [
        Pair(*_ordered(match["unique_id_l"], match["unique_id_r"]), match["match_probability"], _reasons(match))
        for match in matches
    ]
    return sorted(pairs, key=lambda pair: (-pair.probability, pair.first, pair.other))


def _ordered(first: int, other: int) -> tuple[int, int]:
    return min(first, other), max(first, other)


def _require_splink() -> None:
    if find_spec("splink") is None:
        raise Refused("Splink is not installed: pip install 'nhs-record-gateway[linkage]'")


def _row(patient: int, said: Evidence) -> dict[str, Any]:
    """A record as the model sees it; None where it says nothing."""
    postcode = next(iter(said.postcodes), "")
    return {
        "unique_id": patient,
        "given": next(iter(said.givens), None),
        "family": next(iter(said.families), None),
        "born": said.born or None,
        "sex": said.sex or None,
        "postcode": f"{postcode[:-3]} {postcode[-3:]}" if postcode else None,
    }


def _matches(rows: Sequence[dict[str, Any]], least: float) -> list[dict[str, Any]]:
    """Train a model on the records and compare them, in memory and in this process only."""
    import duckdb
    import splink.comparison_library as compare
    from splink import Linker, SettingsCreator, block_on
    from splink.backends.duckdb import DuckDBAPI

    logging.getLogger("splink").setLevel(logging.CRITICAL)
    # Nothing spills into a file, and nothing is downloaded.
    settings = {"temp_directory": "", "autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    with duckdb.connect(":memory:", config=settings) as connection:
        linker = Linker(
            DuckDBAPI(connection).register(list(rows)),
            SettingsCreator(
                link_type="dedupe_only",
                comparisons=[
                    compare.NameComparison("given").configure(term_frequency_adjustments=True),
                    compare.NameComparison("family").configure(term_frequency_adjustments=True),
                    compare.DateOfBirthComparison("born", input_is_string=True),
                    compare.ExactMatch("sex"),
                    compare.PostcodeComparison("postcode"),
                ],
                blocking_rules_to_generate_predictions=[block_on(*block) for block in BLOCKS],
            ),
            log_level=logging.CRITICAL,
        )
        strict = [block_on(*rule) for rule in STRICT]
        linker.training.estimate_probability_two_random_records_match(strict, recall=RECALL)
        linker.training.estimate_u_using_random_sampling(max_pairs=MOST_PAIRS, seed=SEED)
        for block in TRAINED_BY:
            linker.training.estimate_parameters_using_expectation_maximisation(block_on(*block))
        matches: list[dict[str, Any]] = linker.inference.predict(threshold_match_probability=least).as_record_list()
    return matches


def _reasons(match: dict[str, Any]) -> str:
    """Why a pair matches, in words without values.

    >>> _reasons({"gamma_given": 4, "gamma_family": 1, "gamma_born": 5, "gamma_sex": 0, "gamma_postcode": -1})
    'same given name, like surname, same birth date, other sex, unknown postcode'
    """
    levels = [(field, int(match[f"gamma_{field.column}"])) for field in FIELDS]
    return ", ".join(f"{_how(level, field.same)} {field.name}" for field, level in levels)


def _how(level: int, same: int) -> str:
    if level < 0:
        return "unknown"
    return "same" if level == same else "like" if level else "other"


def _between_people(pairs: Iterable[Pair], evidence: dict[int, Evidence], person_of: dict[int, int]) -> list[Pair]:
    """The best pair of each two people: not those gathered already, nor two who each surely have a number of their
    own."""
    best: dict[tuple[int, int], Pair] = {}
    sure: dict[int, set[str]] = {}
    for patient, said in evidence.items():
        numbers = {number for number, grade in said.grades if grade != identity.CLAIMED}
        sure.setdefault(person_of.get(patient, patient), set()).update(numbers)
    for pair in pairs:
        first, other = _ordered(*(person_of.get(patient, patient) for patient in (pair.first, pair.other)))
        if first != other and not (sure[first] and sure[other]):
            best.setdefault((first, other), pair)
    return list(best.values())
