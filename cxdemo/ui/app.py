"""The app: header, tabs, queue. A new tab is one line in `TABS`."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from cxdemo.engine.context import Context, default_context
from cxdemo.runs.private_folder import LIFE, SWEEP
from cxdemo.ui import header
from cxdemo.ui.face import page as face_to_face
from cxdemo.ui.kit import shelf
from cxdemo.ui.kit.addresses import address_script
from cxdemo.ui.kit.front_door import FrontDoor, own_names
from cxdemo.ui.kit.guarded_blocks import GuardedBlocks
from cxdemo.ui.kit.i18n import language_script
from cxdemo.ui.kit.page_script import head_scripts
from cxdemo.ui.kit.turns import VISITORS
from cxdemo.ui.kit.visitors import WatchStreams
from cxdemo.ui.lab import page as loss_lab
from cxdemo.ui.match import page as patch_similarity
from cxdemo.ui.start import files as lesson_files
from cxdemo.ui.start import page as start_here
from cxdemo.ui.style import page as style_transfer
from cxdemo.ui.theme import STYLE_SHEETS, build_theme
from cxdemo.ui.upscale import page as super_resolution

TABS: list[tuple[str, Callable[[Context], None]]] = [
    ("Start here", start_here.build),
    ("Style transfer", style_transfer.build),
    ("Face to face", face_to_face.build),
    ("Super-resolution", super_resolution.build),
    ("Patch similarity", patch_similarity.build),
    ("Loss lab", loss_lab.build),
]

SESSIONS = 200  # visits whose choices and results are remembered; the oldest goes first
THREADS = 128  # of handlers; most of them only wait for their turn, see `turns`
FLOOD = 400  # requests that may wait for a thread: no class reaches it


def build_app(ctx: Context | None = None) -> gr.Blocks:
    """The whole page, ready to launch; loads no weights.

    Args:
        ctx: The pipelines. None: the real ones.
    """
    ctx = ctx or default_context()
    with GuardedBlocks(
        title="Contextual Loss", analytics_enabled=False, delete_cache=(SWEEP, LIFE - SWEEP)
    ) as demo:
        with gr.Row(elem_id="cx-top"):
            gr.HTML(header.show_title(), elem_id="cx-title", scale=3, min_width=320)
            status = gr.HTML(elem_id="cx-status", scale=2, js_on_load=header.THEME_SCRIPT)
            arrival = gr.Timer(header.REFRESH, active=False)  # while VGG19 is on its way
        gr.HTML(header.show_equations(), elem_id="cx-equations")
        with gr.Tabs(elem_id="cx-tabs", overflow_behavior="wrap") as tabs:
            for title, build in TABS:
                with gr.Tab(title, id=tab_id(title)):
                    build(ctx)
        demo.load(
            open_tab,
            None,
            tabs,
            api_name="open_tab",
            api_visibility="private",
            show_progress="hidden",
            queue=False,
        )
        gr.on(
            [demo.load, arrival.tick],
            partial(look_at_weights, ctx),
            None,
            [status, arrival],
            api_name="weights_status",
            api_visibility="private",
            show_progress="hidden",
            queue=False,
        )
    return demo.queue(default_concurrency_limit=None, max_size=FLOOD)


def look_at_weights(ctx: Context) -> tuple[str, gr.Timer]:
    """What the header says of the weights, and whether the page should look again soon."""
    return header.show_status(ctx), gr.Timer(active=header.is_changing(ctx))


def tab_id(title: str) -> str:
    """Of a tab, also in addresses: "Patch similarity" is ?tab=patch-similarity."""
    return title.lower().replace(" ", "-")


def open_tab(request: gr.Request) -> Any:
    """The tab that the address of the page asks for."""
    wanted = request.query_params.get("tab")
    known = wanted in [tab_id(title) for title, _ in TABS]
    return gr.Tabs(selected=wanted) if known else gr.skip()


def shown_files(demo: gr.Blocks) -> set[str]:
    """The files that the page shows to everybody from the start: they stay."""
    return {path for block in demo.blocks.values() for path in block.keep_in_cache}


def launch_options() -> dict[str, Any]:
    """Arguments of `launch`: private by default, open to the world in a Space."""
    everywhere = "0.0.0.0" if os.environ.get("SPACE_ID") else "127.0.0.1"  # noqa: S104  a Space's proxy
    return {
        "server_name": os.environ.get("GRADIO_SERVER_NAME", everywhere),
        "theme": build_theme(),
        "css_paths": STYLE_SHEETS,
        "head": head_scripts(address_script(), language_script()),
        "ssr_mode": False,
        "run_history": False,
        "enable_monitoring": False,
        "show_error": False,
        "max_file_size": "30mb",
        "state_session_capacity": SESSIONS,
        "footer_links": ["api"],
        "max_threads": THREADS,
        "app_kwargs": {
            "routes": [*shelf.ROUTES, *lesson_files.ROUTES],
            "middleware": [
                Middleware(FrontDoor, hosts=own_names()),
                Middleware(WatchStreams, visitors=VISITORS),
            ],
        },
    }
