"""Who is gathered with whom, and who is not."""

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.nhs import identity
from gateway.nhs.identifiers import synthetic
from gateway.nhs.identity import CLAIMED, NHS_NUMBER, REGISTERED, VERIFIED, Evidence

N, M = synthetic(1), synthetic(2)
STATUS = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"


def one(
    patient,
    grade=CLAIMED,
    *,
    number=N,
    born="1980-02-03",
    sex="female",
    family="smith",
    given="ann",
    postcode="",
    links=(),
    replaced=False,
):
    numbers = (number,) if number else ()
    return Evidence(
        patient, (*numbers, *sorted(f"patient:{each}" for each in (patient, *links))), tuple((each, grade) for each in numbers), born, sex,
        tuple(family.split()), tuple(given.split()), tuple(postcode.split()), tuple(links), replaced,
    )  # fmt: skip


def gathered(*evidences):
    persons, _ = identity.gather(evidences)
    return {"".join(person.patients) for person in persons}


def patient(id_="p", number=N, status=None, **elements):
    identifier = {"system": NHS_NUMBER, "value": number}
    if status:
        identifier["extension"] = [{"url": STATUS, "valueCodeableConcept": {"coding": [{"code": status}]}}]
    return {"resourceType": "Patient", "id": id_, "identifier": [identifier], **elements}


def episode(status="active", code="R", of="p"):
    return {
        "resourceType": "EpisodeOfCare",
        "id": "e",
        "status": status,
        "type": [{"coding": [{"code": code}]}],
        "patient": {"reference": f"Patient/{of}"},
    }


@pytest.mark.parametrize(
    "resources, kind, grade",
    [
        ([patient(status="01")], "hospital", VERIFIED),
        ([patient(status="02")], "hospital", CLAIMED),
        ([patient(status="03")], "gp", CLAIMED),
        ([patient()], "social-care", CLAIMED),
        ([patient()], "gp", CLAIMED),
        ([patient(), episode()], "gp", REGISTERED),
        ([patient(), episode("finished")], "gp", CLAIMED),
        ([patient(), episode(code="T")], "gp", CLAIMED),
        ([patient(), episode(of="q")], "gp", CLAIMED),
        ([patient(), episode()], "hospital", CLAIMED),
        ([patient(status="01"), episode()], "gp", VERIFIED),
    ],
)
def test_a_numbers_grade_is_what_its_source_could_know(resources, kind, grade):
    (found,) = identity.evidence(resources, kind)
    assert found.grade(N) == found.best == grade


def test_evidence_is_folded_and_previous_names_count():
    (found,) = identity.evidence(
        [
            patient(
                gender="female",
                birthDate="1980-02-03",
                name=[
                    {"use": "official", "family": "O’Brien", "given": ["Zoë Anne", "May"]},
                    {"use": "maiden", "family": "Müller-SMITH"},
                ],
                address=[{"postalCode": "zz1 1zz"}, {"postalCode": "ZZ99 3WZ"}],
            )
        ],
        "gp",
    )
    assert (found.families, found.givens, found.postcodes) == (("mullersmith", "obrien"), ("zoe",), ("ZZ11ZZ",))


@pytest.mark.parametrize("number", [N[:-1] + str((int(N[-1]) + 1) % 10), "0000000000", "999", "", "PATIENT"])
def test_a_number_that_cannot_be_one_is_no_claim_and_the_patient_is_still_found_by_id(number):
    (found,) = identity.evidence([patient(number=number)], "gp")
    assert found.numbers == ("patient:p",) and found.best == CLAIMED
    assert gathered(found) == {"p"}


@pytest.mark.parametrize("born", ["1980", "1980-02", "", "1900-01-01"])
def test_a_birth_date_that_is_not_whole_or_is_a_filler_is_no_evidence(born):
    (found,) = identity.evidence([patient(birthDate=born)], "gp")
    assert found.born == ""


