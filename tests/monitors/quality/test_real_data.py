"""Real tables through DuckDB: halves of one table pass each other's constraints, and damage is found."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine
from statsmodels.datasets import ccard, fair

from crisplens.core.documents import read_document
from crisplens.monitors.engines.duckdb_engine import profile_current, profile_reference
from crisplens.monitors.quality.documents import read_constraints, write_constraints
from crisplens.monitors.quality.judge import judge
from crisplens.monitors.quality.sagemaker import read_model_monitor, write_model_monitor
from crisplens.monitors.quality.suggest import suggest
from crisplens.registry.data.tabular import open_table

Rows = list[list[object]]


def from_sklearn(load) -> tuple[list[str], Rows]:
    data = load(as_frame=True).frame
    return list(data.columns), data.values.tolist()


def from_statsmodels(load) -> tuple[list[str], Rows]:
    data = load().data
    return list(data.columns), data.values.tolist()


TABLES = {
    "breast cancer": lambda: from_sklearn(load_breast_cancer),
    "wine": lambda: from_sklearn(load_wine),
    "fair": lambda: from_statsmodels(fair.load_pandas),
    "ccard": lambda: from_statsmodels(ccard.load_pandas),
}


@pytest.fixture(params=TABLES)
def real(request) -> tuple[list[str], Rows]:
    header, rows = TABLES[request.param]()
    order = np.random.default_rng(1).permutation(len(rows))
    return header, [rows[i] for i in order]


def write(folder: Path, name: str, header: list[str], rows: Rows):
    file = folder / name
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([header, *rows])
    return open_table(str(file))


def broken(constraints, table, reference):
    return [(v.column, v.rule.value) for v in judge(constraints, profile_current(table, reference))]


def test_one_half_of_a_table_passes_what_the_other_suggests(real, tmp_path):
    header, rows = real
    half = len(rows) // 2
    reference = profile_reference(write(tmp_path, "reference.csv", header, rows[:half]))
    constraints = suggest(reference)
    assert broken(constraints, write(tmp_path, "window.csv", header, rows[half:]), reference) == []
    assert broken(constraints, write(tmp_path, "small.csv", header, rows[half : half + 10]), reference) == []


def test_constraints_of_a_table_survive_being_written(real, tmp_path):
    header, rows = real
    constraints = suggest(profile_reference(write(tmp_path, "reference.csv", header, rows)))
    assert read_constraints(read_document(write_constraints(constraints).encode(), "c.yaml")) == constraints
    exported = write_model_monitor(constraints)
    imported = read_model_monitor(exported.text.encode()).constraints
    assert [column.column for column in imported.columns] == header
    assert [column.most_nulls for column in imported.columns] == [
        column.most_nulls for column in constraints.columns
    ]


def test_damage_to_a_real_table_is_found(tmp_path):
    header, rows = TABLES["breast cancer"]()
    reference = profile_reference(write(tmp_path, "reference.csv", header, rows))
    constraints = suggest(reference)
    damaged = [list(row) for row in rows[:200]]
    names = ["mean radius", "mean texture", "mean area", "mean smoothness", "mean concavity", "target"]
    radius, texture, area, smoothness, concavity, target = (header.index(name) for name in names)
    for number, row in enumerate(damaged):
        row[radius] = float(row[radius]) * 1000
        row[texture] = None if number % 5 == 0 else row[texture]
        row[area] = "n/a" if number % 50 == 0 else row[area]
        row[smoothness] = -1 if number == 0 else row[smoothness]
        row[concavity] = -1 if number == 0 else row[concavity]
        row[target] = 2 if number % 40 == 0 else row[target]
    renamed = [name.replace("worst radius", "worst_radius") for name in header]
    assert broken(constraints, write(tmp_path, "window.csv", renamed, damaged), reference) == [
        ("worst radius", "renamed-column"),
        ("mean radius", "above-maximum"),
        ("mean texture", "nulls"),
        ("mean area", "wrong-type"),
        ("mean smoothness", "below-minimum"),
        ("mean concavity", "negative"),
        ("target", "above-maximum"),
    ]


def test_types_that_change_are_found_in_files(tmp_path):
    header = ["n", "few", "flag", "day", "name"]
    rows = [[i % 90, i % 3, i % 2 == 0, f"2026-01-{i % 28 + 1:02}", f"customer {i}"] for i in range(300)]
    reference = profile_reference(write(tmp_path, "reference.csv", header, rows))
    constraints = suggest(reference)
    assert broken(constraints, write(tmp_path, "same.csv", header, rows[:50]), reference) == []
    changed = [[row[0] + 0.5, row[1] + 0.5, i % 2, "soon", i] for i, row in enumerate(rows)]
    assert broken(constraints, write(tmp_path, "changed.csv", header, changed), reference) == [
        ("n", "not-whole"),
        ("few", "not-whole"),
        ("few", "new-categories"),
        ("flag", "wrong-type"),
        ("day", "wrong-type"),
        ("name", "wrong-type"),
    ]
    empty = [[None] * 5 for _ in range(50)]
    assert {
        rule for _, rule in broken(constraints, write(tmp_path, "nulls.csv", header, empty), reference)
    } == {"nulls"}
    assert broken(constraints, write(tmp_path, "none.csv", header, []), reference) == [(None, "too-few-rows")]
