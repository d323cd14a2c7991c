"""Plans of performance monitors: what fits together, and what is refused."""

from __future__ import annotations

import pytest

from crisplens.core.errors import InputError
from crisplens.monitors.performance.fairness import GAPS
from crisplens.monitors.performance.plans import make_plan

BINARY = {"task": "binary", "label": "y", "score": "p"}
REGRESSION = {"task": "regression", "label": "y", "predicted": "p"}


@pytest.mark.parametrize(
    ("given", "judged"),
    [
        (BINARY, ("roc_auc",)),
        (BINARY | {"score": None, "predicted": "class"}, ("f1",)),
        (REGRESSION, ("rmse",)),
        (REGRESSION | {"estimated": True}, ("mae",)),
        ({"task": "multiclass", "label": "y", "predicted": "p"}, ("f1_macro",)),
        (BINARY | {"judged": ["recall"], "limits": {"precision": 0.5}}, ("recall", "precision")),
        (BINARY | {"groups": ["sex"], "limits": {GAPS[0]: 0.1}}, ("roc_auc", GAPS[0])),
    ],
)
def test_the_usual_metric_is_judged_unless_others_are_named(given, judged):
    plan = make_plan(**given)
    assert plan.metrics == judged
    assert plan.gaps == tuple(name for name in judged if name in GAPS)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"task": "ranking", "label": "y"}, "task"),
        ({"task": "binary", "label": "y"}, "scores or predicted classes"),
        ({"task": "regression", "label": "y"}, "predictions"),
        (REGRESSION | {"score": "p"}, "not for regression"),
        (BINARY | {"judged": ["auc"]}, "metric"),
        (BINARY | {"limits": {GAPS[0]: 0.1}}, "metric"),
        (BINARY | {"groups": ["sex"], "judged": [GAPS[0]]}, "without a limit"),
        (REGRESSION | {"judged": ["bias"]}, "without a limit"),
        (BINARY | {"labels": "l.csv"}, "joined by a key"),
        (BINARY | {"key": ["id"]}, "joined by a key"),
        (BINARY | {"estimated": True, "labels": "l.csv", "key": ["id"]}, "takes no labels"),
        (BINARY | {"estimated": True, "judged": ["brier"]}, "metric"),
        ({"task": "multiclass", "label": "y", "predicted": "p", "estimated": True}, "estimated from"),
        (REGRESSION | {"groups": ["sex"]}, "binary classifier"),
        (BINARY | {"estimate_by": ["age"]}, "regression"),
        (BINARY | {"coverage": 0.0}, "coverage"),
        (BINARY | {"labels_within": "soon"}, "soon"),
    ],
)
def test_what_does_not_fit_is_refused(given, words):
    with pytest.raises(InputError, match=words):
        make_plan(**given)
