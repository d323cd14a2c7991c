"""Options that do nothing beside others are refused with both names, and change nothing."""

from __future__ import annotations

import inspect
import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from crisplens.cli import monitor_settings
from crisplens.cli.main import cli
from crisplens.cli.together import EXCLUDES, NEEDS
from crisplens.monitors.performance import service as performance
from crisplens.monitors.service import add_monitor
from tests.cli.conftest import Run

pytestmark = pytest.mark.end_to_end

DRIFT = "monitor add new --model churn-gbm --reference train.csv --current 'live/*.csv'"
QUALITY = "monitor add-performance new --model churn-gbm --reference scored.csv --current scored.csv --label churned"
VARIANTS = "monitor add-variants new --model churn-gbm --current rows.csv --champion A --challenger B --variant which"
KPI = "monitor add-kpi new --model churn-gbm --kpi roc_auc"
LIVE = "at,age,tenure,plan,churned\n" + "2031-03-01T10:00:00Z,40,1.0,a,0\n" * 50


@pytest.fixture
def watched(run: Run, story: Path) -> Run:
    """The story with a monitor of each kind besides."""
    scored = [f"{row * 37 % 101 / 101:.3f},{'yn'[row % 2]},{int(row * 37 % 101 > 50)}" for row in range(400)]
    Path("scored.csv").write_text("\n".join(["score,region,churned", *scored, ""]))
    Path("rows.csv").write_text(
        "which,spent\n" + "".join(f"{'AB'[row % 2]},{row % 97}\n" for row in range(400))
    )
    Path("live/timed.csv").write_text(LIVE)
    for line in (
        f"{QUALITY} --score score --threshold roc_auc=0.6".replace(" new ", " quality "),
        f"{VARIANTS} --outcome spent".replace(" new ", " tried "),
        KPI.replace(" new ", " goal "),
        "monitor add shared --model churn-gbm --reference train.csv --current live/monday.csv --drift-share 0.5",
        "monitor add pushed --model churn-gbm --reference train.csv --current push:",
        "monitor add narrow --model churn-gbm --reference train.csv --current live/monday.csv --column age "
        "--threshold age=0.3",
    ):
        done = run(*shlex.split(line))
        assert done.code == 0, f"{line}\n{done.err}"
    return run


