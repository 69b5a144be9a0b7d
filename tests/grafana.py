"""Dashboards of Grafana from the pages of Prometheus: `python -m tests.grafana` writes docs/grafana/*.json.

By Grafana's own generator, a development tool (requirements/dev.in). A unit test says when they are to be written anew.
"""

from __future__ import annotations

import json

from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.timeseries import Panel as Timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef

from primetime.paths import REPO
from tests.pages import Graph, Page, Row, pages

FOLDER = REPO / "docs" / "grafana"
SOURCE = DataSourceRef("prometheus", "$prometheus")  # chosen above the panels: nobody's Prometheus has our name
# what Grafana calls our units; others are shown as they are
UNITS = {"bytes": "bytes", "bytes a second": "Bps", "seconds": "s", "ms": "ms", "% of the time": "percent"}
WIDE, HIGH = 12, 8  # of 24 columns
ROW_WIDE, ROW_HIGH = 6, 4


def dashboard(page: Page) -> str:
    """The JSON of one page, as Grafana imports it."""
    made = (
        Dashboard(f"primetime: {page.title}")
        .uid(f"primetime-{page.name}")
        .tags(["primetime"])
        .refresh("5s")
        .time("now-15m", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(DatasourceVariable("prometheus").label("Prometheus").type("prometheus"))
    )
    for row in page.rows:
        made = made.with_panel(_stat(row))
    for graph in page.graphs:
        made = made.with_panel(_timeseries(graph))
    return json.dumps(json.loads(JSONEncoder(sort_keys=True).encode(made.build())), indent=1) + "\n"


def _stat(row: Row) -> Stat:
    query = Dataquery().ref_id("A").expr(row.expression).instant()
    panel = Stat().title(row.title).description(f"Well when: {row.well}").datasource(SOURCE)
    return panel.with_target(query).span(ROW_WIDE).height(ROW_HIGH)


def _timeseries(graph: Graph) -> Timeseries:
    legend = graph.line.replace("[[", "{{").replace("]]", "}}")
    query = Dataquery().ref_id("A").expr(graph.expression).legend_format(legend)
    panel = Timeseries().title(graph.title).datasource(SOURCE).min(0).unit(UNITS.get(graph.unit, "short"))
    return panel.axis_label(graph.unit).with_target(query).span(WIDE).height(HIGH)


def written() -> dict[str, str]:
    """File → its content. The page of alerts is a list that Grafana has its own of."""
    return {f"{page.name}.json": dashboard(page) for page in pages() if page.graphs}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in written().items():
        (FOLDER / name).write_text(text)
