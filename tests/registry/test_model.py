"""References to versions, and their numbers."""

from __future__ import annotations

import pytest

from crisplens.core.errors import InputError
from crisplens.registry.model import VersionRef, parse_reference
from crisplens.registry.versions import next_version


def test_reads_what_it_writes() -> None:
    ref = VersionRef("churn-gbm", 12)
    assert str(ref) == "churn-gbm@12"
    assert parse_reference("model", str(ref)) == ref == parse_reference("model", ref)


@pytest.mark.parametrize(
    "text", ["", "a", "a@", "@1", "a@0", "a@01", "a@-1", "a@1.0", "a@1 ", "a@x", "a@@1", "a b@1", "a@1\n"]
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_reference("dataset", text)
    assert caught.value.slug == "bad-reference"
    assert "dataset" in caught.value.message
    assert "@1" in caught.value.hint


@pytest.mark.parametrize(
    ("wanted", "taken", "version"),
    [(None, [], 1), (None, [1, 2], 3), (None, [5], 6), (7, [1], 7), (1, [2], 1)],
)
def test_the_next_version_follows_the_highest_unless_one_is_named(
    wanted: int | None, taken: list[int], version: int
) -> None:
    assert next_version("a", wanted, newest=max(taken, default=0), exists=taken.__contains__) == version


@pytest.mark.parametrize(("wanted", "slug"), [(2, "exists"), (0, "bad-reference"), (-1, "bad-reference")])
def test_a_version_that_exists_or_cannot_be_is_refused(wanted: int, slug: str) -> None:
    with pytest.raises(InputError) as caught:
        next_version("a", wanted, newest=2, exists=[1, 2].__contains__)
    assert caught.value.slug == slug
