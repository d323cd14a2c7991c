"""Writes `tests/schemas/<revision>.db`: a registry that holds something of everything, with today's schema.

Run it before a migration is added, so that every later release is tested on what this one wrote:
`python -m tests.migrations.write_schema`
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import crisplens
from crisplens.core.database import disposing
from crisplens.migrations import HEAD
from tests.conftest import Files, tell_first_cycle, tell_second_cycle

SCHEMAS = Path(__file__).parents[1] / "schemas"


def main(folder: Path = SCHEMAS) -> Path:
    """Tell the story into a new registry and write its backup to `folder`; returns the file."""
    with tempfile.TemporaryDirectory() as home:
        crisplens.init(home).close()
        registry = crisplens.connect(project="churn", actor="ana@example.org", folder=home)
        with disposing(registry.engine):
            tell_first_cycle(registry, Files(Path(home)))
            tell_second_cycle(registry, Files(Path(home)))
        return Path(crisplens.backup_registry(folder / f"{HEAD}.db", folder=home).file)


if __name__ == "__main__":
    print(main())
    sys.exit()
