"""Use cases of catalogues."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from crisplens.core.canonical import canonical_json, digest_file
from crisplens.core.documents import read_document_file
from crisplens.core.errors import InputError, Refused
from crisplens.core.names import check_name
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.lifecycle.catalogues.events import CatalogueImported
from crisplens.lifecycle.catalogues.model import Catalogue
from crisplens.lifecycle.catalogues.queries import CatalogueListed, list_catalogues, load_catalogues
from crisplens.lifecycle.catalogues.reading import read_catalogue
from crisplens.lifecycle.catalogues.shipped import SHIPPED

MOST_CHARACTERS = 4_000_000


def import_catalogue(
    work: UnitOfWork, file: str | os.PathLike[str], *, name: str | None = None
) -> CatalogueListed:
    """Make a team's own catalogue known to the registry: YAML or JSON of ours, a custom lens, or an OSCAL catalog.

    `name` is its id here, unless the file has one that fits. Imported again, it takes the place of its edition
    before. Raises `InputError` with file, line and reason for a bad one; `Refused` for the name of a shipped one.
    """
    document = read_document_file(Path(file))
    catalogue, format = read_catalogue(document)
    if name is not None:
        catalogue = msgspec.structs.replace(catalogue, catalogue=check_name("catalogue", name))
    if catalogue.catalogue in SHIPPED:
        raise Refused(
            f"the catalogue {catalogue.catalogue} is shipped with crisplens",
            slug="version-taken",
            hint="Give yours another id: --name ID.",
        )
    if len(canonical_json(msgspec.to_builtins(catalogue))) > MOST_CHARACTERS:
        raise InputError(f"{document.name} is too long for the ledger", slug="text-too-long")
    known: Catalogue | None = load_catalogues(work.session).get(catalogue.catalogue)
    if known == catalogue:
        raise InputError(
            f"{catalogue.catalogue} {catalogue.version} is known already, as it is", slug="exists"
        )
    digest, _ = digest_file(Path(file))
    append(
        work,
        CatalogueImported(
            name=catalogue.catalogue, content=catalogue, format=format, file=document.name, digest=digest
        ),
    )
    return next(one for one in list_catalogues(work.session) if one.catalogue == catalogue.catalogue)
