"""Keys: whose signatures on tree heads and approvals are taken."""
