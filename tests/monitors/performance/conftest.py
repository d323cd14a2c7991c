"""A monitor of performance that tests add, and predictions about people that it looks at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crisplens.api import Registry
from tests.conftest import Files


@pytest.fixture
def watch(registry: Registry, files: Files) -> Callable[..., Any]:
    """Add a performance monitor `quality` on a model."""
    registry.model.register("churn-gbm", files.text("weights"))

    def add(**options: Any) -> Any:
        given = {
            "model": "churn-gbm",
            "reference": files.scored("reference.csv"),
            "current": str(files.folder / "live-*.csv"),
            "task": "binary",
            "label": "y",
            "score": "score",
            "window": "file",
        }
        return registry.monitor.add_performance("quality", **(given | options))

    return add


@pytest.fixture
def people(files: Files) -> Callable[..., Path]:
    """Write a CSV of labelled scores of people with region and sex; columns given hold one value throughout."""

    def write(name: str, *, noise: float = 0.0, rows: int = 400, **fixed: str) -> Path:
        header, *lines = files.scored("all.csv", noise=noise, rows=rows).read_text("utf-8").splitlines()
        names = [*header.split(","), "sex"]
        told = [
            dict(zip(names, [*line.split(","), "fm"[row // 3 % 2]], strict=True)) | fixed
            for row, line in enumerate(lines)
        ]
        text = "\n".join([",".join(names), *(",".join(one[column] for column in names) for one in told), ""])
        (files.folder / "all.csv").unlink()
        return files.text(text, name)

    return write
