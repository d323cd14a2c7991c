"""Risks: what could go wrong, how bad it would be, who answers for it, and when that is looked at again."""