REFUSED = (
    (f"{DRIFT} --drift-share 0.3 --tolerance 0.1", "--tolerance", "--drift-share"),
    (f"{DRIFT} --drift-share 0.3 --level 0.01", "--level", "--drift-share"),
    (f"{DRIFT} --drift-share 0.3 --weight age=2 --level 0.1", "--level and --weight do", "--drift-share"),
    (f"{DRIFT} --threshold age=0.2 --weight age=0", "--weight", "--threshold", "age"),
    (f"{DRIFT} --column age --threshold tenure=0.2", "--threshold", "tenure", "--column"),
    (f"{DRIFT} --column age --method tenure=psi", "--method", "tenure", "--column"),
    (f"{DRIFT} --column age --weight tenure=0", "--weight", "tenure", "--column"),
    (f"{DRIFT} --trigger never --cool-down 48", "--cool-down", "--trigger"),
    (f"{DRIFT} --trigger ask --cool-down 48", "--cool-down", "--trigger"),
    (f"{DRIFT} --escalate-after 2", "--escalate-after", "--escalate-to"),
    (f"{DRIFT} --zone Europe/Berlin", "--zone", "--schedule", "--window"),
    (f"{DRIFT} --window file --zone Europe/Berlin", "--zone", "--schedule"),
    (f"{QUALITY} --score score --coverage 0.5", "--coverage", "--labels"),
    (f"{QUALITY} --score score --labels-within 3d", "--labels-within", "--labels"),
    (f"{QUALITY} --score score --predicted churned --cut 0.3", "--cut", "--score", "--predicted"),
    (f"{QUALITY} --task regression --predicted score --cut 0.3", "--cut", "--score"),
    (f"{QUALITY} --score score --group region", "--group", "--threshold"),
    (f"{QUALITY} --score score --threshold roc_auc=0.6 --tolerance 0.1", "--tolerance", "--threshold"),
    (
        f"{QUALITY} --score score --estimated --threshold roc_auc=0.6 --segment region --tolerance 0.1",
        *("--tolerance", "--threshold"),
    ),
    (f"{QUALITY} --score score --zone Europe/Berlin", "--zone", "--schedule"),
    (f"{VARIANTS} --outcome spent --zone Europe/Berlin", "--zone", "--schedule"),
    (f"{VARIANTS} --outcome spent --escalate-after 3", "--escalate-after", "--escalate-to"),
    (f"{VARIANTS} --outcome spend", "spend", "Did you mean spent?"),
    (f"{VARIANTS.replace('which', 'whch')} --outcome spent", "whch", "Did you mean which?"),
    (f"{KPI} --zone Europe/Berlin", "--zone", "--schedule"),
    (f"{KPI} --cool-down 3", "--cool-down", "--trigger"),
    (f"{KPI} --trigger never --cool-down 3", "--cool-down", "--trigger"),
    ("monitor change shared --tolerance 0.2 --reason x", "--tolerance", "--drift-share"),
    ("monitor change shared --weight age=2 --reason x", "--weight", "--drift-share"),
    ("monitor change nightly --tolerance 0.2 --drift-share 0.3 --reason x", "--tolerance", "--drift-share"),
    ("monitor change narrow --weight age=0 --reason x", "--weight", "--threshold", "age"),
    ("monitor change narrow --method tenure=psi --reason x", "--method", "tenure"),
    ("monitor change nightly --escalate-after 3 --reason x", "--escalate-after", "--escalate-to"),
    ("monitor change nightly --trigger ask --cool-down 3 --reason x", "--cool-down", "--trigger"),
    ("monitor change nightly --zone Asia/Tokyo --tolerance 0.2 --reason x", "--zone", "--schedule"),
    ("monitor change nightly --zone Asia/Tokyo --schedule never --reason x", "--zone", "--schedule"),
    ("monitor change quality --exact --reason x", "--exact", "performance"),
    ("monitor change quality --reference-also 'rolling 14' --reason x", "--reference-also", "performance"),
    ("monitor change quality --tolerance 0.2 --reason x", "--tolerance", "--threshold"),
    ("monitor change tried --tolerance 0.2 --reason x", "--tolerance", "variants"),
    ("monitor change tried --threshold spent=2 --reason x", "--threshold", "variants"),
    ("monitor change goal --current other.csv --reason x", "--current", "KPI"),
    ("monitor change goal --level 0.01 --minimum-rows 9 --reason x", "--level and --minimum-rows", "KPI"),
    ("monitor run nightly --most 3", "--most", "--due"),
    ("monitor run quality --engine evidently", "--engine", "performance"),
    ("monitor run tried --engine nonsense", "--engine", "variants"),
    ("monitor run pushed --engine evidently", "--engine", "--current"),
    ("monitor metrics --otlp --as-of 3", "--otlp", "--as-of"),
    ("monitor backtest shared --tolerance 0.2", "--tolerance", "--drift-share"),
    ("schedule export nightly --to cron --image x:1", "--image", "--to cron", "--to kubernetes"),
    ("evidence get notes.md --force", "--force", "--output"),
    ("audit verify --authority roots.pem", "--authority", "--against"),
    ("audit export --output b.zip --all --project churn", "--all", "--project"),
    ("audit log --follow --until 2031-01-01", "--follow", "--until"),
    ("data add other train.csv --owner me", "--owner", "--source"),
    ("key trust example.org/log+00000000+AAAA --for bo@example.org", "--for", "the key of a log"),
    ("incident resolve incident-1 --reason a --note b", "--reason", "--note"),
    ("approval inbox --project churn --of churn", "--project", "--of"),
)


