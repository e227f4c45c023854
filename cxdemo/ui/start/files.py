"""What the lesson fetches or opens: matrices of distances, the exercise sheet, the notebook."""

from __future__ import annotations

import hashlib
from functools import cache

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from cxdemo.lessons import exercises, measure
from cxdemo.ui.kit.shelf import A_YEAR

_VERSION = hashlib.sha256(measure.DISTANCES.read_bytes()).hexdigest()[:12]
DISTANCES = f"lesson/distances-{_VERSION}.bin"
EXERCISES = "lesson/exercises"
NOTEBOOK = "lesson/contextual_loss.ipynb"


@cache
def pack_distances() -> bytes:
    """All matrices, float16, one after another in the order of their names."""
    return b"".join(d.numpy().tobytes() for d in measure.read_distances().values())


def _send_distances(_: Request) -> Response:
    return Response(pack_distances(), media_type="application/octet-stream", headers=A_YEAR)


def _send_exercises(request: Request) -> Response:
    language = "zh-CN" if request.query_params.get("lang", "").startswith("zh") else "en"
    return HTMLResponse(exercises.show_sheet(language))


def _send_notebook(_: Request) -> Response:
    return Response(
        exercises.NOTEBOOK.read_bytes(),
        media_type="application/x-ipynb+json",
        headers={"Content-Disposition": f'attachment; filename="{exercises.NOTEBOOK.name}"'},
    )


ROUTES = [
    Route(f"/{DISTANCES}", _send_distances),
    Route(f"/{EXERCISES}", _send_exercises),
    Route(f"/{NOTEBOOK}", _send_notebook),
]
