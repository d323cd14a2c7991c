"""Variants and their shares, and that production is reached through gates only."""

from __future__ import annotations

import pytest

from crisplens.api import Registry
from crisplens.core.errors import InputError, Refused
from crisplens.registry.deployments.model import Variant, check_traffic, is_production
from crisplens.registry.deployments.service import record_deployment, share_traffic
from crisplens.registry.model import GateDecision, VersionRef
from tests.conftest import Files, assert_refused, doing

ONE, TWO = VersionRef("m", 1), VersionRef("m", 2)


@pytest.mark.parametrize(
    ("others", "main"),
    [
        ({}, "100"),
        ({"b": ("m@2", 10)}, "90"),
        ({"b": ("m@2", "33.3"), "c": ("m@2", "33.4")}, "33.3"),
        ({"b": (TWO, 99)}, "1"),
    ],
)
def test_the_model_serves_what_the_others_leave(others: dict[str, tuple[str, str]], main: str) -> None:
    first, *rest = share_traffic(ONE, others)
    assert first == Variant("main", ONE, main)
    assert [variant.name for variant in rest] == list(others)
    check_traffic((first, *rest))


@pytest.mark.parametrize(
    ("others", "slug"),
    [
        ({"b": ("m@2", "x")}, "not-a-number"),
        ({"a b": ("m@2", 1)}, "bad-name"),
        ({"b": ("m", 1)}, "bad-reference"),
    ],
)
def test_shares_and_names_that_cannot_be_are_refused(others: dict[str, tuple[str, str]], slug: str) -> None:
    with pytest.raises(InputError) as caught:
        share_traffic(ONE, others)
    assert caught.value.slug == slug


@pytest.mark.parametrize(
    "shares", [("100", "1"), ("99", "0"), ("100", "0"), ("101", "-1"), ("50", "49.999999"), ("0.1", "99.8")]
)
def test_shares_must_make_a_hundred(shares: tuple[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        check_traffic(tuple(Variant(f"v{at}", ONE, share) for at, share in enumerate(shares)))
    assert caught.value.slug == "bad-variants"


def test_decimal_shares_add_up_exactly() -> None:
    check_traffic(tuple(Variant(f"v{at}", ONE, share) for at, share in enumerate(["0.1", "0.2", "99.7"])))


def test_variants_have_names_of_their_own() -> None:
    with pytest.raises(InputError, match="same name"):
        check_traffic(share_traffic(ONE, {"main": ("m@2", 10)}))


@pytest.mark.parametrize(
    ("name", "expected"), [("production", True), ("PROD", True), ("Live", True), ("staging", False)]
)
def test_production_goes_by_its_usual_names(name: str, expected: bool) -> None:
    assert is_production(name) is expected


def decision(subject: str, *, open: bool) -> GateDecision:
    """A gate's decision."""
    return GateDecision(phase="evaluation", subject=subject, open=open, unmet=() if open else ("too few",))


@pytest.mark.stored
@pytest.mark.parametrize(
    "gates",
    [
        [],
        [decision("m@1", open=False)],
        [decision("m@2", open=True)],
        [decision("m@1", open=True)],
        [decision("m@1", open=True), decision("m@2", open=False)],
    ],
)
def test_no_door_reaches_production_without_an_open_gate_for_every_variant(
    registry: Registry, files: Files, gates: list[GateDecision]
) -> None:
    for _ in range(2):
        registry.model.register("m", files.text("w"))
    served = share_traffic(ONE, {"b": (TWO, 10)})
    given = {"environment": "Prod", "kind": "batch", "gates": gates}
    assert_refused(
        registry, lambda: doing(registry, record_deployment, served, **given), "gate-blocked", kind=Refused
    )
    given["gates"] = [decision("m@1", open=True), decision("m@2", open=True)]
    recorded = doing(registry, record_deployment, served, **given)
    assert recorded.gates == tuple(given["gates"])
    assert registry.deployment.list() == [recorded]
