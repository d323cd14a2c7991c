"""What exists: projects, goals and KPIs, data and lineage, runs, models, evaluations, deployments, evidence."""
