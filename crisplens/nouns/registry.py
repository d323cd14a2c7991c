"""What exists: projects, goals, data, runs, models, lineage."""

from __future__ import annotations

from crisplens.binding import Command, Noun, ProjectQuery, Query
from crisplens.lifecycle.doors import promote_model
from crisplens.lifecycle.projects import add_project
from crisplens.registry.data import queries as data_queries
from crisplens.registry.data import service as data
from crisplens.registry.lineage import queries as lineage_queries
from crisplens.registry.lineage import service as lineage
from crisplens.registry.models import queries as model_queries
from crisplens.registry.models import service as models
from crisplens.registry.projects import queries as project_queries
from crisplens.registry.projects import service as projects
from crisplens.registry.runs import queries as run_queries
from crisplens.registry.value import queries as value_queries
from crisplens.registry.value import service as value


class Projects(Noun):
    """`crisplens project`"""

    add = Command(add_project)
    list = Query(project_queries.list_projects)
    show = Query(project_queries.get_project)


class Goals(Noun):
    """`crisplens goal`"""

    set = Command(projects.set_goal)
    show = ProjectQuery(project_queries.find_goal)


class Kpis(Noun):
    """`crisplens kpi`"""

    set = Command(projects.set_kpi)
    list = ProjectQuery(project_queries.list_kpis)
    observe = Command(value.observe_kpi)
    history = ProjectQuery(value_queries.list_observations)
    compare = ProjectQuery(value_queries.compare_kpis)


class Costs(Noun):
    """`crisplens cost`"""

    record = Command(value.record_cost)
    list = ProjectQuery(value_queries.list_costs)
    compare = ProjectQuery(value_queries.compare_costs)


class Sources(Noun):
    """`crisplens source`"""

    set = Command(data.set_data_source)
    list = ProjectQuery(data_queries.list_data_sources)


class Data(Noun):
    """`crisplens data`"""

    add = Command(data.add_data)
    replace = Command(data.replace_data)
    list = ProjectQuery(data_queries.list_dataset_versions)
    show = ProjectQuery(data_queries.get_dataset_version)


class Runs(Noun):
    """`crisplens run`"""

    record = Command(lineage.record_run)
    list = ProjectQuery(run_queries.list_runs)
    show = ProjectQuery(run_queries.get_run)


class Models(Noun):
    """`crisplens model`"""

    register = Command(models.register_model)
    promote = Command(promote_model)
    promotions = ProjectQuery(model_queries.list_promotions)
    list = ProjectQuery(model_queries.list_model_versions)
    show = ProjectQuery(model_queries.get_model_version)


class Evaluations(Noun):
    """`crisplens evaluation`"""

    record = Command(models.record_evaluation)
    list = ProjectQuery(model_queries.list_evaluations)


class Lineage(Noun):
    """`crisplens lineage`"""

    show = ProjectQuery(lineage_queries.show_lineage)
