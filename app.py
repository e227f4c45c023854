"""Entry point of the Space: builds the app and launches it.

The environment is prepared before Gradio and the Hub client read it, which they do when imported.
"""

import os
import signal
import sys
from contextlib import suppress


def main() -> None:
    """Serve the app on this machine, or to the world when it runs in a Space."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # Statistics that nobody reads: a table of the last 10,000 events, made anew after each of them.
    os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000000")
    from cxdemo.engine.memory import limit_heaps

    limit_heaps()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # an end that clears up
    if os.environ.get("SPACES_ZERO_GPU"):
        with suppress(ImportError):
            import spaces  # noqa: F401  # pyright: ignore[reportMissingImports]  before torch
    from cxdemo.runs.private_folder import keep_gradio_here, sweep_for_ever

    keep_gradio_here()
    from cxdemo.engine.background_fetch import BackgroundFetch
    from cxdemo.engine.context import default_context
    from cxdemo.ui.app import build_app, launch_options, shown_files

    fetch = BackgroundFetch(name="vgg19")
    demo = build_app(default_context(fetch=fetch))
    fetch.start()
    sweep_for_ever(lambda: shown_files(demo))
    demo.launch(**launch_options())


if __name__ == "__main__":
    main()