PAIRS = [
    ("both sure, family agrees", one("a", VERIFIED), one("b", REGISTERED, given="annabel"), ""),
    ("both sure, given agrees after marriage", one("a", VERIFIED), one("b", REGISTERED, family="jones"), ""),
    ("both sure, no name", one("a", VERIFIED), one("b", REGISTERED, family="jones", given="bea"), "no name agrees"),
    ("neither sure", one("a"), one("b"), "neither number is verified or registered"),
    ("claimed, both names", one("a", VERIFIED), one("b"), ""),
    (
        "claimed, one name",
        one("a", VERIFIED),
        one("b", given="annabel"),
        "a claimed number, and neither both names nor postcode agree",
    ),
    (
        "claimed, one name and postcode",
        one("a", VERIFIED, postcode="ZZ11ZZ"),
        one("b", given="annabel", postcode="ZZ11ZZ"),
        "",
    ),
    (
        "claimed, a twin of one sex at one address",
        one("a", VERIFIED, given="bea", postcode="ZZ11ZZ"),
        one("b", given="eve", postcode="ZZ11ZZ"),
        "a claimed number and another forename, as a twin has",
    ),
    (
        "claimed, no forename and postcode",
        one("a", VERIFIED, given="", postcode="ZZ11ZZ"),
        one("b", given="eve", postcode="ZZ11ZZ"),
        "",
    ),
    (
        "claimed, postcode and no name",
        one("a", VERIFIED, postcode="ZZ11ZZ"),
        one("b", family="x y", given="q", postcode="ZZ11ZZ"),
        "no name agrees",
    ),
    ("birth dates differ", one("a", VERIFIED), one("b", VERIFIED, born="1980-02-04"), "birth dates do not agree"),
    ("no birth date", one("a", VERIFIED, born=""), one("b", VERIFIED, born=""), "birth dates do not agree"),
    ("sex contradicts", one("a", VERIFIED), one("b", VERIFIED, sex="male"), "sex contradicts"),
    ("sex unknown", one("a", VERIFIED), one("b", VERIFIED, sex=""), ""),
    (
        "twins by another name and sex",
        one("a", VERIFIED, given="tom", sex="male"),
        one("b", VERIFIED, given="eve"),
        "sex contradicts",
    ),
    (
        "newborn twins without names",
        one("a", VERIFIED, family="", given=""),
        one("b", VERIFIED, family="", given=""),
        "no name agrees",
    ),
]


@pytest.mark.parametrize("_, first, second, reason", PAIRS, ids=[row[0] for row in PAIRS])
@pytest.mark.hazard("HZ-ACCESS-08")
def test_two_patients_are_gathered_only_on_evidence(_, first, second, reason):
    assert identity.disagreement(first, second, N) == identity.disagreement(second, first, N) == reason
    persons, mismatches = identity.gather([second, first])
    assert len(persons) == (2 if reason else 1)
    assert bool(mismatches) == bool(reason)


def test_baby_is_nobodys_name():
    (found,) = identity.evidence([patient(name=[{"family": "Unknown", "given": ["Baby"]}])], "hospital")
    assert found.families == found.givens == ()


def test_two_claimed_ones_meet_through_a_sure_one():
    assert gathered(one("a", REGISTERED), one("b"), one("c")) == {"abc"}


def test_a_mismatch_names_who_is_left_out_and_not_the_one_it_surely_is():
    persons, mismatches = identity.gather([one("a", REGISTERED), one("b"), one("c", born="1999-01-01")])
    assert {"".join(person.patients) for person in persons} == {"ab", "c"}
    assert mismatches == [(N, "c", "birth dates do not agree")]


def test_nobody_sure_means_nobody_gathered_and_all_listed():
    assert [row[1] for row in identity.gather([one("a"), one("b")])[1]] == ["a", "b"]


@pytest.mark.hazard("HZ-ACCESS-08")
def test_a_claimed_bridge_does_not_bring_two_sexes_together():
    tom, eve = one("a", VERIFIED, given="tom", sex="male"), one("b", VERIFIED, given="eve", sex="female")
    assert gathered(tom, eve, one("c", given="tom eve", sex="")) == {"a", "b", "c"}


def test_a_claimed_contradictor_is_left_out_and_the_sure_ones_stay():
    family = one("a", VERIFIED, sex=""), one("b", REGISTERED), one("c", sex="male")
    assert gathered(*family) == {"ab", "c"}


def test_patients_a_source_links_as_replaced_go_together_whatever_they_say():
    survivor, retired = (
        one("a", VERIFIED, links=("b",)),
        one("b", number=M, born="1900-05-05", family="x", given="y", links=("a",), replaced=True),
    )
    assert gathered(survivor, retired, one("c", REGISTERED)) == {"abc"}


def test_a_retired_patient_is_not_asked_who_it_is():
    survivor, retired = one("a", VERIFIED, number=M, links=("b",)), one("b", VERIFIED, links=("a",), replaced=True)
    persons, mismatches = identity.gather([survivor, retired, one("c", REGISTERED)])
    assert {"".join(person.patients) for person in persons} == {"ab", "c"}
    assert (N, "b", "the number is one that the source has replaced") in mismatches


