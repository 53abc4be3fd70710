"""What EMIS's codes become: by EMIS's own category names, by the store's code sets, and by the sense of whole terms."""

import time

import pytest

from gateway.nhs import sensitive
from gateway.nhs.codesets import EGTON, SNOMED, CodeSet, CodeSets
from gateway.synth.codes import CODES as SYNTHETIC
from mappings import Feed, Values
from mappings.emis import SOURCE
from mappings.emis.allergen import is_allergy
from mappings.emis.category import is_listed
from mappings.emis.codes import MOST_RECENT, clinical
from mappings.emis.local_codes import national
from mappings.emis.sense import sense_of
from mappings.emis.words import frame, words
from mappings.vocabulary import code_table
from tests.mappings.harness import DictLook, map_rows
from tests.mappings.harness_emis import ALLERGIES, CONDITIONS, code, mapped, observation, patient, problem

NAMES = """Administration, documents and attachments|Allergy and adverse drug reactions|Allergy and adverse reactions|
Biochemistry|Biological values|Body structure|Care episode outcome|Conditions, operations and procedures|
Cytology/Histology|Dental disorder|Dental finding|Dental procedure|Diagnostics|Discharged from service|EMIS Qualifier|
Ethnicity|Family history|Haematology|Health management, screening and monitoring|HMP|Immunisations|Immunology|
Intervention category|Intervention target|Investigation requests|KC60|Marital status|Microbiology|Nationality|
Nursing problem|Nursing problem domain|Obstetrics and Birth|Pathology specimen|Personal Health and Social|
Planned dental intervention|Problem rating scale for outcomes|Procedure code|Radiology|Reason for care|Referral|
Referral activity|Referral rejected|Referral withdrawn|Regiment|Religion|Symptoms and Findings|Trade/Branch|
Unset""".replace("\n", "").split("|")
"""As Endeavour Discovery's EMIS transform lists them (ClinicalCodeType.java), and CPRD Aurum's lookup EmisCodeCat."""


def types_of(term: str, category: str = CONDITIONS, read: str = "", snomed: str = "", **said: str) -> list[str]:
    made = mapped(code("5", term, category, read, snomed), observation("O1", "5", **said))
    return sorted(resource["resourceType"] for resource in made.resources())


def test_every_category_of_emis_has_its_row_and_reason():
    assert len(NAMES) == 48 and sorted(NAMES) == sorted(
        row["category"] for row in code_table("mappings.emis", "codes_category")
    )
    assert all(row["reason"] for row in code_table("mappings.emis", "codes_category"))


def test_the_synthetic_records_use_only_names_of_emis():
    assert {made.category for made in SYNTHETIC.values()} <= set(NAMES)


@pytest.mark.parametrize(
    "table",
    ["words", "sense", "allergy_words", "result", "category", "chapter", "kind", "local", "either", "substance"],
)
def test_every_row_of_a_table_has_its_columns(table):
    for row in code_table("mappings.emis", f"codes_{table}"):
        assert None not in row and None not in row.values(), row


@pytest.mark.hazard("HZ-EMIS-30")
@pytest.mark.parametrize("category", ["Something new", "", "Unset", CONDITIONS, "Conditions / Operations / Procedures"])
@pytest.mark.parametrize(
    ("term", "read", "made"),
    [
        ("Type 2 diabetes mellitus", "C10F.", "Condition"),
        ("Dementia due to Parkinson's disease", "^ESCTDE803176", "Condition"),
        ("Appendicectomy", "", "Procedure"),
        ("Percutaneous transluminal angioplasty of coronary artery", "", "Procedure"),
        ("Stenosis of coronary artery bypass graft", "", "Condition"),
        ("Kidney transplant failure", "", "Condition"),
        ("Failed renal transplant", "", "Condition"),
        ("Recurrent angina after coronary artery bypass graft", "", "Condition"),
        ("Latex adverse reaction", "", "AllergyIntolerance"),
    ],
)
def test_code_and_words_decide_where_the_category_says_nothing(category, term, read, made):
    assert types_of(term, category, read) == [made]


