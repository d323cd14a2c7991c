import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import types
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import kubernetes_validate
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.monitors.schedules.export import TARGETS, export
from crisplens.monitors.schedules.model import Schedule, due_times, parse_schedule

DAILY = parse_schedule("30 6 * * *", "Europe/Berlin")
COMMAND = ["/usr/bin/env", "crisplens", "monitor", "run", "churn"]
HOSTILE = [
    "a b",
    "it's",
    'say "hi"',
    "back\\slash",
    "100%",
    "50\\% off",
    "'%'",
    "\\%\\\\%",
    "%h %% %i",
    "$HOME",
    "$$",
    "$(touch /tmp/owned)",
    "`id`",
    "${{ secrets.TOKEN }}",
    "{{ params.x }}",
    "; rm -rf /",
    ";",
    "a & b | c > d",
    "# no comment",
    "--flag=1e3",
    "no",
    "1e3",
    "0o7",
    "~",
    "*",
    "",
    " ",
    "tab\there",
    "Zürich 東京 🚀",
    "\u2028line",
    "!boom",
    "- item: x",
]
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
lines = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n\r"), max_size=20)
# Checkers that `.ci/run` names, or a hand: `crontab -T` of cronie (or `crontab -n` of Debian), a Python with Airflow.
CRONTAB = shlex.split(os.environ.get("CRISPLENS_CRONTAB", ""))
AIRFLOW = os.environ.get("CRISPLENS_AIRFLOW_PYTHON")
systemd_analyze = shutil.which("systemd-analyze")
SYSTEMD = "/lib/systemd/systemd"
needs_systemd = pytest.mark.skipif(systemd_analyze is None, reason="systemd-analyze is not installed")


def only(files):
    (text,) = files.values()
    return text


def refused(schedule, target, command=("x",), **options):
    with pytest.raises(InputError) as caught:
        export(schedule, "churn", list(command), target, **options)
    assert caught.value.hint
    return caught.value


# What the crons, shells and services do with a line, written down from their sources.


def cron_reads(line):
    """The command that cron hands to the shell: cronie's do_command.c, up to the first bare percent sign."""
    command, escaped = "", False
    for char in line:
        if escaped:
            command = command[:-1] + char if char == "%" else command + char
            escaped = False
            continue
        if char == "%":
            return command
        escaped = char == "\\"
        command += char
    return command


def kubernetes_expands(text):
    """Kubernetes' expansion of $(NAME) in command and args (third_party/forked/golang/expansion)."""
    found, at = "", 0
    while at < len(text):
        if text[at] == "$" and at + 1 < len(text):
            if text[at + 1] == "$":
                found, at = found + "$", at + 2
                continue
            assert not re.match(r"\([^)]*\)", text[at + 1 :]), "a variable would be put in"
        found, at = found + text[at], at + 1
    return found


def systemd_reads(line):
    """The words of an ExecStart line: unquoted, specifiers and variables resolved (systemd.service(5))."""
    assert "\n" not in line
    found = []
    for quoted in re.findall(r'"((?:[^"\\]|\\.)*)"(?: |$)', line):
        word = re.sub(
            r"\\(x[0-9a-f]{2}|.)",
            lambda match: (
                {"n": "\n", "r": "\r", "t": "\t"}.get(match[1], match[1])
                if len(match[1]) == 1
                else chr(int(match[1][1:], 16))
            ),
            quoted,
        )
        assert not re.search(r"(?<!%)(%%)*%(?!%)", word), "a specifier would be resolved"
        assert not re.search(r"(?<!\$)(\$\$)*\$(?!\$)", word), "a variable would be put in"
        found.append(word.replace("%%", "%").replace("$$", "$"))
    assert len(re.findall(r'"(?:[^"\\]|\\.)*"', line)) == len(found)
    return found


def crontab_command(text):
    """What the shell gets of the single line of a crontab."""
    *_, line = text.removesuffix("\n").split("\n")
    assert text.count("\n") == 5
    return cron_reads(line.split(" ", 5)[5])


def shell_words(command):
    """The words as a real shell splits them."""
    show = "import json, sys; print(json.dumps(sys.argv[1:]))"
    run = f"{shlex.quote(sys.executable)} -c {shlex.quote(show)} {command}"
    done = subprocess.run(["sh", "-c", run], capture_output=True, check=True, text=True, encoding="utf-8")
    return json.loads(done.stdout)


