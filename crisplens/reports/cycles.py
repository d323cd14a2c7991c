"""The history of cycles: what each one changed, and how long each of its phases took."""

from __future__ import annotations

from crisplens.lifecycle.cycles import cycle_stories
from crisplens.lifecycle.phases import get_phase
from crisplens.lifecycle.record import ProjectRecord
from crisplens.reports.story_content import CycleEntry, PhaseTime


def cycle_entries(record: ProjectRecord) -> tuple[CycleEntry, ...]:
    """The cycles in their order."""
    last = record.cycle.number
    return tuple(
        CycleEntry(
            story=story,
            from_title=get_phase(story.from_phase).title,
            current=story.number == last,
            checkpoints=sum(one.cycle == story.number for one in record.checkpoints),
            decisions=sum(one.cycle == story.number for one in record.approvals),
            phases=tuple(
                PhaseTime(
                    title=get_phase(one.phase).title,
                    checkpoints=one.checkpoints,
                    started_at=one.started_at,
                    approved_at=one.approved_at,
                    days=one.days,
                )
                for one in story.phases
                if one.checkpoints
            ),
            inherited=tuple(get_phase(one.phase).title for one in story.phases if one.inherited),
            not_begun=tuple(
                get_phase(one.phase).title
                for one in story.phases
                if not one.checkpoints and not one.inherited
            ),
        )
        for story in cycle_stories(record)
    )