def test_an_option_that_would_do_nothing_is_refused(watched: Run) -> None:
    before = watched("audit", "head", "--json").out
    for line, *words in REFUSED:
        done = watched(*shlex.split(line))
        said = f"{line}\n{done.out}{done.err}"
        assert done.code == 2, said
        assert [word for word in words if word not in done.err] == [], said
    assert watched("audit", "head", "--json").out == before
    assert not Path("b.zip").exists()


ACCEPTED = (
    f"{DRIFT} --tolerance 0.2 --level 0.01 --weight age=2 --threshold tenure=0.3",
    f"{DRIFT} --drift-share 0.3 --threshold age=0.2 --method age=psi --column age",
    f"{DRIFT} --cool-down 4 --escalate-to bo@example.org --escalate-after 3",
    f"{DRIFT} --cool-down 0 --trigger never",
    f"{DRIFT} --zone UTC",
    f"{DRIFT} --zone Europe/Berlin --schedule @daily",
    f"{DRIFT} --window Day --time-column at --zone Europe/Berlin",
    f"{QUALITY} --score score --threshold roc_auc=0.6 --segment region --tolerance 0.1",
    f"{QUALITY} --score score --metric accuracy --threshold roc_auc=0.6 --tolerance 0.1 --cut 0.4",
    f"{QUALITY} --score score --group region --threshold demographic_parity_difference=0.3",
    f"{KPI} --trigger automatic --cool-down 3",
)


@pytest.mark.parametrize("line", ACCEPTED)
def test_options_that_work_together_are_accepted(watched: Run, line: str) -> None:
    done = watched(*shlex.split(f"{line} --json"))
    assert done.code == 0, done.err
    assert json.loads(done.out)["windows"].get("zone") == ("Europe/Berlin" if "Day" in line else None)


def test_changes_of_one_mode_keep_what_another_has_set(watched: Run) -> None:
    for line in (
        "monitor change nightly --tolerance 0.2 --weight age=2 --reason x",
        "monitor change nightly --threshold age=0.3 --reason x",
        "monitor change nightly --drift-share 0.5 --reason x",
        "monitor change nightly --escalate-to bo@example.org --cool-down 4 --reason x",
        "monitor change nightly --escalate-after 3 --reason x",
        "monitor change nightly --trigger never --reason x",
        "monitor change tried --level 0.01 --minimum-rows 50 --reason x",
        "monitor change goal --persistence 2/3 --reason x",
        "monitor change quality --threshold roc_auc=0.7 --level 0.01 --reason x",
    ):
        done = watched(*shlex.split(line))
        assert done.code == 0, f"{line}\n{done.err}"
    shown = json.loads(watched("monitor", "show", "nightly", "--json").out)
    settings, response = shown["settings"], shown["response"]
    assert (settings["tolerance"], settings["weights"], settings["drift_share"]) == (0.2, {"age": 2}, 0.5)
    assert (response["cool_down"], response["escalate_after"], response["trigger"]) == (4, 3, "never")


def test_a_time_column_is_looked_for_in_the_reference_and_then_in_current_data(watched: Run) -> None:
    add = "monitor add {} --model churn-gbm --reference train.csv --window day --time-column {} --current {}"
    done = watched(*shlex.split(add.format("days", "att", "live/timed.csv")))
    assert (done.code, "named 'att'" in done.err, "Did you mean at?" in done.err) == (2, True, True)
    done = watched(*shlex.split(add.format("days", "at", "live/timed.csv")))
    assert (done.code, "windows are to have it" in done.out) == (0, False)
    # Nothing can be looked at yet: it is accepted, and said.
    for name, current in (("later", "live/none.csv"), ("sent", "push:")):
        done = watched(*shlex.split(add.format(name, "tenur", current)))
        assert done.code == 0, done.err
        assert "The reference has no column tenur: windows are to have it. The nearest" in done.out
        assert "is tenure." in done.out


