"""Deployments: which model versions serve where, and with which share of the traffic."""
