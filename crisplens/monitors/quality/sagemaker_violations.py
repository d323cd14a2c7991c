"""Violations as SageMaker Model Monitor reports them, in a `constraint_violations.json`.

The format: https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-interpreting-violations.html
"""

from __future__ import annotations

from collections.abc import Sequence

from crisplens.monitors.quality.foreign import Exported, json_text
from crisplens.monitors.quality.model import Rule, Violation

_CHECKS = {
    Rule.MISSING_COLUMN: "missing_column_check",
    Rule.RENAMED_COLUMN: "missing_column_check",
    Rule.EXTRA_COLUMN: "extra_column_check",
    Rule.WRONG_TYPE: "data_type_check",
    Rule.OTHER_TYPE: "data_type_check",
    Rule.NOT_WHOLE: "data_type_check",
    Rule.NULLS: "completeness_check",
    Rule.NEW_CATEGORIES: "categorical_values_check",
    # The format has no check of values' range or number: they have left the baseline.
    Rule.NOT_FINITE: "baseline_drift_check",
    Rule.NEGATIVE: "baseline_drift_check",
    Rule.BELOW_MINIMUM: "baseline_drift_check",
    Rule.ABOVE_MAXIMUM: "baseline_drift_check",
    Rule.NOT_UNIQUE: "baseline_drift_check",
    Rule.TOO_FEW_VALUES: "baseline_drift_check",
    Rule.TOO_MANY_VALUES: "baseline_drift_check",
}


def write_violations(violations: Sequence[Violation]) -> Exported:
    """Violations as a `constraint_violations.json`.

    Ranges and numbers of distinct values come as `baseline_drift_check`, the nearest of the six checks that the
    format has. What is of no column (volume, freshness, duplicates) and what was not checked cannot be written.
    """
    written, remarks = [], []
    for violation in violations:
        check = _CHECKS.get(violation.rule)
        if check is None or violation.column is None:
            remarks.append(f"{violation.rule.value} cannot be said: {violation.reason}")
            continue
        written.append(
            {
                "feature_name": violation.column,
                "constraint_check_type": check,
                "description": violation.reason,
            }
        )
    return Exported(text=json_text({"violations": written}), remarks=tuple(remarks))
