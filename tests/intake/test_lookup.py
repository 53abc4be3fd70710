"""A row that a group looks up is the row as kept now, whether it is at hand, was remembered, or has to be fetched."""

import pytest

from tests.toy import deliver, resource, row

MADE = resource("Organization", "organisation-1", name="Mill Lane")


@pytest.mark.parametrize("is_near", [True, False], ids=["in the same delivery", "in an earlier one"])
@pytest.mark.parametrize(("deleted", "mapped"), [(False, 1), (True, 0)], ids=["there", "deleted"])
def test_a_deleted_row_is_not_found(store, is_near, deleted, mapped):
    asked, asker = row("asked", deleted=deleted), row("asker", MADE, ask="asked")
    for delivery in [[asked, asker]] if is_near else [[asked], [asker]]:
        report = deliver(store, delivery)
    assert report.as_dict()["written"] == mapped


def test_a_row_that_comes_is_found_and_one_that_goes_is_not(store):
    assert deliver(store, [row("asker", MADE, ask="asked")]).as_dict()["written"] == 0
    assert deliver(store, [row("asked")]).resources["Organization", "created"] == 1
    assert sum(deliver(store, [row("asked", order=2, deleted=True)]).rejects.values()) == 1
