"""`crisplens.toml`: where it is found, what overrides it, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from crisplens.core.configuration import (
    DEFAULT_EVIDENCE,
    DEFAULT_REGISTRY,
    FILE_NAME,
    load_configuration,
    set_default_project,
    write_configuration,
)
from crisplens.core.errors import InputError


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    found = load_configuration(tmp_path, {})
    assert (found.file, found.folder) == (None, tmp_path)
    assert (found.registry, found.evidence, found.project, found.actor) == (
        DEFAULT_REGISTRY,
        DEFAULT_EVIDENCE,
        None,
        None,
    )
    assert found.open_evidence().location == str(tmp_path / ".crisplens/evidence")


def test_the_nearest_file_above_counts_and_its_folder_is_home(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('project = "far"')
    near, deep = tmp_path / "near", tmp_path / "near" / "a" / "b"
    deep.mkdir(parents=True)
    (near / FILE_NAME).write_text('project = "near"\nactor = "ana"\nevidence = "kept"')
    found = load_configuration(deep, {})
    assert (found.project, found.actor, found.folder) == ("near", "ana", near)
    assert found.open_evidence().location == str(near / "kept")


def test_the_environment_overrides_the_file_and_empty_means_unset(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('project = "file"\nactor = "file"')
    found = load_configuration(tmp_path, {"CRISPLENS_PROJECT": "env", "CRISPLENS_ACTOR": ""})
    assert (found.project, found.actor) == ("env", "file")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"project = ", "cannot be read"),
        (b'projekt = "churn"', "unknown key 'projekt'"),
        (b"project = 7", "project must be text"),
        (b'project = ""', "project must be text"),
        (b"\xff", "cannot be read"),
        (b'[registry]\nurl = "x"', "registry must be text"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_configuration(tmp_path, {})
    assert caught.value.slug == "bad-configuration"
    assert words in caught.value.message
    assert str(tmp_path / FILE_NAME) in caught.value.message


def test_the_first_file_is_written_once_and_can_be_read(tmp_path: Path) -> None:
    file = write_configuration(tmp_path)
    assert load_configuration(tmp_path, {}).registry == DEFAULT_REGISTRY
    file.write_text('actor = "ana"')
    write_configuration(tmp_path)
    assert load_configuration(tmp_path, {}).actor == "ana"


def test_a_default_project_is_set_and_the_rest_stays(tmp_path: Path) -> None:
    set_default_project(write_configuration(tmp_path), 'ch"urn')
    found = load_configuration(tmp_path, {})
    assert (found.project, found.registry) == ('ch"urn', DEFAULT_REGISTRY)
