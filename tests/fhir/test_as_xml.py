"""FHIR XML and JSON say the same, and nothing of either is lost on the way."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gateway.errors import Invalid
from gateway.fhir import as_xml, model

EXAMPLES = "data/fhir-r4-examples"
BASIC = '<Basic xmlns="http://hl7.org/fhir">{}</Basic>'


def numbered(text: bytes) -> object:
    """JSON with its numbers as they are written, and its XHTML as a tree."""
    return _with_trees(
        json.loads(text, parse_float=lambda digits: ["n", digits], parse_int=lambda digits: ["n", digits])
    )


def _with_trees(node: object) -> object:
    if isinstance(node, dict):
        return {key: _tree(value) if key == "div" else _with_trees(value) for key, value in node.items() if key != "fhir_comments"}  # fmt: skip
    return [_with_trees(item) for item in node] if isinstance(node, list) else node


def _tree(div: str) -> list:
    """The tags, attributes and words of XHTML, in their order."""
    whole = re.sub(r"&(?!(amp|lt|gt|quot|apos|#))(\w+);", lambda match: as_xml.html.unescape(match[0]), div)
    return [(each.tag, sorted(each.attrib.items()), each.text or "", each.tail or "") for each in ElementTree.fromstring(whole).iter()]  # fmt: skip


SIMPLE = [
    (b'{"resourceType":"Basic","id":"a","code":{"text":"x"}}', '<id value="a"/><code><text value="x"/></code>'),
    (b'{"resourceType":"Basic","code":{"text":"a<b>&\\"c\\""}}', '<code><text value="a&lt;b&gt;&amp;&quot;c&quot;"/></code>'),
    (b'{"resourceType":"Basic","code":{"text":"one\\ntwo\\tthree\\r"}}', '<code><text value="one&#10;two&#9;three&#13;"/></code>'),
    (b'{"resourceType":"Basic","extension":[{"url":"urn:x","valueDecimal":1.0e2}],"code":{"text":"x"}}',
     '<extension url="urn:x"><valueDecimal value="1.0e2"/></extension><code><text value="x"/></code>'),
    (b'{"resourceType":"Basic","code":{"id":"c","text":"x","_text":{"id":"t"}}}', '<code id="c"><text id="t" value="x"/></code>'),
    (b'{"resourceType":"Basic","contained":[{"resourceType":"Basic","id":"b","code":{"text":"y"}}],"code":{"text":"x"}}',
     '<contained><Basic><id value="b"/><code><text value="y"/></code></Basic></contained><code><text value="x"/></code>'),
    (b'{"resourceType":"Basic","text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\"><b>A&amp;B</b></div>"},"code":{"text":"x"}}',
     '<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><b>A&amp;B</b></div></text><code><text value="x"/></code>'),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "inner"), SIMPLE)
def test_a_resource_is_the_same_in_both(sent, inner):
    made = as_xml.to_xml(sent)
    assert made.decode() == BASIC.format(inner)
    assert as_xml.to_json(made) == sent


def test_values_and_what_stands_beside_them_keep_their_places():
    sent = b'{"resourceType":"Patient","name":[{"given":["A",null,"C"],"_given":[null,{"extension":[{"url":"urn:x","valueCode":"y"}]},null]}]}'  # fmt: skip
    assert numbered(as_xml.to_json(as_xml.to_xml(sent))) == numbered(sent)


def test_a_boolean_and_a_number_keep_their_kind_and_their_digits():
    sent = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":5.40},"component":[{"code":{"text":"y"},"valueBoolean":false},{"code":{"text":"z"},"valueInteger":-3}]}'  # fmt: skip
    assert as_xml.to_json(as_xml.to_xml(sent)) == sent


def test_entities_of_html_become_characters():
    div = '<div xmlns="http://www.w3.org/1999/xhtml">a&nbsp;b&eacute;&lt;</div>'
    sent = json.dumps({"resourceType": "Basic", "text": {"status": "generated", "div": div}, "code": {"text": "x"}})
    assert "a\N{NO-BREAK SPACE}bé&lt;" in as_xml.to_xml(sent.encode()).decode()


NOT_R4 = {"fhir-patch-tests.xml", "manifest.xml", "tests-fhir-r4.xml", "xml-patch-tests.xml", "myconsent-ext.xml"}
"""Lists of tests, which are no resources, and a StructureDefinition with an element of another release."""
BAD = [
    ("<Basic/>", "XML: a resource type that R4 does not have"),
    ('<Nothing xmlns="http://hl7.org/fhir"/>', "XML: a resource type that R4 does not have"),
    ('<HumanName xmlns="http://hl7.org/fhir"/>', "XML: a resource type that R4 does not have"),
    ("<Basic", "XML: not well-formed, or with a DTD or an entity of its own"),
    ('<!DOCTYPE Basic [<!ENTITY a "b">]><Basic xmlns="http://hl7.org/fhir"/>', "XML: not well-formed, or with a DTD or an entity of its own"),
    (BASIC.format('<secret9990009990 value="x"/>'), "Basic: an element that R4 does not have there"),
    (BASIC.format("<code>9990009990</code>"), "Basic.code: words outside of a value"),
    (BASIC.format("9990009990"), "Basic: words outside of a value"),
    (BASIC.format("<code/>9990009990"), "Basic: words outside of a value"),
    (BASIC.format("<code/><code/>"), "Basic.code: twice"),
    (BASIC.format('<created value="2020"/><created id="a"/>'), "Basic.created: twice"),
    (BASIC.format('<code value="9990009990"/>'), "Basic.code: an attribute that R4 does not have there"),
    (BASIC.format('<created other="9990009990"/>'), "Basic.created: an attribute that R4 does not have there"),
    (BASIC.format("<contained/>"), "Basic.contained: one resource is needed"),
    (BASIC.format("<extension>" * 70 + "</extension>" * 70), "XML: too deep"),
    ('<Basic xmlns="http://hl7.org/fhir" id="9990009990"/>', "Basic: an attribute"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "why"), BAD)
def test_what_is_no_fhir_xml_is_refused_by_its_place_and_never_by_its_value(document, why):
    with pytest.raises(Invalid) as refused:
        as_xml.to_json(document.encode())
    assert str(refused.value) == why


def test_what_files_say_of_themselves_is_passed_over():
    head = '<?xml version="1.0" encoding="UTF-8"?><!-- a -->'
    named = 'xmlns="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"'
    read = as_xml.to_json(f'{head}<Basic {named}><!-- b --><code><text value="x"/></code></Basic>'.encode())
    assert read == b'{"resourceType":"Basic","code":{"text":"x"}}'


def test_a_number_that_json_does_not_have_stays_words_and_is_refused_by_the_check():
    document = BASIC.format(
        '<extension url="urn:x"><valueDecimal value="+1"/></extension><code><text value="x"/></code>'
    )
    read = as_xml.to_json(document.encode())
    assert b'"valueDecimal":"+1"' in read and model.check(read)


def test_an_element_that_r4_does_not_have_is_not_lost_silently():
    with pytest.raises(Invalid, match=r"Basic: an element that R4 does not have \(1\)"):
        as_xml.to_xml(b'{"resourceType":"Basic","code":{"text":"x"},"other":1}')


@pytest.mark.corpora
def test_every_official_example_goes_to_xml_and_back(shared):
    paths = sorted((shared / EXAMPLES).glob("*.json"))
    assert len(paths) == 409
    for path in paths:
        for pretty in (False, True):
            back = as_xml.to_json(as_xml.to_xml(path.read_bytes(), pretty))
            assert numbered(back) == numbered(path.read_bytes()), (path.name, pretty)


@pytest.mark.corpora
def test_the_xml_that_others_wrote_is_read_as_valid_resources(shared):
    """UK Core's own examples in XML and those of HL7's test cases."""
    paths = [path for folder in ("uk-fhir", "fhir-test-cases") for path in sorted((shared / "data" / folder).rglob("*.xml"))]  # fmt: skip
    read: dict[Path, bytes] = {}
    refused = {}
    for path in paths:
        try:
            read[path] = as_xml.to_json(path.read_bytes())
        except Invalid as why:
            refused[path] = str(why)
    assert len(read) > 200
    for path, resource in read.items():
        again = as_xml.to_json(as_xml.to_xml(resource))
        assert numbered(again) == numbered(resource), path.name
    assert {path.name for path in refused} == NOT_R4


def test_xhtml_that_is_too_deep_is_refused_and_nothing_goes_down_it():
    deep = '<div xmlns="http://www.w3.org/1999/xhtml">' + "<b>" * 5000 + "</b>" * 5000 + "</div>"
    with pytest.raises(Invalid, match="XML: too deep"):
        as_xml.to_json(BASIC.format(f"<text>{deep}</text>").encode())
