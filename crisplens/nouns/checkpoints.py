"""Checkpoints, on their own: what training scripts and CI record starts quickly."""

from __future__ import annotations

from crisplens.binding import Command, Noun, ProjectQuery
from crisplens.lifecycle.queries import list_checkpoints
from crisplens.lifecycle.service import record_checkpoint


class Checkpoints(Noun):
    """`crisplens checkpoint`"""

    record = Command(record_checkpoint)
    list = ProjectQuery(list_checkpoints)
