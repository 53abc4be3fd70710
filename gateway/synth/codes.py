"""The small reviewed list of clinical codes that the journeys use. SNOMED CT ids carry their Verhoeff digit (tested).

Concepts in common use only; where we were not sure of an id the row has none, and the source's own coding is all there
is, as in life. ``EMISSENS1`` to ``4`` are invented: they stand for codes of the sensitive sets, whose members are
licensed and not in this repository.

Categories are the names that EMIS gives them, as Endeavour Discovery's EMIS transform lists them
(https://github.com/endeavourhealth/Transforms, ``emis/csv/schema/coding/ClinicalCodeType.java``), and not those of our
own mapping's table: a name that only the two of us know would prove nothing.
"""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """A row of a GP system's code table. ``id`` is the system's own number, ``category`` what it routes by, ``kind``
    its entry type."""

    id: int
    term: str
    read: str
    snomed: str
    category: str
    kind: str


_CONDITION = ("Conditions, operations and procedures", "Observation")
_VALUE = ("Biological values", "Value")
_BIOCHEMISTRY = ("Biochemistry", "Value")
_HAEMATOLOGY = ("Haematology", "Value")
_ADMIN = ("Administration, documents and attachments", "Observation")
_SOCIAL = ("Personal Health and Social", "Observation")
_IMMUNISATION = ("Immunisations", "Immunisation")

SENSITIVE = "EMISSENS1"
"""The invented member of the sandbox's sensitive set, system ``https://fhir.hl7.org.uk/Id/egton-codes``."""

CODES = {
    key: Code(100_000_000_000 + number * 10_000 + 6_110, *row)
    for number, (key, *row) in enumerate(
        [
            ("hypertension", "Hypertension", "G2...00", "38341003", *_CONDITION),
            ("diabetes", "Type 2 diabetes mellitus", "C10F.00", "44054006", *_CONDITION),
            ("asthma", "Asthma", "H33..00", "195967001", *_CONDITION),
            ("hip fracture", "Fracture of neck of femur", "S30..00", "5913000", *_CONDITION),
            ("pneumonia", "Pneumonia", "H2...00", "233604007", *_CONDITION),
            ("moderate frailty", "Moderate frailty", "2Jd1.00", "925831000000107", *_CONDITION),
            ("severe frailty", "Severe frailty", "2Jd2.00", "925861000000102", *_CONDITION),
            ("dementia", "Dementia", "Eu02z00", "52448006", *_CONDITION),
            ("depression", "Depressive disorder", "E2B..00", "35489007", *_CONDITION),
            ("appendicectomy", "Appendicectomy", "7700.00", "80146002", *_CONDITION),
            (
                "penicillin allergy",
                "Allergy to penicillin",
                "14L1.00",
                "91936005",
                "Allergy and adverse drug reactions",
                "Allergy",
            ),
            (
                "blood pressure",
                "O/E - blood pressure reading",
                "246..00",
                "75367002",
                "Biological values",
                "Observation",
            ),
            ("systolic", "O/E - Systolic BP reading", "2469.00", "72313002", *_VALUE),
            ("diastolic", "O/E - Diastolic BP reading", "246A.00", "1091811000000102", *_VALUE),
            ("weight", "O/E - weight", "22A..00", "27113001", *_VALUE),
            ("bmi", "Body mass index", "22K..00", "60621009", *_VALUE),
            ("hba1c", "Haemoglobin A1c level - IFCC standardised", "42W5.00", "999791000000106", *_BIOCHEMISTRY),
            ("creatinine", "Serum creatinine level", "44J3.00", "1000731000000107", *_BIOCHEMISTRY),
            ("cholesterol", "Serum cholesterol level", "44P..00", "1005671000000105", *_BIOCHEMISTRY),
            ("sodium", "Serum sodium level", "44I5.00", "1000661000000107", *_BIOCHEMISTRY),
            ("potassium", "Serum potassium level", "44I4.00", "1000651000000109", *_BIOCHEMISTRY),
            ("fbc", "Full blood count - FBC", "424..00", "1022441000000101", "Haematology", "Investigation"),
            ("haemoglobin", "Haemoglobin estimation", "423..00", "1022431000000105", *_HAEMATOLOGY),
            ("never smoked", "Never smoked tobacco", "1371.00", "266919005", *_SOCIAL),
            ("ex-smoker", "Ex-smoker", "137S.00", "8517006", *_SOCIAL),
            ("smoker", "Current smoker", "137R.00", "77176002", *_SOCIAL),
            (
                "fh ischaemic heart",
                "FH: Ischaemic heart disease",
                "12C..00",
                "266897007",
                "Family history",
                "Family History",
            ),
            ("fh diabetes", "FH: Diabetes mellitus", "1252.00", "160303001", "Family history", "Family History"),
            ("influenza", "Influenza vaccination", "65E..00", "86198006", *_IMMUNISATION),
            ("influenza declined", "Influenza vaccination declined", "9OX5.00", "315640000", *_IMMUNISATION),
            ("pneumococcal", "Pneumococcal vaccination", "6572.00", "12866006", *_IMMUNISATION),
            ("mmr", "Measles mumps and rubella vaccination", "65M1.00", "38598009", *_IMMUNISATION),
            ("physiotherapy", "Referral to physiotherapist", "8H77.00", "308447003", "Referral", "Referral"),
            ("medication review", "Medication review", "8B3V.00", "182836005", *_ADMIN),
            (
                "type 1 objection",
                "Dissent from secondary use of general practitioner patient identifiable data",
                "9Nu0.00",
                "",
                *_ADMIN,
            ),
            ("scr dissent", "Express dissent for Summary Care Record dataset upload", "9Ndo.00", "", *_ADMIN),
            ("frailty meeting", "Frailty team discussion (local)", "EMISNQFR12", "", *_ADMIN),
            ("sensitive", "Sensitive problem (invented)", SENSITIVE, "", *_CONDITION),
            ("sensitive pregnancy", "Sensitive pregnancy item (invented)", "EMISSENS2", "", *_CONDITION),
            ("sensitive fertility", "Sensitive fertility item (invented)", "EMISSENS3", "", *_CONDITION),
            ("sensitive gender", "Sensitive gender item (invented)", "EMISSENS4", "", *_CONDITION),
            ("heart attack", "Acute myocardial infarction", "G30..00", "57054005", *_CONDITION),
            ("stroke", "Stroke", "G66..00", "230690007", *_CONDITION),
            ("copd", "Chronic obstructive pulmonary disease", "H3...00", "13645005", *_CONDITION),
            ("copd review", "Chronic obstructive pulmonary disease annual review", "66YM.00", "", *_ADMIN),
            ("asthma review", "Asthma annual review", "66YJ.00", "", *_ADMIN),
            ("breast cancer", "Malignant neoplasm of female breast", "B34..00", "254837009", *_CONDITION),
            ("prostate cancer", "Malignant neoplasm of prostate", "B46..00", "399068003", *_CONDITION),
            ("urgent referral", "Fast track cancer referral", "8HHt.00", "", "Referral", "Referral"),
            ("self-harm", "Self-harm", "U2...00", "248062006", *_CONDITION),
            ("homeless", "Homeless", "13D2.00", "32911000", *_SOCIAL),
            ("osteoarthritis", "Osteoarthritis", "N05..00", "396275006", *_CONDITION),
            ("cataract", "Cataract", "F46..00", "193570009", *_CONDITION),
            ("pregnant", "Patient pregnant", "62...00", "77386006", "Obstetrics and Birth", "Observation"),
            ("learning disability register", "On learning disability register", "918e.00", "416075005", *_ADMIN),
            ("learning disability check", "Learning disability health check (local)", "EMISNQLD01", "", *_ADMIN),
        ],
        1,
    )
}


