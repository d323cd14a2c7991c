"""Value: what was spent and what it brought, beside what the goal and the KPIs state."""
