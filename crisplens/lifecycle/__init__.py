"""Whether a project is in order: phases, checkpoints, gates, approvals and cycles."""
