"""The demonstration's models: Poisson regressions of yearly outpatient visits, and how they are judged."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

from crisplens.demo.data import INPUTS, TARGET, load

CATEGORIES = ("health",)
NUMBERS = tuple(name for name in INPUTS if name not in CATEGORIES)
ALPHA = 0.001


def train(file: Path, *, plans_as_categories: bool) -> Any:
    """A fitted scikit-learn pipeline; `plans_as_categories` lets each coinsurance have an effect of its own."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import PoissonRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    categories = [*CATEGORIES, *(["coinsurance"] if plans_as_categories else [])]
    numbers = [name for name in NUMBERS if name not in categories]
    rows = load(file)
    pipeline = make_pipeline(
        make_column_transformer(
            (StandardScaler(), numbers), (OneHotEncoder(handle_unknown="ignore"), categories)
        ),
        PoissonRegressor(alpha=ALPHA, max_iter=2000),
    )
    return pipeline.fit(rows[list(INPUTS)], rows[TARGET])


def save(pipeline: Any, file: Path) -> None:
    """Write what the model learned as JSON: its inputs after encoding, coefficients and intercept."""
    encoder, regressor = pipeline[0], pipeline[-1]
    learned = {
        "model": "PoissonRegressor",
        "alpha": ALPHA,
        "intercept": float(regressor.intercept_),
        "coefficients": dict(
            zip(encoder.get_feature_names_out().tolist(), regressor.coef_.tolist(), strict=True)
        ),
        "means": encoder.named_transformers_["standardscaler"].mean_.tolist(),
        "scales": encoder.named_transformers_["standardscaler"].scale_.tolist(),
    }
    file.write_text(json.dumps(learned, indent=2), encoding="utf-8")


def evaluate(pipeline: Any, file: Path) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Metrics of a model on a part: overall, and by plan."""
    rows = load(file)
    rows["forecast"] = pipeline.predict(rows[list(INPUTS)])
    by_plan = {f"coinsurance={plan}": measure(part) for plan, part in rows.groupby("coinsurance")}
    return measure(rows), by_plan


def evaluate_average(train_file: Path, file: Path) -> dict[str, float]:
    """Metrics of the forecast without a model: everybody is given the average of the training data."""
    rows = load(file)
    rows["forecast"] = load(train_file)[TARGET].mean()
    return measure(rows)


def measure(rows: Any) -> dict[str, float]:
    """What the KPIs and the curious ask of a forecast.

    `total_error`: how far all forecast visits together miss all visits, in percent. `deviance_explained`: the
    share of the differences between people that is explained (D², 0 for the average of these very people).
    `mae`: mean absolute error in visits per person and year.
    """
    from sklearn.metrics import d2_tweedie_score, mean_absolute_error

    visits, forecast = rows[TARGET], rows["forecast"]
    return {
        "total_error": float(100 * abs(forecast.sum() / visits.sum() - 1)),
        "deviance_explained": float(d2_tweedie_score(visits, forecast, power=1)),
        "mae": float(mean_absolute_error(visits, forecast)),
    }


def environment() -> dict[str, str]:
    """The versions that the models are trained with."""
    import pandas
    import sklearn
    import statsmodels

    return {
        "python": platform.python_version(),
        "scikit-learn": sklearn.__version__,
        "pandas": pandas.__version__,
        "statsmodels": statsmodels.__version__,
    }