@pytest.mark.hazard("HZ-EMIS-30")
@pytest.mark.parametrize(("category", "told"), [("Something new", ""), ("", " (empty)")])
def test_a_category_that_no_table_lists_is_counted(category, told):
    made = mapped(code("5", "Diabetes mellitus", category), observation("O1", "5"), observation("O2", "5"))
    assert made.unlisted == [f"Coding_ClinicalCode EmisCodeCategoryDescription{told}"] * 2
    assert not mapped(code("5", "Diabetes mellitus", "Unset"), observation("O1", "5")).unlisted
    assert is_listed("conditions, operations, procedures") and not is_listed("Allergies")


@pytest.mark.hazard("HZ-EMIS-30")
def test_words_that_decide_something_and_that_no_table_knows_are_counted():
    entries = (code("5", "Asthma", CONDITIONS), observation("O1", "5"))
    assert not mapped(*entries, problem("O1"), patient()).unlisted
    made = mapped(
        *entries, problem("O1", ProblemStatusDescription="Dormant"), patient(PatientTypeDescription="Walk-in", Sex="X")
    )
    assert sorted(made.unlisted) == [
        "Admin_Patient PatientTypeDescription",
        "Admin_Patient Sex",
        "CareRecord_Problem ProblemStatusDescription",
    ]


@pytest.mark.parametrize(
    ("term", "made"),
    [
        ("Serum sodium level", "Observation"),
        ("Asthma annual review", "Observation"),
        ("Referral to physiotherapist", "ServiceRequest"),
        ("Influenza vaccination", "Immunization"),
        ("FH: Diabetes mellitus", "FamilyMemberHistory"),
        ("LOCAL: frailty MDT discussed", "Observation"),
        ("At risk of diabetes mellitus", "Observation"),
    ],
)
def test_an_unset_category_does_not_make_a_condition_of_everything(term, made):
    assert types_of(term, "Unset") == [made]


@pytest.mark.hazard("HZ-EMIS-31")
@pytest.mark.parametrize(
    ("term", "category", "read", "made"),
    [
        ("Steroid-induced diabetes", ALLERGIES, "C11y0", ["AllergyIntolerance", "Condition"]),
        ("Alcohol-induced pseudo-Cushing syndrome", ALLERGIES, "^ESCTAL1", ["AllergyIntolerance", "Condition"]),
        ("Cat allergy", CONDITIONS, "H171.11", ["AllergyIntolerance", "Condition"]),
        ("Gentamicin adverse reaction", ALLERGIES, "", ["AllergyIntolerance"]),
        ("Postpolio syndrome", "Immunisations", "F29y1", ["Condition"]),
        ("Post-polio syndrome", "Immunisations", "", ["Condition"]),
        ("Influenza vaccination", "Immunisations", "65E..", ["Immunization"]),
        ("Chronic kidney disease stage 5", "Symptoms and Findings", "1Z1L.", ["Condition"]),
        ("O/E - proliferative diabetic retinopathy", "Symptoms and Findings", "2BB4.", ["Condition"]),
        ("Headache", "Symptoms and Findings", "1B1G.", ["Observation"]),
        ("Battered wife", CONDITIONS, "SN563", ["Condition"]),
        ("Mucinous adenocarcinoma", "Cytology/Histology", "BB82.", ["Condition"]),
    ],
)
def test_a_disease_is_not_lost_to_a_category_that_holds_other_things(term, category, read, made):
    assert types_of(term, category, read) == made