def dag_command(text):
    """The words that the task of a DAG file starts, by running the file on stand-ins for Airflow."""
    started, dags = [], []

    def dag(**options):
        dags.append(options)
        return lambda function: function

    def trigger(cron, timezone):
        return cron, timezone

    modules = {
        "airflow": types.ModuleType("airflow"),
        "airflow.timetables": types.ModuleType("airflow.timetables"),
        "airflow.timetables.trigger": types.ModuleType("airflow.timetables.trigger"),
        "airflow.sdk": types.ModuleType("airflow.sdk"),
        "subprocess": types.ModuleType("subprocess"),
    }
    modules["airflow.timetables.trigger"].CronTriggerTimetable = trigger
    modules["airflow.sdk"].dag, modules["airflow.sdk"].task = dag, lambda function: function
    modules["subprocess"].run = lambda command, check: started.append(command)
    with pytest.MonkeyPatch.context() as patch:
        for name, module in modules.items():
            patch.setitem(sys.modules, name, module)
        exec(compile(text, "dag.py", "exec"), {})
    (options,), (command,) = dags, started
    return command, options


def test_what_is_no_target_is_refused_with_those_there_are():
    error = refused(DAILY, "windows-task-scheduler")
    assert error.slug == "bad-choice"
    assert all(target in error.hint for target in TARGETS)


def test_importing_the_exports_loads_neither_yaml_nor_cronsim():
    code = "import sys, crisplens.monitors.schedules.export; print(sorted({'yaml', 'cronsim'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "name", ["", "a b", "a\nb", "$(id)", "a;b", "../x", "é", "\u017f", "%h", "-x", 'a"b', "x" * 101]
)
def test_hostile_names_are_refused(target, name):
    with pytest.raises(InputError) as caught:
        export(DAILY, name, COMMAND, target)
    assert caught.value.slug == "bad-name"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("command", [[], [""], "crisplens monitor run", ["x", "\0"], ["x", "\ud800"]])
def test_what_is_no_command_is_refused(target, command):
    with pytest.raises(InputError) as caught:
        export(DAILY, "churn", command, target)
    assert caught.value.slug == "cannot-export"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(cron="* * * * *\n* * * * * root id"),
        Schedule(cron="0 0 * * *", zone="UTC\nSHELL=/tmp/x"),
        Schedule(every="1d\n"),
    ],
)
def test_a_schedule_that_was_not_parsed_cannot_bring_lines_of_its_own(target, schedule):
    try:
        files = export(schedule, "churn", ["x"], target)
    except InputError:
        return
    assert not any("root" in text or "SHELL" in text for text in files.values())


@pytest.mark.parametrize("target", TARGETS)
@given(data=st.data())
def test_any_command_arrives_as_it_is_or_is_refused(target, data):
    command = ["/usr/bin/env", *data.draw(st.lists(words, max_size=4))]
    try:
        files = export(DAILY, "churn", command, target)
    except InputError:
        assert target == "cron"
        return
    assert arrives(files, target) == command


@pytest.mark.parametrize("target", TARGETS)
def test_hostile_words_arrive_as_they_are(target):
    command = ["/usr/bin/env", *HOSTILE]
    assert arrives(export(DAILY, "churn", command, target), target) == command


