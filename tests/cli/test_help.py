"""Every command and option says what it is for."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from crisplens.cli.main import COMMANDS, cli


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command below a group, by its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        words = (*path, name)
        yield " ".join(words), command
        if isinstance(command, click.Group):
            yield from commands(command, words)


ALL = dict(commands())


@pytest.mark.parametrize("words", ALL)
def test_command_has_a_help_text(words: str) -> None:
    command = ALL[words]
    assert command.help
    assert command.get_short_help_str(200)[0].isupper()


@pytest.mark.parametrize("words", ALL)
def test_options_have_help_texts(words: str) -> None:
    for parameter in ALL[words].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{words} {parameter.opts}"
            assert parameter.help.endswith((".", "…")), f"{words} {parameter.opts}"


@pytest.mark.parametrize("words", [words for words, one in ALL.items() if not isinstance(one, click.Group)])
def test_help_is_printed_without_a_registry(run, words: str) -> None:
    ran = run(*words.split(), "--help")
    assert (ran.code, ran.err) == (0, ""), ran
    assert f"crisplens {words}" in ran.out


@pytest.mark.parametrize("noun", COMMANDS)
def test_overview_agrees_with_the_commands(noun: str) -> None:
    _, _, text = COMMANDS[noun]
    help = ALL[noun].help or ""
    assert help.startswith(text) or noun in ("init", "demo")


def test_overview_names_every_noun(run) -> None:
    ran = run("--help")
    assert [noun for noun in COMMANDS if f"\n  {noun} " not in ran.out] == []


def test_reads_offer_json() -> None:
    for words, command in ALL.items():
        if words.split()[-1] in ("list", "show", "check", "history", "verify", "head", "log", "status"):
            assert any("--json" in parameter.opts for parameter in command.params), words