def test_two_numbers_never_bring_contradicting_people_together():
    bridge = Evidence("b", (N, M), ((N, VERIFIED), (M, VERIFIED)), "1980-02-03", "", ("smith",), ("ann", "tom"))
    assert gathered(
        one("a", VERIFIED, sex="female"), bridge, one("c", VERIFIED, number=M, sex="male", given="tom")
    ) == {"a", "b", "c"}


def of_both(grade, paired=()):
    """A record that says both numbers."""
    return replace(one("r"), numbers=(N, M, "patient:r"), grades=((N, grade), (M, grade)), paired=paired)


@pytest.mark.hazard("HZ-ID-18")
@pytest.mark.parametrize(
    "others, bridge, people",
    [
        ([one("x", REGISTERED), one("y", REGISTERED, number=M)], of_both(CLAIMED), {"x", "y", "r"}),
        ([one("x", REGISTERED), one("y", VERIFIED, number=M)], of_both(REGISTERED), {"x", "y", "r"}),
        ([one("x", VERIFIED), one("y", VERIFIED, number=M)], of_both(VERIFIED), {"x", "y", "r"}),
        ([one("x", VERIFIED), one("y", VERIFIED, number=M)], of_both(VERIFIED, ((N, M),)), {"rxy"}),
        ([one("x", VERIFIED), one("y", VERIFIED, number=M)], of_both(VERIFIED, ((N, N), (M, M))), {"x", "y", "r"}),
        ([one("x", VERIFIED), one("z"), one("y", VERIFIED, number=M)], of_both(CLAIMED), {"xz", "y", "r"}),
        ([one("x", VERIFIED), one("z"), one("y", number=M)], of_both(VERIFIED), {"rxyz"}),
        ([one("x", VERIFIED)], of_both(CLAIMED), {"rx"}),
    ],
)
def test_a_record_of_two_numbers_joins_nobody_who_is_sure_of_one_with_one_sure_of_the_other(others, bridge, people):
    """But where PDS says that the one number replaced the other."""
    assert gathered(*others, bridge) == people == gathered(bridge, *reversed(others))
    if "r" in people:
        told = {why for _, who, why in identity.gather([*others, bridge])[1] if who == "r"}
        assert told == {"claims numbers of several people"}


@pytest.mark.hazard("HZ-ID-18")
def test_a_record_that_its_source_merged_is_of_the_number_of_the_one_that_stays():
    stays, retired = one("a", VERIFIED, links=("b",)), one("b", VERIFIED, number=M, links=("a",), replaced=True)
    assert gathered(stays, retired, one("c", REGISTERED)) == {"abc"}
    assert gathered(stays, retired, one("y", VERIFIED, number=M)) == {"ab", "y"}


def test_grade_and_why_say_how_sure_and_hold_no_value():
    persons, mismatches = identity.gather([one("a", REGISTERED), one("b", VERIFIED), one("c", born="1999-01-01")])
    assert [person.grade for person in persons] == [VERIFIED, CLAIMED]
    words = " ".join([person.why for person in persons] + [why for _, _, why in mismatches])
    assert not any(value in words for value in (N, "smith", "ann", "1980"))


@st.composite
def populations(draw):
    made = []
    for number in range(draw(st.integers(1, 6))):
        made.append(
            one(
                f"p{number}",
                draw(st.sampled_from(identity.GRADES)),
                number=draw(st.sampled_from([N, M, ""])),
                born=draw(st.sampled_from(["1980-02-03", "1981-01-01", ""])),
                sex=draw(st.sampled_from(["male", "female", ""])),
                family=draw(st.sampled_from(["smith", "jones", ""])),
                given=draw(st.sampled_from(["ann", "tom", ""])),
                links=draw(st.sampled_from([(), (), ("p0",)])),
                replaced=draw(st.booleans()),
            )
        )
    return made


@settings(max_examples=150, deadline=None)
@given(populations(), st.integers(0, 1000))
def test_gathering_is_the_same_in_any_order_and_loses_nobody(population, seed):
    wanted = identity.gather(population)
    shuffled = random.Random(seed).sample(population, len(population))
    assert identity.gather(shuffled) == wanted
    placed = [each for person in wanted[0] for each in person.patients]
    assert sorted(placed) == sorted(each.patient for each in population)


@settings(max_examples=150, deadline=None)
@given(populations())
def test_nobody_unlinked_is_gathered_with_someone_who_contradicts_them(population):
    by_id = {
        each.patient: each
        for each in population
        if not each.links and not any(each.patient in other.links for other in population)
    }
    for person in identity.gather(population)[0]:
        alone = [by_id[each] for each in person.patients if each in by_id]
        assert not any(identity.contradicts(first, second) for first, second in itertools.combinations(alone, 2))