def arrives(files, target):
    """The words that the target would start."""
    text = next(iter(files.values()))
    if target == "cron":
        return shlex.split(crontab_command(text))
    if target == "systemd":
        (line,) = [line for line in text.split("\n") if line.startswith("ExecStart=")]
        return systemd_reads(line.removeprefix("ExecStart="))
    if target == "airflow":
        return dag_command(text)[0]
    document = yaml.safe_load(text)
    if target == "github":
        script = document["jobs"]["check"]["steps"][-1]["run"]
        assert "${{" not in script
        return shlex.split(script)
    container = document["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    return [kubernetes_expands(word) for word in container["command"] + container["args"]]


def test_words_are_text_in_any_version_of_yaml():
    ruamel = pytest.importorskip("ruamel.yaml", reason="ruamel.yaml is not installed")
    command = ["1e3", *HOSTILE, "0b1", "1_000", "yes", "null", "2026-01-01", "<<", "="]
    text = only(export(DAILY, "churn", command, "kubernetes"))
    document = ruamel.YAML(typ="safe", pure=True).load(text)
    container = document["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert [kubernetes_expands(word) for word in container["command"] + container["args"]] == command
    assert document == yaml.safe_load(text)


@pytest.mark.parametrize("target", ["cron", "github"])
def test_a_real_shell_reads_hostile_words_as_they_are(target):
    text = only(export(DAILY, "churn", HOSTILE[:1] + HOSTILE, target))
    script = (
        crontab_command(text)
        if target == "cron"
        else yaml.safe_load(text)["jobs"]["check"]["steps"][-1]["run"]
    )
    assert shell_words(script) == HOSTILE[:1] + HOSTILE


# cron


def test_a_crontab_has_the_zone_and_the_line():
    text = only(export(DAILY, "churn", COMMAND, "cron"))
    assert text.splitlines()[-2:] == [
        "CRON_TZ=Europe/Berlin",
        "30 6 * * * /usr/bin/env crisplens monitor run churn",
    ]
    assert text.endswith("\n")


@pytest.mark.parametrize("word", ["two\nlines", "a\rb", "x" * 1000])
def test_what_a_crontab_line_cannot_hold_is_refused(word):
    assert "script" in refused(DAILY, "cron", ["x", word]).hint


@pytest.mark.skipif(not CRONTAB, reason="CRISPLENS_CRONTAB names no crontab that checks files")
@pytest.mark.parametrize("text", ["30 6 1,15 * MON-FRI", "*/15 * * * *", "5/20 1-9/2 * * 7", "every 90m"])
def test_crontab_itself_takes_the_file(text, tmp_path):
    path = tmp_path / "churn.cron"
    words = [word for word in HOSTILE if word.isascii()]
    path.write_text(only(export(parse_schedule(text), "churn", ["/bin/true", *words], "cron")))
    subprocess.run([*CRONTAB, str(path)], check=True)


# systemd


def test_systemd_gets_a_service_and_a_timer():
    files = export(DAILY, "churn", COMMAND, "systemd")
    assert list(files) == ["crisplens-churn.service", "crisplens-churn.timer"]
    assert "OnCalendar=*-*-* 06:30:00 Europe/Berlin\n" in files["crisplens-churn.timer"]
    assert "Persistent=true\n" in files["crisplens-churn.timer"]


@pytest.mark.parametrize("program", ["./run", "bin/run", "-x", "@x", "/opt/$x", "/opt/", "/opt/a\nb", "!x"])
def test_programs_that_systemd_cannot_start_are_refused(program):
    assert "absolute path" in refused(DAILY, "systemd", [program]).hint


@needs_systemd
def test_systemd_verifies_the_units(tmp_path):
    command = ["/usr/bin/env", *HOSTILE, "two\nlines", "\x01\x7f"]
    files = export(parse_schedule("30 6 1 * MON-FRI", "Europe/Berlin"), "churn", command, "systemd")
    verify(tmp_path, files)
    files["crisplens-churn.timer"] = files["crisplens-churn.timer"].replace("06:30", "66:30")
    with pytest.raises(AssertionError):
        verify(tmp_path, files)


def verify(folder, files):
    paths = [folder / name for name in files]
    for path, text in zip(paths, files.values(), strict=True):
        path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [systemd_analyze, "verify", *map(str, paths)],
        capture_output=True,
        text=True,
        env={"SYSTEMD_LOG_LEVEL": "info"},
    )
    assert done.returncode == 0, done.stderr
    assert "crisplens-churn" not in done.stderr, done.stderr


def as_nobody():
    """systemd's test mode refuses root."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("running as root, and there is no setpriv")
    return [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups"]


@pytest.mark.skipif(not Path(SYSTEMD).exists(), reason="systemd is not installed")
def test_systemd_reads_the_words_of_the_command_as_they_are():
    command = ["/usr/bin/env", *HOSTILE, "two\nlines", "\x01\x7f"]
    # Not in tmp_path, which only its owner may enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        runtime = folder / "runtime"
        runtime.mkdir()
        runtime.chmod(0o777)
        for file, text in export(DAILY, "churn", command, "systemd").items():
            (folder / file).write_text(text, encoding="utf-8")
        environment = {
            "XDG_RUNTIME_DIR": str(runtime),
            "HOME": str(runtime),
            "SYSTEMD_UNIT_PATH": f"{folder}:",
        }
        done = subprocess.run(
            [*as_nobody(), SYSTEMD, "--test", "--user", "--unit=crisplens-churn.service"],
            capture_output=True,
            env={**environment, "LANG": "C.UTF-8"},
            timeout=60,
        )
    dump = done.stdout.decode("utf-8", "surrogateescape")
    if "Command Line:" not in dump:
        pytest.skip(f"systemd has no test mode here: {done.stderr[-200:]!r}")
    (line,) = re.findall(r"Command Line: (/usr/bin/env .*)", dump)
    # Specifiers are resolved in the dump; variables are put in later, when $$ becomes $.
    assert [word.replace("$$", "$") for word in dumped_words(line)] == command


def dumped_words(line):
    """The words of a command in systemd's dump: bare, or in double quotes with C escapes."""
    escapes = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}

    def unescape(match):
        code = match[1]
        if code[:1] == b"x" or len(code) == 3:
            return bytes([int(code[1:], 16) if code[:1] == b"x" else int(code, 8)])
        return escapes.get(code, code)

    found = []
    for quoted, bare in re.findall(r'"((?:[^"\\]|\\.)*)"|([^ ]+)', line):
        found.append(re.sub(rb"\\(x[0-9a-f]{2}|[0-7]{3}|.)", unescape, (quoted or bare).encode()).decode())
    return found


