"""The Python API's nouns: commands and queries of the areas as methods, by the names of the command line."""

from crisplens.nouns.audit import Audit
from crisplens.nouns.evidence import EvidenceFiles
from crisplens.nouns.keys import Keys
from crisplens.nouns.lifecycle import Approvals, Checkpoints, Cycles, Deployments, Gates
from crisplens.nouns.monitors import Incidents, Monitors, Triggers
from crisplens.nouns.registry import Data, Evaluations, Goals, Kpis, Lineage, Models, Projects, Runs, Sources
from crisplens.nouns.reports import Reports

__all__ = [
    "Projects",
    "Goals",
    "Kpis",
    "Sources",
    "Data",
    "Runs",
    "Models",
    "Evaluations",
    "Lineage",
    "EvidenceFiles",
    "Keys",
    "Checkpoints",
    "Gates",
    "Approvals",
    "Cycles",
    "Deployments",
    "Monitors",
    "Incidents",
    "Triggers",
    "Reports",
    "Audit",
]
