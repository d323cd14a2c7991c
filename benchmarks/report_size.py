"""Size of the demonstration's audit report beside Evidently's own report of the same check.

python benchmarks/report_size.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import crisplens
from crisplens.demo.story import OPERATOR, PROJECT, run_story

MOST_KB = 400


def main() -> int:
    """Tell the story, check its drifting window with Evidently too, and print both sizes and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = run_story(folder, lambda step: None).stat().st_size
        registry = crisplens.connect(folder=folder, project=PROJECT, actor=OPERATOR)
        current = str(folder / "data/window-2.csv")
        checked = registry.monitor.run("visits-inputs", engine="evidently", current=current)
        kept = {one.digest: one for one in registry.evidence.list()}
        theirs = max(kept[digest].size for digest in checked.check.attachments)
    print(f"audit report of the whole story  {ours / 1000:8.0f} KB (at most {MOST_KB})")
    print(f"Evidently's report of one check  {theirs / 1000:8.0f} KB")
    print(f"ratio                            {theirs / ours:8.1f}")
    return 0 if ours < MOST_KB * 1000 else 1


if __name__ == "__main__":
    sys.exit(main())