CALENDARS = [
    ("30 6 * * *", "UTC"),
    ("*/15 8-18 * * MON-FRI", "Europe/Berlin"),
    ("0 0 1 */3 *", "America/New_York"),
    ("0 12 13 * 5", "UTC"),
    ("0 12 */2 * 5", "Asia/Kathmandu"),
    ("7 3 29 2 *", "UTC"),
    ("0 6 * * 7", "Europe/Berlin"),
    ("every 40m", "UTC"),
    ("every 6h", "UTC"),
    ("every 1w", "UTC"),
]


@needs_systemd
@pytest.mark.parametrize(("text", "zone"), CALENDARS)
def test_the_timer_elapses_when_the_schedule_is_due(text, zone):
    schedule = parse_schedule(text, zone)
    after = datetime(2026, 1, 20, tzinfo=UTC)
    timer = export(schedule, "churn", ["/bin/true"], "systemd")["crisplens-churn.timer"]
    elapses = set()
    for calendar in re.findall(r"OnCalendar=(.*)", timer):
        done = subprocess.run(
            [
                systemd_analyze,
                "calendar",
                "--iterations=6",
                f"--base-time={after:%Y-%m-%d %H:%M:%S} UTC",
                calendar,
            ],
            capture_output=True,
            text=True,
            check=True,
            env={"TZ": "UTC", "LANG": "C.UTF-8"},
        )
        stamps = re.findall(r"(?:elapse|#\d+|\(in UTC\)): \w{3} (\S+ \S+) UTC", done.stdout)
        elapses |= {datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) for stamp in stamps}
    due = due_times(schedule, after, after + timedelta(days=10_000), 6)
    assert sorted(elapses)[:6] == list(due)


# kubernetes


def test_a_cron_job_has_the_zone_and_forbids_two_at_once():
    document = yaml.safe_load(
        only(export(DAILY, "churn", COMMAND, "kubernetes", image="example.org/crisplens:1.0"))
    )
    spec = document["spec"]
    assert (spec["schedule"], spec["timeZone"]) == ("30 6 * * *", "Europe/Berlin")
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] > 10
    container = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "example.org/crisplens:1.0"
    assert (container["command"], container["args"]) == (COMMAND[:1], COMMAND[1:])


@pytest.mark.parametrize("image", ["a b", "a\nb", "é"])
def test_what_is_no_image_is_refused(image):
    refused(DAILY, "kubernetes", image=image)


@given(st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}", fullmatch=True))
@example("x" * 42)
@example("x" * 43)
@example("x" * 100)
@example("a._-")
def test_any_name_of_a_monitor_becomes_one_that_kubernetes_takes(name):
    found = object_name(name)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", found)
    assert len(found) <= 52


def object_name(name):
    return yaml.safe_load(only(export(DAILY, name, COMMAND, "kubernetes")))["metadata"]["name"]


def test_names_that_differ_stay_different_in_kubernetes():
    names = [
        "churn-eu",
        "churn_eu",
        "churn.eu",
        "Churn-eu",
        "churn-EU",
        "x" * 42,
        "x" * 43,
        "x" * 60,
        "x" * 61,
    ]
    assert len({object_name(name) for name in names}) == len(names)


