"""What is asked of a project: catalogues of controls, policies, coverage, and where it stands."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from crisplens.binding import Command, Noun, ProjectQuery, Query
from crisplens.lifecycle import coverage, status
from crisplens.lifecycle.catalogues import queries as catalogue_queries
from crisplens.lifecycle.catalogues import service as catalogue_service
from crisplens.lifecycle.policies import documents, view
from crisplens.lifecycle.policies import queries as policy_queries
from crisplens.lifecycle.policies import service as policies
from crisplens.lifecycle.policies.model import Policy

if TYPE_CHECKING:
    from crisplens.api import Registry


class Controls(Noun):
    """`crisplens control`"""

    import_ = Command(catalogue_service.import_catalogue)
    list = Query(catalogue_queries.list_controls)
    show = Query(catalogue_queries.show_control)
    catalogues = Query(catalogue_queries.list_catalogues)


class Policies(Noun):
    """`crisplens policy`"""

    _registry: Registry

    adopt = Command(policies.adopt_policy)
    list = ProjectQuery(policy_queries.list_policies)
    show = ProjectQuery(policy_queries.show_policy)
    adoptions = ProjectQuery(policy_queries.list_adoptions)
    _check = Query(policies.check_policy)
    _test = Query(policies.test_policy)

    def check(self, file: str | os.PathLike[str]) -> Policy:
        """Read a policy file and check all of it. Raises `InputError` with file, line, column and reason."""
        return self._check(file)

    def test(self, file: str | os.PathLike[str]) -> policies.PolicyTested:
        """Run the examples that stand in a policy file. Raises `InputError` as `check` does."""
        return self._test(file)

    @staticmethod
    def to_yaml(policy: Policy) -> str:
        """A policy as the YAML that `check` reads."""
        return documents.write_policy(policy)

    @staticmethod
    def names() -> dict[str, view.Name]:
        """The names that conditions can ask about, with their types."""
        return view.VIEW


class Frameworks(Noun):
    """`crisplens coverage`"""

    show = ProjectQuery(coverage.query_coverage)


class Status(Noun):
    """`crisplens status`"""

    show = ProjectQuery(status.query_status)
