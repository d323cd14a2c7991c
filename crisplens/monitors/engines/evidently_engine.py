"""The Evidently engine: its `DataDriftPreset` on every row, in memory, with its own HTML report as evidence.

Evidently takes seconds to import and may fail in many ways, so it runs in a process of its own: this module,
started as `python -m`, with a JSON request on standard input and its answer in a folder the request names.
Columns that it would fail on are sorted out before, so that the others are still checked.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crisplens.core.clock import parse_time, to_text
from crisplens.core.errors import InputError, RegistryError
from crisplens.monitors import features
from crisplens.monitors.engines import _columns, _sql
from crisplens.monitors.engines._reading import opened
from crisplens.monitors.engines.duckdb_engine import profile_current
from crisplens.monitors.engines.interface import (
    Attachment,
    EngineResult,
    Reference,
    Rows,
    RowSlice,
    Slice,
    TimeSlice,
)
from crisplens.monitors.model import CheckSettings, ColumnCheck, ColumnKind, Family, Profile, Verdict
from crisplens.monitors.segments import refuse_segments
from crisplens.registry.data.tabular import Table, quote_name

if TYPE_CHECKING:
    from pandas import DataFrame

INSTALL_HINT = "Install it with: pip install 'crisplens[evidently]' (it needs pandas>=2.2,<3.1)."
TIMEOUT_SECONDS = 1800.0
# Evidently's registered names and the names it shows in results.
METHODS = {
    "anderson": "Anderson-Darling",
    "chisquare": "chi-square p_value",
    "cramer_von_mises": "Cramer-von Mises",
    "ed": "Energy-distance",
    "empirical_mmd": "empirical_mmd",
    "es": "Epps-Singleton",
    "fisher_exact": "Fisher's Exact test",
    "g_test": "g_test",
    "hellinger": "Hellinger distance",
    "jensenshannon": "Jensen-Shannon distance",
    "kl_div": "Kullback-Leibler divergence",
    "ks": "K-S p_value",
    "mannw": "Mann-Whitney U-rank test",
    "psi": "PSI",
    "t_test": "t_test",
    "TVD": "Total-Variation-Distance",
    "wasserstein": "Wasserstein distance (normed)",
    "z": "Z-test p_value",
}
_NAMES = {shown: name for name, shown in METHODS.items()}


@dataclass
class EvidentlyEngine:
    """Runs Evidently on both tables; it needs the reference's rows, not only its profile."""

    name: str = "evidently"
    timeout_seconds: float = TIMEOUT_SECONDS

    def check_settings(self, reference: Profile, settings: CheckSettings) -> tuple[str, ...]:
        """The columns to watch; see `Engine.check_settings`."""
        refuse_segments(settings, self.name)
        return _columns.watched_columns(*features.without_features(reference, settings), METHODS)

    def check(self, reference: Reference, current: Rows, settings: CheckSettings) -> EngineResult:
        """Compare `current` with the reference's table; see `Engine.check`."""
        if reference.table is None:
            raise InputError(
                "the evidently engine reads the reference's rows, and only its profile is at hand",
                slug="reference-rows-needed",
                hint="Give the reference's file, or use the duckdb engine.",
            )
        watched = self.check_settings(reference.profile, settings)
        profile, settings = features.without_features(reference.profile, settings)
        window = profile_current(current.table, profile, watched, only=current.only)
        pairs, checks = _columns.pair_up(profile, window, watched, settings)
        attachments: tuple[Attachment, ...] = ()
        if pairs:
            answer, report = self._ask(_request(Rows(reference.table), current, pairs, settings))
            for name, pair in pairs.items():
                checks[name] = _check(name, pair, answer[name])
            attachments = (Attachment("evidently-report.html", "text/html", report),)
        result = _columns.result(self.name, profile, window, watched, pairs, checks, settings)
        return EngineResult(check=result, current_profile=window, attachments=attachments)

    def _ask(self, request: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], bytes]:
        with tempfile.TemporaryDirectory(prefix="crisplens-evidently-") as folder:
            try:
                # -P and the explicit path: a json.py in the user's folder must not be imported here.
                done = subprocess.run(
                    [sys.executable, "-P", "-W", "ignore", "-m", __name__],
                    input=json.dumps({**request, "folder": folder}),
                    capture_output=True,
                    text=True,
                    encoding="utf-8",
                    errors="replace",
                    timeout=self.timeout_seconds,
                    env=_environment(),
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise RegistryError(
                    f"Evidently did not finish within {self.timeout_seconds:g} seconds",
                    slug="evidently-failed",
                    hint="Check fewer columns or rows, or use the duckdb engine.",
                ) from error
            if done.returncode != 0:
                raise _failure(done.stderr, done.returncode)
            answer = json.loads(Path(folder, "answer.json").read_text(encoding="utf-8"))
            return answer, Path(folder, "report.html").read_bytes()


def require_evidently() -> None:
    """Raise `RegistryError` when Evidently is not installed, or with a pandas that it does not work with."""
    if util.find_spec("evidently") is None:
        raise RegistryError("Evidently is not installed", slug="engine-not-installed", hint=INSTALL_HINT)
    try:
        found = metadata.version("pandas")
    except metadata.PackageNotFoundError:
        raise RegistryError(
            "pandas is not installed", slug="engine-not-installed", hint=INSTALL_HINT
        ) from None
    release = tuple(int(part) if part.isdigit() else 0 for part in found.split(".")[:2])
    if not (2, 2) <= release < (3, 1):
        raise RegistryError(
            f"Evidently does not work with pandas {found}", slug="engine-not-installed", hint=INSTALL_HINT
        )


def _request(
    reference: Rows, current: Rows, pairs: dict[str, _columns.Pair], settings: CheckSettings
) -> dict[str, Any]:
    return {
        "reference": _rows_as_json(reference),
        "current": _rows_as_json(current),
        "columns": {name: pair.kind.value for name, pair in pairs.items()},
        "text": [name for name, pair in pairs.items() if _is_text(pair)],
        "thresholds": {name: settings.thresholds[name] for name in pairs if name in settings.thresholds},
        "methods": {name: settings.methods[name] for name in pairs if name in settings.methods},
        "drift_share": settings.drift_share or 0.5,
    }


def _is_text(pair: _columns.Pair) -> bool:
    return getattr(pair.reference, "family", None) is Family.TEXT


def _rows_as_json(rows: Rows) -> dict[str, Any]:
    table, only = rows.table, rows.only
    given = {"pattern": table.pattern, "files": [str(file) for file in table.files], "format": table.format}
    if isinstance(only, TimeSlice):
        times = {"column": only.column, "start": to_text(only.start), "end": to_text(only.end)}
        return {**given, "time": {**times, "zone": only.zone}}
    return given if only is None else {**given, "numbers": [only.start, only.end]}


def _slice_of(given: dict[str, Any]) -> Slice | None:
    if "numbers" in given:
        return RowSlice(*given["numbers"])
    if "time" not in given:
        return None
    times = given["time"]
    return TimeSlice(times["column"], parse_time(times["start"]), parse_time(times["end"]), times["zone"])


def _environment() -> dict[str, str]:
    package_root = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "DO_NOT_TRACK": "1", "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}


def _failure(errors: str, code: int) -> RegistryError:
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    last = lines[-1][:300] if lines else f"its process ended with {code}"
    missing = last.startswith(("ImportError", "ModuleNotFoundError"))
    return RegistryError(
        f"Evidently failed: {last}",
        slug="engine-not-installed" if missing else "evidently-failed",
        hint=INSTALL_HINT if missing else "Use the duckdb engine, or leave the column out.",
    )


def _check(name: str, pair: _columns.Pair, found: dict[str, Any]) -> ColumnCheck:
    score = found["score"]
    if score is None or not math.isfinite(score):
        return ColumnCheck(
            column=name,
            kind=pair.kind,
            method=found["method"],
            verdict=Verdict.UNSUPPORTED,
            reason=f"Evidently's {found['method']} gave no number for these values.",
        )
    return _columns.scored(
        name,
        pair,
        method=found["method"],
        score=score,
        threshold=found["threshold"],
        drift=found["drift"],
        approximate=False,
    )


def _run(request: dict[str, Any]) -> None:
    """What the child process does: both tables into pandas, the preset, its results and report into files."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    kinds = {name: ColumnKind(kind) for name, kind in request["columns"].items()}
    definition = DataDefinition(
        numerical_columns=[name for name, kind in kinds.items() if kind is ColumnKind.NUMERIC],
        categorical_columns=[name for name, kind in kinds.items() if kind is ColumnKind.CATEGORICAL],
    )
    reference, current = (
        Dataset.from_pandas(_frame(request[which], kinds, request["text"]), data_definition=definition)
        for which in ("reference", "current")
    )
    preset = DataDriftPreset(
        columns=list(kinds),
        drift_share=request["drift_share"],
        per_column_threshold=request["thresholds"] or None,
        per_column_method=request["methods"] or None,
    )
    snapshot = Report([preset], include_tests=True).run(current, reference)
    answer = _answer(snapshot.dict())
    folder = Path(request["folder"])
    Path(folder, "report.html").write_text(snapshot.get_html_str(as_iframe=False), encoding="utf-8")
    Path(folder, "answer.json").write_text(json.dumps(answer), encoding="utf-8")


def _answer(snapshot: dict[str, Any]) -> dict[str, dict[str, Any]]:
    drift = {
        test["metric_config"]["params"]["column"]: getattr(test["status"], "value", test["status"]) == "FAIL"
        for test in snapshot["tests"]
        if test["id"] == "drift"
    }
    answer = {}
    for metric in snapshot["metrics"]:
        column = metric["config"].get("column")
        if column is not None:
            method = metric["config"]["method"]
            score = float(metric["value"])
            answer[column] = {
                "method": _NAMES.get(method, method),
                "threshold": float(metric["config"]["threshold"]),
                "score": score if math.isfinite(score) else None,
                "drift": drift[column],
            }
    return answer


def _frame(table: dict[str, Any], kinds: dict[str, ColumnKind], text: list[str]) -> DataFrame:
    """The columns as pandas has them; whole numbers stay whole, as NumPy's bins depend on it."""
    files = tuple(Path(file) for file in table["files"])
    opened_table = Table(table["pattern"], files, table["format"])
    opening = opened(opened_table, text=text, needed=list(kinds), only=_slice_of(table))
    with opening as (connection, relation, found):
        wanted = []
        for column in found:
            if column.name in kinds:
                value = _sql.category_sql(column)
                if kinds[column.name] is ColumnKind.NUMERIC:
                    whole = _sql.is_integer(column.type) and column.type not in ("HUGEINT", "UHUGEINT")
                    value = quote_name(column.name) if whole else _sql.finite_sql(column)
                wanted.append(f"{value} AS {quote_name(column.name)}")
        return connection.execute(f"SELECT {', '.join(wanted)} FROM {relation}").df()


if __name__ == "__main__":
    _run(json.load(sys.stdin))