def test_the_cron_job_is_valid_by_the_published_schema():
    for text in ("30 6 1 * MON-FRI", "every 15m"):
        document = yaml.safe_load(only(export(parse_schedule(text), "churn", ["x", *HOSTILE], "kubernetes")))
        kubernetes_validate.validate(document, "1.31", strict=True)
    document["spec"]["timezone"] = "UTC"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, "1.31", strict=True)


# airflow


def test_a_dag_has_the_schedule_and_starts_a_list_of_words():
    text = only(export(DAILY, "churn", COMMAND, "airflow"))
    command, options = dag_command(text)
    assert command == COMMAND
    assert options["schedule"] == ("30 6 * * *", "Europe/Berlin")
    assert options["dag_id"] == "crisplens-churn"
    assert (options["catchup"], options["max_active_runs"]) == (False, 1)
    assert not [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.keyword) and node.arg == "shell"
    ]


def test_airflow_alone_can_say_a_start():
    start = datetime(2030, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    schedule = parse_schedule("@daily", "Europe/Berlin", start=start)
    assert dag_command(only(export(schedule, "churn", COMMAND, "airflow")))[1]["start_date"] == start
    for target in set(TARGETS) - {"airflow"}:
        assert "begins" in refused(schedule, target).message
        assert refused(schedule, target, now=start - timedelta(seconds=1))
        assert export(schedule, "churn", COMMAND, target, now=start)


@pytest.mark.skipif(AIRFLOW is None, reason="CRISPLENS_AIRFLOW_PYTHON names no Python with Airflow")
def test_airflow_itself_parses_the_dag(tmp_path):
    folder = tmp_path / "dags"
    folder.mkdir()
    texts = {"churn": "30 6 * * *", "a.b-c_d": "0 0 1 */3 *", "either": "0 12 13 * 5-7", "step": "every 15m"}
    for name, text in texts.items():
        for file, dag in export(
            parse_schedule(text, "Europe/Berlin"), name, ["x", *HOSTILE], "airflow"
        ).items():
            (folder / file).write_text(dag, encoding="utf-8")
    script = """
import json, sys
from datetime import datetime, timezone
from airflow.dag_processing.dagbag import DagBag
from airflow.timetables.base import TimeRestriction
from airflow.utils.timezone import coerce_datetime

def runs(timetable):
    when = TimeRestriction(coerce_datetime(datetime(2026, 1, 20, tzinfo=timezone.utc)), None, True)
    last = None
    for _ in range(5):
        run = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=when)
        last = run.data_interval
        yield run.run_after.astimezone(timezone.utc).isoformat()

bag = DagBag(sys.argv[1])
found = {name: [list(runs(dag.timetable)), dag.task_ids] for name, dag in bag.dags.items()}
print("RESULT", json.dumps([bag.import_errors, found]))
"""
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    done = subprocess.run(
        [AIRFLOW, "-c", script, str(folder)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    errors, dags = json.loads(done.stdout.split("RESULT", 1)[1])
    assert errors == {}
    assert {name: tasks for name, (_, tasks) in dags.items()} == {
        f"crisplens-{name}": ["check"] for name in texts
    }
    after = datetime(2026, 1, 20, tzinfo=UTC) - timedelta(seconds=1)
    for name, text in texts.items():
        due = due_times(parse_schedule(text, "Europe/Berlin"), after, after + timedelta(days=4000), 5)
        assert dags[f"crisplens-{name}"][0] == [moment.isoformat() for moment in due]


# github


def test_a_workflow_names_the_zone_unless_it_is_utc():
    document = yaml.safe_load(only(export(DAILY, "churn", COMMAND, "github")))
    assert document["on"]["schedule"] == [{"cron": "30 6 * * *", "timezone": "Europe/Berlin"}]
    document = yaml.safe_load(only(export(parse_schedule("every 90m"), "churn", COMMAND, "github")))
    assert document["on"]["schedule"] == [{"cron": "0 */3 * * *"}, {"cron": "30 1,4,7,10,13,16,19,22 * * *"}]


@pytest.mark.parametrize(
    "text", ["* * * * *", "*/4 * * * *", "every 1m", "every 3m", "0,2 6 * * *", "59,0 * * * *"]
)
def test_more_often_than_every_five_minutes_is_refused_by_github(text):
    error = refused(parse_schedule(text), "github")
    assert "5 minutes" in error.message or "every 5m" in error.hint


def test_the_workflow_is_valid_by_the_published_schema(tmp_path):
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    from check_jsonschema.builtin_schemas import get_builtin_schema
    from jsonschema import Draft7Validator

    validator = Draft7Validator(get_builtin_schema("vendor.github-workflows"))
    for schedule in (DAILY, parse_schedule("every 90m")):
        document = yaml.safe_load(only(export(schedule, "churn", ["x", *HOSTILE], "github")))
        assert not list(validator.iter_errors(document))
    document["on"]["schedule"][0]["zone"] = "UTC"
    assert list(validator.iter_errors(document))


# What a target cannot say.


@pytest.mark.parametrize(
    ("text", "target", "nearest"),
    [
        ("every 7m", "cron", "'every 6m' or 'every 8m'"),
        ("every 7m", "systemd", "'every 6m' or 'every 8m'"),
        ("every 7m", "kubernetes", "'every 6m' or 'every 10m'"),
        ("every 40m", "airflow", "'every 30m' or 'every 1h'"),
        ("every 25h", "github", "'every 1d' or 'every 1w'"),
        ("every 30d", "cron", "'every 1w'"),
        ("0 0 L * *", "cron", "'0 0 28 * *'"),
        ("0 0 * * 1#2,5L", "systemd", "'0 0 * * 1,5'"),
        ("0 0 */2 * 1", "kubernetes", "'0 0 */2 * *' or '0 0 * * 1'"),
    ],
)
def test_what_a_target_cannot_say_is_refused_with_the_nearest_that_it_can(text, target, nearest):
    error = refused(parse_schedule(text), target)
    assert error.slug == "cannot-export"
    assert f"Nearest: {nearest}" in error.hint
    for near in re.findall(r"'([^']+)'", nearest):
        assert export(parse_schedule(near), "churn", ["x"], target)


def due_by_lines(crons, zone, after, until):
    return sorted(
        {moment for cron in crons for moment in due_times(parse_schedule(cron, zone), after, until, 10_000)}
    )


@given(
    step=st.sampled_from(["5m", "15m", "25m", "36m", "40m", "90m", "1h", "6h", "12h", "1d", "1w"]),
    phase=st.integers(0, 20_000),
)
def test_steps_become_lines_that_are_due_at_the_same_times(step, phase):
    start = datetime(2026, 1, 5, tzinfo=UTC) + phase * timedelta(minutes=1)
    schedule = parse_schedule(f"every {step}", start=start)
    after, until = start, start + timedelta(days=15 if step == "1w" else 2)
    try:
        text = only(export(schedule, "churn", ["x"], "cron", now=start))
    except InputError:
        assert step == "25m"
        return
    assert step != "25m"
    crons = [line.removesuffix(" x") for line in text.splitlines() if line.endswith(" x")]
    assert due_by_lines(crons, "UTC", after, until) == list(due_times(schedule, after, until, 20_000))


fields = [
    st.sampled_from(["*", "*/15", "7", "5-10", "5/20", "0,30,59", "10-40/10", "*/1"]),
    st.sampled_from(["*", "*/6", "3", "9-17/2", "0-23", "22,23,0"]),
    st.sampled_from(["*", "1", "1-31", "5/10", "28-31"]),
    st.sampled_from(["*", "*/3", "JAN,DEC", "6-8"]),
    st.sampled_from(["*", "MON-FRI", "7", "0-7", "0", "5-7", "1/2"]),
]


@given(st.tuples(*fields))
def test_the_plain_form_in_a_file_is_due_at_the_same_times(texts):
    schedule = parse_schedule(" ".join(texts))
    spec = yaml.safe_load(only(export(schedule, "churn", ["x"], "kubernetes")))["spec"]
    assert re.fullmatch(r"[0-9*/, -]+", spec["schedule"])
    assert not re.search(r"(?<![\d/])7(?!\d)", spec["schedule"].split()[4])
    after = datetime(2026, 1, 1, tzinfo=UTC)
    until = after + timedelta(days=370)
    assert due_times(parse_schedule(spec["schedule"]), after, until, 300) == due_times(
        schedule, after, until, 300
    )
