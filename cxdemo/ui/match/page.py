"""The patch similarity tab: its parts, and what is wired to what."""

from __future__ import annotations

from cxdemo.engine.context import Context
from cxdemo.ui.match.api import add_endpoint
from cxdemo.ui.match.components import build_page
from cxdemo.ui.match.files import wire_files
from cxdemo.ui.match.query import wire_pairs, wire_query, wire_uploads
from cxdemo.ui.match.surveys import then_survey, wire_layers


def build(ctx: Context) -> None:
    """Puts the tab on the page; one row is answered at once, what it needs of all rows after."""
    page = build_page(ctx)
    then_survey(page, "match_survey", wire_query(page), mode="always_last")
    for name, shown in (wire_pairs(page) | wire_uploads(page)).items():
        then_survey(page, f"match_survey_{name}", [shown.success])
    wire_layers(page)
    then_survey(page, "match_survey_loaded", [wire_files(page).success])
    add_endpoint(ctx)
