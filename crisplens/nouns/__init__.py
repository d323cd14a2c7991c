"""The Python API's nouns: commands and queries of the areas as methods, by the names of the command line.

Each noun's module is imported when the noun is first used: a command imports what it needs.
"""

# The registry's attribute -> the module here and the class in it.
NOUNS: dict[str, tuple[str, str]] = {
    "project": ("registry", "Projects"),
    "goal": ("registry", "Goals"),
    "kpi": ("registry", "Kpis"),
    "cost": ("registry", "Costs"),
    "source": ("registry", "Sources"),
    "data": ("registry", "Data"),
    "run": ("registry", "Runs"),
    "model": ("registry", "Models"),
    "evaluation": ("registry", "Evaluations"),
    "evidence": ("evidence", "EvidenceFiles"),
    "key": ("keys", "Keys"),
    "lineage": ("registry", "Lineage"),
    "checkpoint": ("checkpoints", "Checkpoints"),
    "control": ("governance", "Controls"),
    "policy": ("governance", "Policies"),
    "role": ("lifecycle", "Roles"),
    "risk": ("lifecycle", "Risks"),
    "gate": ("lifecycle", "Gates"),
    "override": ("lifecycle", "Overrides"),
    "approval": ("lifecycle", "Approvals"),
    "cycle": ("lifecycle", "Cycles"),
    "status": ("governance", "Status"),
    "coverage": ("governance", "Frameworks"),
    "deployment": ("lifecycle", "Deployments"),
    "monitor": ("monitors", "Monitors"),
    "incident": ("incidents", "Incidents"),
    "trigger": ("incidents", "Triggers"),
    "schedule": ("schedules", "Schedules"),
    "scheduler": ("scheduling", "Scheduler"),
    "notification": ("notifications", "Notifications"),
    "report": ("reports", "Reports"),
    "audit": ("audit", "Audit"),
}
