"""Projects, their business goal and the KPIs that say when it is reached."""
