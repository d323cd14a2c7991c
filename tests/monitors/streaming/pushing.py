"""A process that pushes: `python -m tests.monitors.streaming.pushing URL FOLDER NAME COUNT ROWS`.

It pushes COUNT batches of ROWS rows to the monitor `live`, each with an id, and prints the id before it pushes and
after it has.
"""

from __future__ import annotations

import sys

from crisplens.api import connect
from tests.monitors.streaming.conftest import make_rows


def main(url: str, folder: str, name: str, count: str, rows: str) -> None:
    """Push, and say so."""
    batch = make_rows(int(rows), seed=len(name))
    with connect(url, project="churn", actor=f"{name}@example.org", folder=folder) as registry:
        for number in range(int(count)):
            print(f"pushing {name}-{number}", flush=True)
            registry.monitor.push("live", batch, batch=f"{name}-{number}")
            print(f"pushed {name}-{number}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
