"""What import-linter cannot see: what an import loads, which slugs are raised, and that all is documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import crisplens
from crisplens.core.error_pages import ERROR_PAGES

PACKAGE = Path(crisplens.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {"sqlalchemy", "duckdb", "pandas", "numpy", "evidently", "alembic", "sklearn", "scipy"}
PURE = [
    "ledger.model",
    "ledger.merkle",
    "registry.model",
    "registry.data.locations",
    "registry.data.model",
    "registry.deployments.model",
    "registry.lineage.model",
    "registry.keys.model",
    "registry.models.model",
    "registry.projects.model",
    "monitors.model",
    "monitors.states",
    "monitors.profiles",
    "monitors.scores",
    "monitors.segments",
    "monitors.window_names",
    "monitors.distances",
    "monitors.pvalues",
    "monitors.decisions",
    "monitors.effects",
    "monitors.features",
    "monitors.results",
    "monitors.moving",
    "monitors.streaming.model",
    "monitors.alarms",
    "monitors.tuning",
    "monitors.settings",
    "monitors.idle",
    "monitors.incidents.model",
    "monitors.quality.model",
    "monitors.quality.binomial",
    "monitors.quality.suggest",
    "monitors.quality.judge",
    "monitors.quality.columns",
    "monitors.quality.violations",
    "monitors.schedules.model",
    "monitors.schedules.windows",
    "monitors.schedules.cron",
    "monitors.schedules.times",
    "monitors.schedules.local_calendar",
    "monitors.notifications.model",
    "monitors.notifications.rendering",
    "monitors.notifications.signing",
    "monitors.notifications.text",
    "monitors.notifications.channels",
    "monitors.performance.model",
    "monitors.performance.plans",
    "monitors.performance.judging",
    "monitors.performance.score_bins",
    "monitors.performance.intervals",
    "monitors.performance.merging",
    "monitors.performance.metrics",
    "monitors.performance.labels",
    "monitors.performance.estimation",
    "monitors.performance.losses",
    "monitors.performance.segments",
    "monitors.performance.fairness",
    "monitors.performance.variants",
    "lifecycle.model",
    "lifecycle.rules",
    "lifecycle.gates",
    "lifecycle.phases",
    "lifecycle.standing",
    "lifecycle.facts",
    "lifecycle.catalogues.model",
    "lifecycle.catalogues.crosswalk",
    "lifecycle.policies.model",
    "lifecycle.policies.view",
    "lifecycle.policies.conditions",
    "lifecycle.policies.demands",
    "lifecycle.risks.model",
    "lifecycle.roles.model",
    "registry.value.model",
]
IMPURE = {"cli.model", "demo.model"}  # a noun of the command line; scikit-learn's model of the demonstration


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys\n{statement}\nprint(' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def module_name(source: Path) -> str:
    """The dotted name of a source file."""
    parts = source.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def slugs(source: Path) -> Iterator[tuple[str, int]]:
    """Every slug that a file passes to an error, and the line."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "slug":
            for part in ast.walk(node.value):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value, node.value.lineno


def public_definitions(source: Path) -> Iterator[ast.AST]:
    """Public classes and functions of a file, methods included, private classes left out."""
    waiting: list[ast.AST] = [ast.parse(source.read_text(encoding="utf-8"))]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(
                node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            ) and not node.name.startswith("_"):
                yield node
                if isinstance(node, ast.ClassDef):
                    waiting.append(node)


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import crisplens") & HEAVY == set()


def test_opening_a_registry_loads_no_data_engine() -> None:
    assert loaded_by("import crisplens; crisplens.connect") & (HEAVY - {"sqlalchemy"}) == set()


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_load_nothing_heavy(module: str) -> None:
    assert loaded_by(f"import crisplens.{module}") & HEAVY == set()


def test_every_model_module_is_known_to_be_pure() -> None:
    models = {
        module_name(source).removeprefix("crisplens.") for source in SOURCES if source.name == "model.py"
    }
    assert models - IMPURE <= set(PURE)


def test_every_slug_has_a_page() -> None:
    raised = {
        slug: f"{source.relative_to(PACKAGE)}:{line}" for source in SOURCES for slug, line in slugs(source)
    }
    assert {slug: place for slug, place in raised.items() if slug not in ERROR_PAGES} == {}
    assert set(ERROR_PAGES) - raised.keys() == set()


@pytest.mark.parametrize("source", SOURCES, ids=module_name)
def test_everything_public_is_documented(source: Path) -> None:
    if not module_name(source).startswith("crisplens.migrations.versions"):
        bare = [node for node in public_definitions(source) if not ast.get_docstring(node)]  # type: ignore[arg-type]
        assert [f"{node.name}:{node.lineno}" for node in bare] == []  # type: ignore[attr-defined]
    assert ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or source.name == "__main__.py"


def test_every_module_can_be_imported() -> None:
    for found in pkgutil.walk_packages([str(PACKAGE)], "crisplens."):
        if found.name not in {"crisplens.__main__", "crisplens.migrations.env"}:
            assert inspect.ismodule(importlib.import_module(found.name))