@pytest.mark.hazard("HZ-EMIS-32")
@pytest.mark.parametrize(
    "term",
    [
        "Simvastatin allergy",
        "H/O: clopidogrel allergy",
        "Codeine adverse reaction",
        "Allergy to pentostatin",
        "[X] Adverse reaction to insulins and antidiabetic agents NOS",
        "Adverse reaction caused by tetanus antitoxin",
        "[V]Personal history of penicillin allergy",
        "[X]Antiviral drugs causing adverse effects in therapeutic use",
        "Aspirin sensitivity",
        "Intolerance to codeine",
        "Drug hypersensitivity NOS",
        "Anaphylactic shock, caused by wasp sting",
        "Allergic reaction to bee sting",
        "Angiotensin-converting-enzyme inhibitor pseudoallergy",
        "Suspected penicillin allergy",
        "Allergy - nuts",
        "Penicillin allergy (disorder)",
        "Penicillin allergic",
        "Allergy to monoclonal antibody",
        "Intolerant of codeine",
        "Delayed hypersensitivity to penicillin",
        "Intolerance to insulin",
        "Contrast media sensitivity",
        "Intolerance to cough suppressant",
        "Intolerance to measles, mumps and rubella vaccine",
        "Adverse effect of simvastatin",
        "Statin side effects",
        "Side effects of amlodipine",
        "ADR to lisinopril",
        "Penicillin allergy?",
        "Nut allergy cannot be excluded",
        "Peanut allergy diagnosed at allergy clinic",
        "Had anaphylaxis with peanuts",
        "Drug hypersensitivity syndrome",
        "Drug reaction NOS",
        "Contrast reaction",
        "Penicillin allergy label removed",
    ],
)
@pytest.mark.parametrize("category", [CONDITIONS, "Unset", "Symptoms and Findings"])
def test_words_of_allergy_are_heard_whatever_the_substance(term, category):
    assert types_of(term, category) == ["AllergyIntolerance"]


@pytest.mark.parametrize(
    "term",
    [
        "Allergic rhinitis due to pollen",
        "Allergic asthma",
        "Allergic conjunctivitis",
        "Hypersensitivity pneumonitis",
        "Carotid sinus hypersensitivity",
        "Dentine sensitivity",
        "Lactose intolerance",
        "Glucose intolerance",
        "Intolerance to heat",
        "Exercise intolerance",
        "Haemodialysis intolerance",
        "Allergy testing",
        "Seen in allergy clinic",
        "Advice about allergy",
        "Referral to allergy clinic",
        "At risk of anaphylaxis",
        "FH: Penicillin allergy",
        "No H/O: penicillin allergy",
        "Penicillin allergy test negative",
        "Anaphylaxis care plan",
        "Acute reaction to stress",
        "Reaction to severe bereavement",
        "Insulin sensitivity",
        "Contrast sensitivity",
        "Cold sensitivity",
        "Side effects of medication discussed",
        "No side effects",
        "Brother allergic to penicillin",
        "Amniotic fluid sent for culture and sensitivity",
    ],
)
def test_words_that_are_no_allergy(term):
    assert "AllergyIntolerance" not in types_of(term)


@pytest.mark.hazard("HZ-EMIS-33")
def test_the_stores_own_allergy_set_makes_an_allergy():
    own = CodeSets((CodeSet("allergy", {(SNOMED, "294971007"): "drug", (EGTON, "EGTON7"): "drug"}),))
    rows = [observation("O1", "5"), observation("O2", "6"), observation("O3", "7")]
    rows += [code("5", "Worded otherwise", CONDITIONS, "", "294971007"), code("6", "Local words", "Unset", "EGTON7")]
    rows += [code("7", "Worded otherwise", CONDITIONS, "", "195967001")]
    made = map_rows(SOURCE, rows, own=own)
    assert {key: made[key][0]["resourceType"] for key in ("obs:o1", "obs:o2", "obs:o3")} == {
        "obs:o1": "AllergyIntolerance",
        "obs:o2": "AllergyIntolerance",
        "obs:o3": "Condition",
    }
    assert map_rows(SOURCE, rows)["obs:o1"][0]["resourceType"] == "Condition"


