"""Rules on data: its sources, preparation, analysis and features."""

from __future__ import annotations

from crisplens.lifecycle.rules.situation import Outcome, Rule, Situation, data_basis, listed, training_digests
from crisplens.registry.lineage.model import NodeKind


def data_recorded(s: Situation) -> Outcome:
    """Is there data?"""
    return Outcome(bool(s.data_in_use), listed(one.ref for one in s.data_in_use), data_basis(s))


def sources_governed(s: Situation) -> Outcome:
    """Is every source in use fully described?"""
    in_use = {one.source for one in s.data_in_use if one.source}
    sources = [source for source in s.record.data_sources if source.name in in_use]
    gaps = [
        f"{source.name} lacks {listed(name.replace('_', ' ') for name in missing)}"
        for source in sources
        if (
            missing := [
                name
                for name in ("owner", "access", "permitted_use", "retention")
                if not getattr(source, name)
            ]
        )
    ]
    basis = {f"data source {source.name}": source.seq for source in sources}
    return Outcome(
        bool(sources) and not gaps,
        "; ".join(gaps) or listed((one.name for one in sources), "no data source"),
        basis,
    )


def data_traced(s: Situation) -> Outcome:
    """Does every dataset in use reach a source?"""
    starts = [f"{NodeKind.DATASET_VERSION}:{one.ref}" for one in s.data_in_use]
    holes = set(s.record.lineage.holes(*starts))
    met = bool(s.data_in_use) and not holes
    return Outcome(
        met, "; ".join(sorted(holes)) or ("every dataset does" if met else "no data"), data_basis(s)
    )


def preparation_recorded(s: Situation) -> Outcome:
    """Is every derived dataset made by a run with a code version?"""
    gaps = [one.ref for one in s.data_in_use if one.derived_from and not s.made_by_code(one)]
    return Outcome(
        not gaps, f"without: {listed(gaps)}" if gaps else "every derived dataset is", data_basis(s)
    )


def holdout_apart(s: Situation) -> Outcome:
    """Is some recorded data unseen by the model?"""
    trained = set(training_digests(s.record, s.subject)) if s.subject else set()
    apart = [one.ref for one in s.record.dataset_versions if one.digest not in trained]
    enough = apart if s.subject else apart[1:]
    return Outcome(bool(enough), listed(apart) + " not used for training", data_basis(s))


def data_profiled(s: Situation) -> Outcome:
    """Are rows and columns of every dataset in use known?"""
    unknown = [one.ref for one in s.data_in_use if one.rows is None]
    met = bool(s.data_in_use) and not unknown
    return Outcome(
        met, "known for all" if met else f"unknown: {listed(unknown, 'there is no data')}", data_basis(s)
    )


def findings_kept(s: Situation) -> Outcome:
    """Does the checkpoint carry evidence?"""
    evidence = s.checkpoint.evidence if s.checkpoint else ()
    return Outcome(bool(evidence), listed(one.name for one in evidence))


def training_data_derivable(s: Situation) -> Outcome:
    """Was each training dataset taken from a source or made by a run with a code version?"""
    used = [s.dataset(ref) for ref in s.subject.datasets] if s.subject else s.data_in_use
    gaps = [one.ref for one in used if not one.source and not s.made_by_code(one)]
    met = bool(used) and not gaps
    return Outcome(met, "every one was" if met else f"not: {listed(gaps, 'no data is named')}", data_basis(s))


def same_feature_code(s: Situation) -> Outcome:
    """Were training and evaluation data made by the same code?"""
    if s.subject is None or s.evaluation is None:
        return Outcome(True, "nothing to compare yet")
    names = [s.dataset(ref).run for ref in (*s.subject.datasets, s.evaluation.dataset)]
    runs = [s.record.runs_by_name.get(name) for name in names if name]
    versions = {run.code_version if run else None for run in runs}
    return Outcome(
        len(versions) <= 1,
        listed(sorted(str(one) for one in versions), "taken as they came"),
        data_basis(s),
    )


RULES: dict[str, tuple[Rule, ...]] = {
    "data-collection": (
        Rule(
            "data-recorded",
            "The data in use is recorded",
            data_recorded,
            "crisplens data add NAME FILE --source SOURCE",
        ),
        Rule(
            "sources-governed",
            "Every source has owner, access, permitted use and retention",
            sources_governed,
            "crisplens source set NAME --owner … --access … --permitted-use … --retention …",
        ),
        Rule(
            "data-traced",
            "Every dataset goes back to a data source",
            data_traced,
            "record a new version with --source or --derived-from",
        ),
    ),
    "data-preparation": (
        Rule(
            "preparation-recorded",
            "Every derived dataset was made by a run with a code version",
            preparation_recorded,
            "crisplens run record NAME --code-version …, then data add … --run NAME",
        ),
        Rule(
            "holdout-apart",
            "Some data is kept apart from training",
            holdout_apart,
            "crisplens data add holdout FILE …",
        ),
    ),
    "data-analysis": (
        Rule(
            "data-profiled",
            "Rows and columns of the data in use are known",
            data_profiled,
            "record the data as CSV or Parquet",
        ),
        Rule(
            "findings-kept",
            "The checkpoint carries the findings as evidence",
            findings_kept,
            "crisplens checkpoint record data-analysis --evidence FILE",
        ),
    ),
    "feature-engineering": (
        Rule(
            "training-data-derivable",
            "Training data comes from a source or from recorded code",
            training_data_derivable,
            "crisplens data add … --run RUN",
        ),
        Rule(
            "same-feature-code",
            "Training and evaluation data were made by the same code",
            same_feature_code,
            "prepare both with one code version",
        ),
    ),
}
