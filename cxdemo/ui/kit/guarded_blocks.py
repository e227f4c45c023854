"""A `gr.Blocks` that checks whatever comes in, and answers whatever goes wrong with a sentence."""

from __future__ import annotations

import html
from copy import copy
from typing import Any

import gradio as gr
from gradio.blocks import Blocks, BlocksConfig

from cxdemo.ui.kit.errors import log_failure, shorten, to_toast
from cxdemo.ui.kit.lanes import Refused
from cxdemo.ui.kit.turns import VISITORS
from cxdemo.ui.kit.uploads import RefusedFileError, check_files
from cxdemo.ui.kit.visitors import visitor_of

MISFIT = (
    "A value that was sent is not one that its field takes: reload the page; a program finds the "
    "types and ranges on the API's page."
)
UNSHOWN = "The result cannot be shown any more: results are kept for an hour. Run it again."


UNDESCRIBED: dict[str, Any] = {}  # the description of every component of every visit
UNSET = ("streamable", "_retryable", "autoscroll")  # false is what their absence means
DESCRIPTION = ("api_info", "api_info_as_input", "api_info_as_output", "example_inputs")


class GuardedBlocks(Blocks):
    """The one place through which the values of all events and endpoints pass."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.default_config = _PageConfig(self)

    def get_config_file(self) -> Any:
        """The page as browsers get it: without what only the page for programs needs."""
        config = super().get_config_file()
        self._described = {each["id"]: dict(each) for each in config["components"]}
        for component in config["components"]:
            component["component_class_id"] = component["type"]  # all have Gradio's front ends
            for word in DESCRIPTION:
                component.pop(word, None)
            for word in ("preserved_by_key", "_selectable"):  # of pages that are built anew
                if component["props"].get(word) in (False, ["value"]):
                    del component["props"][word]
            if component.get("key", ...) is None:
                del component["key"]
            if script := component["props"].get("js_on_load"):
                lines = (line.strip() for line in script.splitlines())
                kept = [line for line in lines if line and not line.startswith("//")]
                component["props"]["js_on_load"] = "\n".join(kept)
            for word in UNSET:
                if component["props"].get(word) is False:
                    del component["props"][word]
        return config

    def get_api_info(self, *args: Any, **kwargs: Any) -> Any:
        """The page for programs."""
        twin = copy(self)
        twin.config = {**self.config, "components": list(self._described.values())}
        return Blocks.get_api_info(twin, *args, **kwargs)

    async def process_api(self, *args: Any, **kwargs: Any) -> Any:
        """Answers an event; one that was queued, as soon as somebody listens for the answer.

        Until then its pictures are not even opened.
        """
        session, event = (kwargs.get(name) for name in ("session_hash", "event_id"))
        if session and event and not kwargs.get("iterator"):
            try:
                await VISITORS.heard(visitor_of(session, event))
            except Refused as refusal:
                raise to_toast(refusal) from refusal
        return await super().process_api(*args, **kwargs)

    async def preprocess_data(self, block_fn: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Values as handlers get them; no file is opened that Gradio did not store itself."""
        try:
            check_files(inputs)
            return await super().preprocess_data(block_fn, inputs, *args, **kwargs)
        except gr.Error as error:
            raise _quiet(error) from error
        except RefusedFileError as error:
            raise to_toast(error) from error
        except Exception as error:
            log_failure(f"/{block_fn.api_name} got a value that does not fit", error)
            raise gr.Error(MISFIT, print_exception=False) from error

    async def call_function(self, *args: Any, **kwargs: Any) -> Any:
        """What a handler answers."""
        try:
            return await super().call_function(*args, **kwargs)
        except Exception as error:
            raise to_toast(error) from error

    async def postprocess_data(self, block_fn: Any, *args: Any, **kwargs: Any) -> Any:
        """An answer as components show it."""
        try:
            return await super().postprocess_data(block_fn, *args, **kwargs)
        except gr.Error as error:
            raise _quiet(error) from error
        except Exception as error:
            log_failure(f"The answer of /{block_fn.api_name} cannot be shown", error)
            raise gr.Error(UNSHOWN, print_exception=False) from error


class _PageConfig(BlocksConfig):
    """The page's components; a visit copies which there are, not what each is like."""

    def __copy__(self) -> BlocksConfig:
        visit = _VisitConfig(self.root_block)
        visit.blocks, visit.fns = copy(self.blocks), copy(self.fns)
        visit.fn_id, visit.renderables = self.fn_id, copy(self.renderables)
        return visit


class _VisitConfig(BlocksConfig):
    """The components of one visit. Their descriptions serve deep links alone, which we lack."""

    @staticmethod
    def config_for_block(*_: Any, **__: Any) -> dict[str, Any]:
        """None: it would be half a megabyte for every visit. Nothing is ever added to this."""
        return UNDESCRIBED


def _quiet(error: gr.Error) -> gr.Error:
    """The message of one of Gradio's components as text, cut, as it repeats what was sent."""
    if not error.print_exception:
        return error  # one of ours
    return gr.Error(html.escape(shorten(error.message), quote=False), print_exception=False)
