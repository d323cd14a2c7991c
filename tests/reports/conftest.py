"""Registries and their reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from crisplens.lifecycle import projects
from crisplens.reports.content import AuditReport
from tests.reports.governed import review, tell_governed
from tests.reports.stories import (
    HOSTILE,
    WIDE,
    Registry,
    new_registry,
    tell_churn,
    tell_hostile,
    tell_in_order,
    tell_wide,
)


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """The full story of project `churn`, and project `empty` with nothing recorded."""
    registry = new_registry(tmp_path_factory.mktemp("story"))
    tell_churn(registry)
    registry.do(projects.add_project, "empty", project="empty")
    return registry


@pytest.fixture(scope="session")
def report(story: Registry) -> AuditReport:
    """The report on the full story."""
    return story.report()


@pytest.fixture
def fresh(tmp_path: Path) -> Registry:
    """An empty registry of the test's own."""
    return new_registry(tmp_path)


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> AuditReport:
    """The report on a project with very long names and 60 columns."""
    registry = new_registry(tmp_path_factory.mktemp("wide"))
    tell_wide(registry)
    return registry.report(WIDE)


@pytest.fixture(scope="session")
def in_order(tmp_path_factory: pytest.TempPathFactory) -> AuditReport:
    """The report on a project that is in order."""
    registry = new_registry(tmp_path_factory.mktemp("in_order"))
    tell_in_order(registry)
    return registry.report()


@pytest.fixture(scope="session")
def empty(story: Registry) -> AuditReport:
    """The report on a project with nothing recorded."""
    return story.report("empty")


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> AuditReport:
    """The report on a project with markup in every free text."""
    registry = new_registry(tmp_path_factory.mktemp("hostile"))
    tell_hostile(registry)
    return registry.report("hostile")


@pytest.fixture(scope="session")
def governed(tmp_path_factory: pytest.TempPathFactory) -> AuditReport:
    """The report on a governed project with an override that nobody has reviewed."""
    registry = new_registry(tmp_path_factory.mktemp("governed"))
    tell_governed(registry)
    return registry.report()


@pytest.fixture(scope="session")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> AuditReport:
    """The same project with hostile texts, after the review of its override."""
    registry = new_registry(tmp_path_factory.mktemp("reviewed"))
    tell_governed(registry, HOSTILE)
    review(registry, HOSTILE)
    return registry.report()