class Drug(NamedTuple):
    """A row of a GP system's drug table; ``dmd`` is the dm+d product, "" where the row is the system's own."""

    id: int
    term: str
    dmd: str


DRUGS = {
    key: Drug(200_000_000_000 + number * 10_000 + 3_110, term, dmd)
    for number, (key, term, dmd) in enumerate(
        [
            ("amlodipine", "Amlodipine 5mg tablets", "319283006"),
            ("metformin", "Metformin 500mg tablets", "325278007"),
            ("atorvastatin", "Atorvastatin 20mg tablets", "320030001"),
            ("salbutamol", "Salbutamol 100micrograms/dose inhaler CFC free", "39113611000001102"),
            ("amoxicillin", "Amoxicillin 500mg capsules", "39732411000001106"),
            ("paracetamol", "Paracetamol 500mg tablets", "322236009"),
            ("omeprazole", "Omeprazole 20mg gastro-resistant capsules", "317291008"),
            ("doxycycline", "Doxycycline 100mg capsules", ""),
            ("alendronic acid", "Alendronic acid 70mg tablets", ""),
            ("aspirin", "Aspirin 75mg dispersible tablets", "319775004"),
            ("bisoprolol", "Bisoprolol 2.5mg tablets", ""),
            ("clopidogrel", "Clopidogrel 75mg tablets", ""),
            ("tiotropium", "Tiotropium 18microgram inhalation powder capsules", ""),
            ("prednisolone", "Prednisolone 5mg tablets", ""),
        ],
        1,
    )
}
