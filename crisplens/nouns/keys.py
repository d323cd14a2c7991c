"""Keys."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from crisplens.binding import Noun, Query
from crisplens.registry.keys import queries as key_queries
from crisplens.registry.keys import service as keys
from crisplens.registry.keys.files import default_key_file, make_signer, write_signer

if TYPE_CHECKING:
    from crisplens.api import Registry


class Keys(Noun):
    """`crisplens key`"""

    _registry: Registry

    list = Query(key_queries.list_keys)

    def generate(self, name: str, *, key_file: str | os.PathLike[str] | None = None) -> key_queries.Key:
        """Make a private key for signing tree heads, in a new file with mode 0600, and trust its public half.

        `name` is the log's origin, such as example.org/registry. Every key after the first is endorsed with the
        signing key in use. Raises `InputError` when the file is there already.
        """
        self._registry.actor  # noqa: B018  (refuse before the work, not after it)
        configuration = self._registry.configuration
        file = configuration.folder / (key_file or default_key_file(configuration.signing_key))
        made = make_signer(name)
        write_signer(made, file)
        try:
            return self.trust(str(made.key))
        except BaseException:
            file.unlink(missing_ok=True)
            raise

    def trust(self, key: str, *, owner: str | None = None) -> key_queries.Key:
        """Let signatures of a public key count: a log's verifier key, or the OpenSSH key of the approver `owner`."""
        with self._registry.writing() as work:
            return keys.trust_key(work, key, owner=owner, signer=lambda: self._registry.signer)

    def revoke(self, id: str, *, reason: str) -> key_queries.Key:
        """Let signatures of a key count no more; what it signed before stays signed."""
        with self._registry.writing() as work:
            return keys.revoke_key(work, id, reason=reason, signer=lambda: self._registry.signer)
