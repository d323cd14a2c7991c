"""crisplens: the record that a machine-learning project can be audited from.

`crisplens.connect()` opens a registry; its nouns and verbs are those of the command line:
`registry.checkpoint.record(...)` is `crisplens checkpoint record ...`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crisplens.api import Registry as Registry
    from crisplens.api import connect as connect
    from crisplens.api import init as init
    from crisplens.transfer import backup_registry as backup_registry
    from crisplens.transfer import copy_registry as copy_registry
    from crisplens.transfer import restore_registry as restore_registry

__version__ = "0.1.0"
__all__ = [
    "Registry",
    "__version__",
    "connect",
    "init",
    "backup_registry",
    "copy_registry",
    "restore_registry",
]


def __getattr__(name: str) -> Any:
    # The command line imports this package for its help, which must not load SQLAlchemy.
    if name in ("Registry", "connect", "init"):
        from crisplens import api

        return getattr(api, name)
    if name in ("backup_registry", "copy_registry", "restore_registry"):
        from crisplens import transfer

        return getattr(transfer, name)
    raise AttributeError(f"module 'crisplens' has no attribute {name!r}")
