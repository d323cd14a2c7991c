"""YAML in which what the user gave is always a quoted string, for any version of YAML. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yaml import SafeDumper, ScalarNode


class Quoted(str):
    """Text that stays text where a parser would read 1e3, 0o7 or no as something else."""

    __slots__ = ()


def to_yaml(document: dict[str, object]) -> str:
    """`document` as YAML, keys in their order."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def quoted(dumper: SafeDumper, text: Quoted) -> ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"')

    Dumper.add_representer(Quoted, quoted)
    return yaml.dump(document, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100_000)