SENSES = [
    # a word of denial or planning inside a diagnosis
    ("Cerebrl infarctn due/unspcf occlusn or sten/cerebrl artrs", ""),
    ("Cereb infarct due cerebral venous thrombosis, nonpyogenic", ""),
    ("Cong heart fail due valv dis", ""),
    ("Coll thorac vert due osteopor", ""),
    ("Bladder infection due bacteria", ""),
    ("Emergency asthma admission since last appointment", ""),
    ("Anaplastic large cell lymphoma, ALK-negative", ""),
    ("Atypical chronic myeloid leukaemia, BCR/ABL negative", ""),
    ("Rheumatoid factor negative arthritis", ""),
    ("Juvenile arthritis, rheumatoid factor negative", ""),
    ("Seronegative arthritis", ""),
    ("Negative symptoms due to primary psychotic disorder", ""),
    ("Tuberculosis of lung, bacteriological and histological examination not done", ""),
    ("Respiratory tuberculosis, not confirmed bacteriologically", ""),
    ("Pulmonary tuberculosis smear negative", ""),
    ("Tuberculosis of lung, bacilli not detected", ""),
    ("Acute lymphoblastic leukaemia not in remission", ""),
    ("Non-Hodgkin's lymphoma", ""),
    ("Nonspecific abdominal pain", ""),
    ("School refusal", ""),
    ("Carcinoma in situ, no evidence of invasion", ""),
    ("FH - Familial hypercholesterolaemia", ""),
    ("HO - Heterotopic ossification", ""),
    ("Unresolved pneumonia", ""),
    ("Recurrent depressive disorder in relapse after remission", ""),
    ("AT-hook DNA binding motif intellectual disability syndrome", ""),
    ("Acute myeloid leukaemia not having achieved remission", ""),
    ("Lymphoma in relapse following remission", ""),
    ("Diabetes mellitus no longer in remission", ""),
    ("Pneumonia not fully resolved", ""),
    ("Partially resolved pulmonary embolism", ""),
    ("Incompletely healed fracture", ""),
    ("Chronic hepatitis B, e antigen negative", ""),
    ("Chest pain, myocardial infarction excluded", ""),
    ("Mitral leaflet dysplasia", ""),
    ("True cleft of left atrioventricular valve leaflet", ""),
    ("Unable to walk due to stroke", ""),
    ("Overdue pregnancy", ""),
    ("Vision declined", ""),
    ("Abandoned infant", ""),
    ("Twin: born in hospital", ""),
    ("Mother: currently breastfeeding", ""),
    ("Inappropriate secretion of antidiuretic hormone", ""),
    ("Inappropriate uterine contraction", ""),
    ("Difficulty recognising objects", ""),
    # what does deny or put off
    ("Malignancy cannot be excluded", "suspected"),
    ("Pulmonary embolism not ruled out", "suspected"),
    ("Cannot exclude ectopic pregnancy", "suspected"),
    ("TIA - possible", "suspected"),
    ("COPD unlikely after spirometry", "absent"),
    ("COVID-19 swab negative", "absent"),
    ("Gonorrhoea NAAT negative", "absent"),
    ("Syphilis negative serology", "absent"),
    ("Hepatitis B surface antigen negative", "absent"),
    ("O/E no retinopathy", "absent"),
    ("Asthma never present", "absent"),
    ("Seizure free", "absent"),
    ("Planned caesarean section", "planned"),
    ("To have hysterectomy", "planned"),
    ("Listed for hip replacement", "planned"),
    ("For influenza vaccination", "planned"),
    ("Overdue smear", "planned"),
    ("Unable to perform spirometry", "not-given"),
    ("Mother has diabetes", "family"),
    ("Father died of myocardial infarction", "family"),
    ("Husband has hepatitis B", "family"),
    ("Sister - breast cancer", "family"),
    ("Maternal grandmother had breast cancer", "family"),
    ("Strong family history of bowel cancer", "family"),
    ("Fam hist epilepsy", "family"),
    ("Mother has no diabetes", "not-family"),
    ("Tuberculosis unconfirmed", "suspected"),
    ("Unconfirmed tuberculosis", "suspected"),
    ("Hepatitis B negative", "absent"),
    ("HIV test negative", "absent"),
    ("TB screening negative", "absent"),
    ("No evidence of malignancy", "absent"),
    ("Chest X-ray: no evidence of tuberculosis", "absent"),
    ("No H/O: asthma", "absent"),
    ("Asthma not present", "absent"),
    ("Asthma absent", "absent"),
    ("Dementia unlikely", "absent"),
    ("Asthma - excluded", "refuted"),
    ("Myocardial infarction ruled out", "refuted"),
    ("Needs influenza immunisation", "planned"),
    ("Requires hepatitis B vaccination", "planned"),
    ("Influenza vaccination due", "planned"),
    ("Asthma review due", "planned"),
    ("Diabetic retinal screening overdue", "planned"),
    ("Awaiting hip replacement", "planned"),
    ("Influenza vaccination invitation sent", "planned"),
    ("SARS-CoV-2 (severe acute respiratory syndrome coronavirus 2) vaccination declined", "declined"),
    ("Pertussis vaccination in pregnancy declined-enhanced serv admin", "declined"),
    ("Asthma monitoring refused", "declined"),
    ("Refusal of treatment", "declined"),
    ("Cervical smear not done", "not-given"),
    ("MMR vaccination contraindicated", "contraindicated"),
    ("No contraindication to MMR", "absent"),
    ("At risk of diabetes mellitus", "risk"),
    ("Smoking cessation advice", "about"),
    ("Diabetes information leaflet given", "about"),
    ("Asthma resolved", "resolved"),
    ("Depression in full remission", "resolved"),
    ("Recurrent depressive disorder, currently in remission", "resolved"),
    ("Relapsing polychondritis in remission", "resolved"),
    ("?Asthma", "suspected"),
    ("Query appendicitis", "suspected"),
    ("Suspected pulmonary embolism", "suspected"),
    ("[V]Personal history of malignant neoplasm", "history"),
    ("H/O: asthma", "history"),
    ("History of malignant lymphoma", "history"),
    ("FH: Ischaemic heart disease", "family"),
    ("FH - Heart disease", "family"),
    ("No significant family history of diabetes", "not-family"),
    ("Family history unknown", "not-family"),
    ("No known drug allergies", "nil"),
    ("Allergies: none", "nil"),
]


