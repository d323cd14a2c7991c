"""Catalogues of controls: what frameworks ask for, as data, and how they map to each other."""
