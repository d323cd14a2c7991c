"""The Python API's nouns: commands and queries of the areas as methods, by the names of the command line."""

from crisplens.nouns.audit import Audit
from crisplens.nouns.evidence import EvidenceFiles
from crisplens.nouns.governance import Controls, Frameworks, Policies, Status
from crisplens.nouns.keys import Keys
from crisplens.nouns.lifecycle import (
    Approvals,
    Checkpoints,
    Cycles,
    Deployments,
    Gates,
    Overrides,
    Risks,
    Roles,
)
from crisplens.nouns.monitors import Incidents, Monitors, Triggers
from crisplens.nouns.registry import (
    Costs,
    Data,
    Evaluations,
    Goals,
    Kpis,
    Lineage,
    Models,
    Projects,
    Runs,
    Sources,
)
from crisplens.nouns.reports import Reports

__all__ = [
    "Projects",
    "Goals",
    "Kpis",
    "Costs",
    "Sources",
    "Data",
    "Runs",
    "Models",
    "Evaluations",
    "Lineage",
    "EvidenceFiles",
    "Keys",
    "Controls",
    "Policies",
    "Roles",
    "Risks",
    "Checkpoints",
    "Gates",
    "Overrides",
    "Approvals",
    "Cycles",
    "Status",
    "Frameworks",
    "Deployments",
    "Monitors",
    "Incidents",
    "Triggers",
    "Reports",
    "Audit",
]