@pytest.mark.hazard("HZ-EMIS-34")
@pytest.mark.parametrize(("term", "sense"), SENSES)
def test_the_sense_is_that_of_the_whole_term(term, sense):
    assert sense_of(term) == sense


@pytest.mark.hazard("HZ-EMIS-34")
@pytest.mark.parametrize("term", [term for term, sense in SENSES if not sense and "refusal" not in term])
@pytest.mark.parametrize("category", [CONDITIONS, "Something new"])
def test_a_diagnosis_is_never_lost_to_a_word_in_it(term, category):
    says_its_category = term.startswith("Emergency asthma admission") or term.endswith("smear negative")
    assert types_of(term, category) == ["Condition"] or (says_its_category and category != CONDITIONS)


@pytest.mark.parametrize("row", code_table("mappings.emis", "codes_sense"), ids=lambda row: row["example"])
def test_every_frame_has_an_example_that_it_matches_and_that_comes_to_its_sense(row):
    assert frame(row["frame"]).fullmatch(words(row["example"]))
    assert sense_of(row["example"]) == row["sense"]


@pytest.mark.parametrize("row", code_table("mappings.emis", "codes_allergy_words"), ids=lambda row: row["example"])
def test_every_frame_of_allergy_has_an_example(row):
    assert frame(row["frame"]).fullmatch(words(row["example"]))
    assert is_allergy(row["example"]) == (row["is"] == "yes")


@pytest.mark.hazard("HZ-EMIS-50")
@pytest.mark.parametrize("row", code_table("mappings.emis", "codes_either"), ids=lambda row: row["word"])
def test_a_disease_whose_word_is_mostly_an_operations_is_a_condition(row):
    assert types_of(row["example"]) == types_of(row["example"], "Unset") == ["Condition"]
    assert types_of(f"{row['word']} of wrist") == ["Procedure"]


@pytest.mark.hazard("HZ-EMIS-50")
@pytest.mark.parametrize(
    "term",
    [
        "Vulval intraepithelial neoplasia grade 3",
        "Adult form of coeliac disease",
        "Acute kidney injury requiring dialysis",
        "Pneumonia needing admission",
        "Suture line dehiscence",
        "Tricuspid leaflet dysplasia",
    ],
)
@pytest.mark.parametrize("category", [CONDITIONS, "Unset"])
def test_a_word_beside_the_disease_is_not_its_head(term, category):
    assert types_of(term, category) == ["Condition"]


