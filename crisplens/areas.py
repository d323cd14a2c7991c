"""Every area's events, tables and projections: import it before replaying, verifying or migrating."""

from crisplens.core.database import Base
from crisplens.ledger import tables as ledger_tables
from crisplens.lifecycle import projection as lifecycle
from crisplens.lifecycle.catalogues import projection as catalogues
from crisplens.lifecycle.policies import projection as policies
from crisplens.lifecycle.risks import projection as risks
from crisplens.lifecycle.roles import projection as roles
from crisplens.monitors import projection as monitors
from crisplens.monitors.incidents import projection as incidents
from crisplens.registry.data import projection as data
from crisplens.registry.deployments import projection as deployments
from crisplens.registry.evidence import projection as evidence
from crisplens.registry.keys import projection as keys
from crisplens.registry.models import projection as models
from crisplens.registry.projects import projection as projects
from crisplens.registry.runs import projection as runs
from crisplens.registry.value import projection as value

AREAS = (
    ledger_tables,
    keys,
    projects,
    evidence,
    value,
    runs,
    data,
    models,
    deployments,
    monitors,
    incidents,
    catalogues,
    roles,
    policies,
    risks,
    lifecycle,
)
METADATA = Base.metadata
