"""Every command in the documents runs, in order, in a folder of its own, and exits as the document says."""

from __future__ import annotations

import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.conftest import Ran, run_here

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
YAML = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXITS = re.compile(r"\s+# exits (\d)$")


def commands(document: str) -> list[tuple[str, int]]:
    """The `$` lines of a document's console blocks, each with the exit code that it says."""
    lines = [
        line for block in BLOCK.findall((ROOT / document).read_text("utf-8")) for line in block.splitlines()
    ]
    found = []
    for line in lines:
        assert line.startswith("$ "), line
        code = EXITS.search(line)
        said = EXITS.sub("", line[2:]).replace(" TODAY ", f" {datetime.now(UTC).date()} ")
        found.append((said, int(code[1]) if code else 0))
    return found


def make_files(folder: Path) -> Path:
    """Put the files that the documents speak of into a folder."""
    draw = random.Random(1)

    def write(name: str, rows: int, age: float) -> None:
        lines = [
            f"{draw.gauss(age, 10):.1f},{draw.choice('abc' if age < 50 else 'abcdd')},{draw.randint(0, 1)}"
            for _ in range(rows)
        ]
        (folder / name).write_text("\n".join(["age,plan,churned", *lines, ""]))

    (folder / "live").mkdir()
    write("train.csv", 1000, 40)
    write("holdout.csv", 300, 40)
    write("live/monday.csv", 250, 55)
    write("live/tuesday.csv", 250, 55)
    make_scores(folder, draw)
    (folder / "model.bin").write_bytes(b"model")
    (folder / "notes.md").write_text("# Reviewed with finance\n")
    for document in ("governance.md", "catalogues.md"):
        for text in YAML.findall((ROOT / "docs" / document).read_text("utf-8")):
            name = re.search(r"^(?:policy|catalogue): (\S+)", text)
            assert name
            (folder / f"{name[1]}.yaml").write_text(text, encoding="utf-8")
    (constraints,) = YAML.findall((ROOT / "docs/drift.md").read_text("utf-8"))
    (folder / "constraints.yaml").write_text(constraints, encoding="utf-8")
    return folder


def make_scores(folder: Path, draw: random.Random) -> None:
    """Scores of a classifier with what came true, apart and together, and rows of two variants."""
    (folder / "scored").mkdir()
    (folder / "labels").mkdir()
    for name in ("scored.csv", "scored/monday.csv"):
        scores = [draw.random() for _ in range(800)]
        churned = [int(draw.random() < score) for score in scores]
        lines = [f"{row},{score:.3f},{churned[row]}" for row, score in enumerate(scores)]
        (folder / name).write_text("\n".join(["id,score,churned", *lines, ""]))
    labels = [f"{row},{one}" for row, one in enumerate(churned)]
    (folder / "labels/monday.csv").write_text("\n".join(["id,churned", *labels, ""]))
    kept = [f"{draw.choice('AB')},{draw.choice(('true', 'false'))}" for _ in range(1000)]
    (folder / "rows.csv").write_text("\n".join(["variant,kept", *kept, ""]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the documents speak of."""
    return make_files(tmp_path)


@pytest.fixture(scope="session")
def readme_done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every command of the README has run, each as a process of its own, to copy from."""
    done = make_files(tmp_path_factory.mktemp("readme"))
    assert run_all("README.md", done, run_process) > 15
    return done


@pytest.fixture
def after_readme(readme_done: Path, tmp_path: Path) -> Path:
    """A copy of a folder in which every command of the README has run."""
    return shutil.copytree(readme_done, tmp_path / "copy")


def run_process(*words: str) -> Ran:
    """Run a command as its own process."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
    return Ran(done.returncode, done.stdout, done.stderr)


def run(*words: str) -> Ran:
    """Run a command: ours in this process, which is faster, others as processes."""
    return run_here(*words[1:]) if words[0] == "crisplens" else run_process(*words)


def run_all(document: str, folder: Path, run: Callable[..., Ran] = run) -> int:
    """Run a document's commands in `folder`; returns how many there were."""
    found = commands(document)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CRISPLENS_ACTOR", "ana@example.org")
        for command, code in found:
            done = run(*shlex.split(command))
            assert done.code == code, f"{command}\n{done.out}{done.err}"
            assert "Traceback" not in done.err
    return len(found)


@pytest.mark.end_to_end
def test_the_readme_s_commands_run_in_order(readme_done: Path) -> None:
    assert (readme_done / "audit.html").is_file()


@pytest.mark.end_to_end
def test_the_tutorial_s_commands_run_in_order(folder: Path) -> None:
    assert run_all("docs/tutorial.md", folder) > 15


@pytest.mark.end_to_end
def test_evidence_page_forgets_what_it_says(after_readme: Path) -> None:
    assert run_all("docs/evidence.md", after_readme) == 9


@pytest.mark.end_to_end
@pytest.mark.parametrize(("document", "count"), [("docs/governance.md", 38), ("docs/catalogues.md", 10)])
def test_governance_pages_run(document: str, count: int, after_readme: Path) -> None:
    assert run_all(document, after_readme) == count


@pytest.mark.end_to_end
def test_drift_page_schedules_mutes_and_holds_data_to_constraints(after_readme: Path) -> None:
    assert run_all("docs/drift.md", after_readme) == 11


@pytest.mark.end_to_end
def test_performance_page_measures_estimates_and_compares(after_readme: Path) -> None:
    assert run_all("docs/performance.md", after_readme) == 11


@pytest.mark.end_to_end
def test_trust_page_finds_the_changed_number(after_readme: Path) -> None:
    assert run_all("docs/trust.md", after_readme) == 3


@pytest.mark.end_to_end
def test_moving_page_moves_the_registry(after_readme: Path) -> None:
    assert run_all("docs/moving.md", after_readme) == 9


@pytest.mark.end_to_end
@pytest.mark.parametrize(("document", "count"), [("docs/bundles.md", 4), ("docs/as-of.md", 7)])
def test_pages_on_the_past_and_on_bundles_run(document: str, count: int, after_readme: Path) -> None:
    assert run_all(document, after_readme) == count


@pytest.mark.end_to_end
def test_signing_page_signs_and_proves(after_readme: Path) -> None:
    assert run_all("docs/signing.md", after_readme) == 10


@pytest.mark.end_to_end
@pytest.mark.parametrize("document", ["README.md", "docs/python.md"])
def test_python_examples_run(document: str, after_readme: Path) -> None:
    examples = re.findall(
        r"^```python\n(.*?)^```", (ROOT / document).read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    environment = {**os.environ, "CRISPLENS_ACTOR": "ana@example.org"}
    for example in examples:
        done = subprocess.run(
            [sys.executable, "-c", example],
            cwd=after_readme,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr


def test_links_lead_somewhere() -> None:
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)", document.read_text("utf-8")):
            assert link.startswith("http") or (document.parent / link).exists(), f"{document.name}: {link}"
