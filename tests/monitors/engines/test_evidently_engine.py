import importlib.metadata
import importlib.util

import pytest

from crisplens.core.errors import InputError, RegistryError
from crisplens.monitors.engines import evidently_engine
from crisplens.monitors.engines.by_name import get_engine
from crisplens.monitors.engines.duckdb_engine import profile_reference
from crisplens.monitors.engines.evidently_engine import EvidentlyEngine, require_evidently
from crisplens.monitors.engines.interface import Reference, Rows
from crisplens.monitors.model import CheckSettings, Verdict
from crisplens.registry.data.tabular import connect, open_table, quote_text


@pytest.fixture(scope="module", autouse=True)
def _evidently() -> None:
    """Imported, which takes seconds, only by the worker that runs these tests."""
    pytest.importorskip("evidently")


ROWS = (
    "SELECT i * 0.37 AS x, i * 0.5 AS y, i * 0.25 AS z, (i % 4)::VARCHAR || ' of 4' AS g, i % 2 = 0 AS b, "
    "'id' || i AS id, DATE '2020-01-01' + i::INTEGER AS d FROM range({n}) t(i)"
)


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make(name: str, query: str = ROWS, n: int = 200) -> str:
    connection = connect()
    connection.execute(f"COPY ({query.format(n=n)}) TO {quote_text(name)} (FORMAT parquet)")
    return name


def reference_of(name: str) -> Reference:
    table = open_table(name)
    return Reference(table, profile_reference(table))


def test_bad_columns_do_not_keep_the_others_from_being_checked(tmp_path):
    query = (
        "SELECT i * 0.37 + 50 AS x, 'text' AS y, NULL::DOUBLE AS z, (i % 4)::VARCHAR || ' of 4' AS g, "
        "'id' || i AS id, DATE '2020-01-01' AS d FROM range({n}) t(i)"
    )
    (tmp_path / "json.py").write_text("raise RuntimeError('a file of the user was imported')")
    settings = CheckSettings(drift_share=0.5, thresholds={"g": 0.2}, methods={"x": "wasserstein"})
    found = get_engine("evidently").check(
        reference_of(make("r.parquet")), Rows(open_table(make("c.parquet", query))), settings
    )
    by_name = {column.column: column for column in found.check.columns}
    assert {name: column.verdict.value for name, column in by_name.items()} == {
        "x": "drift",
        "y": "wrong-type",
        "z": "all-null",
        "g": "no-drift",
        "b": "missing-column",
        "id": "unsupported",
        "d": "unsupported",
    }
    assert by_name["x"].method == "wasserstein"
    assert by_name["g"].threshold == 0.2
    assert found.check.verdict is Verdict.DRIFT
    assert "y is of the wrong type" in found.check.reason
    (report,) = found.attachments
    assert report.media_type == "text/html"
    assert b"<html" in report.content[:2000]


def test_nothing_to_compare_starts_no_process(monkeypatch):
    monkeypatch.setattr(evidently_engine.subprocess, "run", None)
    found = EvidentlyEngine().check(
        reference_of(make("r.parquet")),
        Rows(open_table(make("c.parquet", n=0))),
        CheckSettings(drift_share=0.5),
    )
    assert found.check.verdict is Verdict.BAD_DATA
    assert found.attachments == ()


def test_the_references_rows_are_needed():
    reference = Reference(None, reference_of(make("r.parquet")).profile)
    with pytest.raises(InputError) as caught:
        EvidentlyEngine().check(reference, Rows(open_table("r.parquet")), CheckSettings(drift_share=0.5))
    assert caught.value.slug == "reference-rows-needed"


def test_a_failure_of_evidently_is_told_in_its_own_words():
    settings = CheckSettings(columns=("g",), methods={"g": "ks"})
    with pytest.raises(RegistryError, match="isn't applicable to feature of type cat") as caught:
        EvidentlyEngine().check(reference_of(make("r.parquet")), Rows(open_table("r.parquet")), settings)
    assert caught.value.slug == "evidently-failed"


def test_time_is_bounded():
    engine = EvidentlyEngine(timeout_seconds=0.05)
    with pytest.raises(RegistryError, match=r"within 0\.05 seconds"):
        engine.check(
            reference_of(make("r.parquet")), Rows(open_table("r.parquet")), CheckSettings(drift_share=0.5)
        )


def test_an_unknown_method():
    settings = CheckSettings(methods={"x": "wassertein"})
    with pytest.raises(InputError) as caught:
        EvidentlyEngine().check(reference_of(make("r.parquet")), Rows(open_table("r.parquet")), settings)
    assert "wasserstein" in caught.value.hint


def test_an_import_error_says_what_to_install():
    import_errors = evidently_engine._failure("Traceback\nImportError: cannot import name 'Int64Index'\n", 1)
    assert import_errors.slug == "engine-not-installed"
    assert "pandas>=2.2,<3.1" in import_errors.hint


def test_without_evidently(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RegistryError) as caught:
        get_engine("evidently")
    assert "pip install 'crisplens[evidently]'" in caught.value.hint


@pytest.mark.parametrize("version", ["2.1.4", "3.1.0", "4.0"])
def test_a_pandas_that_evidently_does_not_work_with(monkeypatch, version):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    with pytest.raises(RegistryError, match=version):
        require_evidently()


@pytest.mark.parametrize("version", ["2.2.0", "2.3.3", "3.0.6", "3.0rc1"])
def test_a_pandas_that_evidently_works_with(monkeypatch, version):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    require_evidently()