@pytest.mark.parametrize(
    "term", ["Balloon dilatation of aortic valve", "Closure of atrial septal defect", "IUD inserted"]
)
def test_an_operation_on_the_heart_is_still_one(term):
    assert types_of(term) == ["Procedure"]


def test_a_chapter_of_diseases_never_denies():
    assert types_of("Something declined", CONDITIONS, "H33..") == ["Condition"]
    assert types_of("Something declined", CONDITIONS, "EMISNQ1") == ["Observation"]
    assert sense_of("Diabetes mellitus in remission", is_stated=True) == "resolved"


@pytest.mark.hazard("HZ-EMIS-35")
@pytest.mark.parametrize("term", ["Needs influenza immunisation", "Influenza vaccination due", "Risk of influenza"])
def test_an_immunisation_that_is_needed_was_not_given(term):
    assert types_of(term, "Immunisations", "9OX4.") == ["Observation"]


@pytest.mark.hazard("HZ-EMIS-36")
@pytest.mark.parametrize(
    "local", ["EGTON42", "EGTON59", "JHCFA12", "HNG0605", "^ESCTSI581274", "EMISNQFR12", "PCNQOE1", "egton42"]
)
def test_a_local_code_keeps_its_system_and_its_whole_text(local):
    coding = mapped(code("5", "Asthma", CONDITIONS, local), observation("O1", "5")).one("Condition")["code"]["coding"][
        0
    ]
    assert (coding["system"], coding["code"]) == (EGTON, local) and not national(local)


@pytest.mark.hazard("HZ-EMIS-36")
def test_a_sensitive_set_labels_the_local_code_it_lists_and_no_other():
    own = CodeSets((CodeSet("sensitive", {(EGTON, "EGTON42"): "gender"}),))
    labelled = []
    for local in ("EGTON42", "EGTON59"):
        condition = mapped(code("5", "Local", CONDITIONS, local), observation("O1", "5")).one("Condition")
        labelled.append(sensitive.own_labels(condition, [], own, "gp", "share")[0])
    assert labelled[0] != labelled[1]


@pytest.mark.hazard("HZ-EMIS-37")
@pytest.mark.parametrize(
    ("term", "category", "is_missing"),
    [
        ("Cervical smear - negative", "Cytology/Histology", False),
        ("Hepatitis B surface antigen positive", "Immunology", False),
        ("Salmonella species isolated", "Microbiology", False),
        ("Serum sodium normal", "Biochemistry", False),
        ("Glucose tolerance test indicates diabetes mellitus", "Biochemistry", False),
        ("Serum sodium level", "Biochemistry", True),
        ("Full blood count", "Haematology", True),
    ],
)
def test_a_result_told_by_its_code_is_not_said_to_be_missing(term, category, is_missing):
    result = mapped(code("5", term, category), observation("O1", "5")).one("Observation")
    assert ("dataAbsentReason" in result) == is_missing


def test_a_problem_that_is_only_planned_or_denied_keeps_its_view_on_the_problem_list():
    made = mapped(code("5", "At risk of falls", CONDITIONS), observation("O1", "5"), problem("O1"))
    assert sorted(resource["resourceType"] for resource in made.resources()) == ["Condition", "Observation"]


@pytest.mark.parametrize(
    "text", ["a " * 500_000, "review " * 200_000, "(" * 1_000_000, "[X]" * 300_000, "a-" * 500_000]
)
def test_a_term_of_a_megabyte_is_read_in_no_time(text):
    began = time.perf_counter()
    sense_of(text)
    is_allergy(text)
    national(text)
    assert time.perf_counter() - began < 1


def test_a_code_that_is_sent_again_is_what_it_says_now_and_not_what_it_said():
    look = DictLook(SOURCE, {}, "", Feed())
    terms = [f"Term {number}" for number in range(MOST_RECENT + 10)]
    assert [clinical(Values(Term=term), "1", look).text for term in terms] == terms
    first, second = Values(Term="Asthma"), Values(Term="Eczema")
    assert [clinical(values, "1", look).text for values in (first, second, first)] == ["Asthma", "Eczema", "Asthma"]