def test_a_performance_monitors_time_column_and_key_are_looked_for(watched: Run) -> None:
    line = f"{QUALITY} --score score --window day --time-column"
    done = watched(*shlex.split(f"{line} regio"))
    assert (done.code, "Did you mean region?" in done.err) == (2, True)
    Path("labels.csv").write_text("id,churned\n1,0\n")
    done = watched(*shlex.split(f"{QUALITY} --score score --labels labels.csv --key di"))
    assert (done.code, "the current data named 'di'" in done.err) == (2, True)


def test_variants_are_added_before_there_is_data(watched: Run) -> None:
    line = f"{VARIANTS.replace('rows.csv', 'none.csv')} --outcome spent"
    assert watched(*shlex.split(line)).code == 0


def test_a_key_that_is_decided_by_its_score_is_not_to_be_weighed(watched: Run) -> None:
    Path("keyed.csv").write_text("id,age\n" + "".join(f"{i},{i % 50}\n" for i in range(200)))
    line = "monitor add {} --model churn-gbm --reference keyed.csv --current keyed.csv {}"
    for name, option in (("a", "--drift-share 0.5"), ("b", "--threshold id=0.2")):
        done = watched(*shlex.split(line.format(name, option)))
        assert "id is another number in every row" in done.out
        assert "--weight" not in done.out
        assert "--column" in done.out


@pytest.mark.parametrize("option", ["--reason", "--note"])
def test_an_incident_is_resolved_with_a_reason_or_by_the_older_name(watched: Run, option: str) -> None:
    assert "Missing option '--reason'" in watched("incident", "resolve", "incident-1").err
    assert watched("trigger", "dismiss", "trigger-1", "--reason", "x").code == 0
    Path("live/monday.csv").write_text("age,tenure,plan,churned\n")
    opened = json.loads(watched("monitor", "run", "nightly", "--current", "live/monday.csv", "--json").out)
    id = opened["incident"]["id"]
    done = watched("incident", "resolve", id, option, "sent again", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["note"] == "sent again"
    assert "--note" not in watched("incident", "resolve", "--help").out


def _commands(group: click.Group, words: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from _commands(found, f"{words}{name} ")
        else:
            yield f"{words}{name}", found


def test_the_options_of_each_rule_are_those_of_its_command() -> None:
    known = {words: {name for one in found.params for name in one.opts} for words, found in _commands(cli)}
    for command, option, other, _ in (*EXCLUDES, *NEEDS):
        assert {option, other} <= known[command], command


@pytest.mark.parametrize(
    ("command", "function", "filled"),
    [
        (
            monitor_settings.add,
            add_monitor,
            {"tolerance": 0.1, "level": 0.05, "escalate_after": 24},
        ),
        (
            monitor_settings.add_performance,
            performance.add_performance_monitor,
            {
                "tolerance": performance.TOLERANCE,
                "cut": performance.CUT,
                "coverage": performance.COVERAGE,
                "labels_within": performance.LABELS_WITHIN,
                "escalate_after": 24,
            },
        ),
        (monitor_settings.add_variants, performance.add_variants_monitor, {"escalate_after": 24}),
        (monitor_settings.add_kpi, performance.add_kpi_monitor, {"escalate_after": 24}),
    ],
)
def test_the_defaults_that_help_shows_are_those_that_hold(command, function, filled) -> None:
    known = {name: one.default for name, one in inspect.signature(function).parameters.items()}
    for option in command.params:
        if not isinstance(option, click.Option) or option.multiple or option.name not in known:
            continue
        shown, holds = option.to_info_dict()["default"], known[option.name]
        if option.required or (option.name == "task"):
            continue
        assert filled.pop(option.name, holds) == (shown if shown != "" or holds is not None else None), (
            option.name
        )
    assert filled == {}
