"""What programs are told of the endpoints' values, and what wrong ones are answered."""

import json
from html import unescape

import pytest

from cxdemo.ui.kit.api_fields import ApiField
from cxdemo.ui.kit.guarded_blocks import MISFIT
from ui.live import WITH_GRADIO, named
from ui.test_front_door import picture

pytestmark = WITH_GRADIO

OF_THE_PRESET = ("/stylize", 4, None)  # a size that is not named is that of the preset
WRONG = ("text", None, [], [1], {}, True, float("nan"), float("inf"), -1, 1e308, 10**30, "1")


@pytest.fixture(scope="module")
def endpoints(live):
    return json.loads(live.send("gradio_api/info")[1])["named_endpoints"]


def parameters(endpoints, name):
    return {each["parameter_name"]: each for each in endpoints[f"/{name}"]["parameters"]}


def test_the_page_for_programs_shows_types_ranges_choices_and_defaults(endpoints):
    known = parameters(endpoints, "stylize")
    size = known["size"]
    assert size["type"]["type"] == "integer"
    assert (size["type"]["minimum"], size["type"]["maximum"]) == (0, 1024)
    assert size["python_type"] == {"type": "int", "description": "From 0 to 1024."}
    assert size["parameter_has_default"]
    assert isinstance(size["parameter_default"], int)
    assert known["preset"]["type"]["enum"] == ["fast", "fine", "paper", "authors"]
    assert known["keep_colors"]["python_type"]["type"] == "bool"
    assert known["style_strength"]["python_type"]["type"] == "float"
    for name in ("num_steps", "size", "seed"):
        assert parameters(endpoints, "face_animate")[name]["python_type"]["type"] == "int"
    assert parameters(endpoints, "match")["x"]["python_type"]["description"] == "From 0 to 100."
    methods = parameters(endpoints, "super_resolution_metrics")["methods"]
    assert methods["type"]["items"]["enum"] == ["bicubic", "mse", "cx", "cx-gan"]


def test_the_fields_of_programs_are_hidden_on_the_page(live):
    fields = [block for block in live.demo.blocks.values() if isinstance(block, ApiField)]
    told = {each["id"]: each["props"] for each in live.demo.get_config_file()["components"]}
    assert len(fields) > 20
    assert all(told[field._id]["visible"] is False for field in fields)
    assert all(told[field._id]["label"] == field.known.label for field in fields)


def test_wrong_values_get_a_sentence_at_every_field_of_every_endpoint(live, endpoints):
    stored = named(live.upload("a.png", picture(size=(300, 300))))
    film = named(live.upload("a.mp4", b"no film"))
    tried = 0
    for endpoint, about in endpoints.items():
        values = [_usual(each, stored, film) for each in about["parameters"]]
        for place, each in enumerate(about["parameters"]):
            if _is_file(each):
                continue
            for wrong in WRONG:
                if _may_be(each, wrong) or (endpoint, place, wrong) == OF_THE_PRESET:
                    continue
                sent = [*values[:place], wrong, *values[place + 1 :]]
                said = live.call(endpoint[1:], *sent).get("error") or ""
                assert f"{each['parameter_name']} " in said, (endpoint, wrong, said)
                tried += 1
    assert tried > 200


@pytest.mark.parametrize(
    ("endpoint", "name", "value", "said"),
    [
        ("stylize", "size", 32, "size must lie in [64, 1024], got 32"),
        ("stylize", "size", 256.5, "size must be a whole number in [0, 1024], got 256.5"),
        ("stylize", "preset", "fsat", "preset must be one of fast, fine, paper, authors, "
         "got 'fsat'. Did you mean 'fast'?"),
        ("match", "x", -1, "x must lie in [0.0, 100.0], got -1"),
        ("explain_style", "y", 1e308, "y must lie in [0.0, 100.0], got 1e+308"),
        ("upscale", "method", "cy", "method must be one of bicubic, mse, cx, cx-gan, got 'cy'"),
    ],
)  # fmt: skip
def test_the_sentence_is_that_of_the_command_line(live, endpoints, endpoint, name, value, said):
    stored = named(live.upload("a.png", picture(size=(300, 300))))
    sent = [
        value if each["parameter_name"] == name else _usual(each, stored, None)
        for each in endpoints[f"/{endpoint}"]["parameters"]
    ]
    assert said in unescape(live.call(endpoint, *sent)["error"])


def test_a_control_of_the_page_that_is_sent_nonsense_answers_a_sentence(live):
    for fn in live.demo.fns.values():
        if fn.api_name in {"move_meter", "move_slider", "choose_preset", "run_meter"}:
            for wrong in ("text", [], {"a": 1}):
                answer = live.call(fn.api_name, *[wrong] * len(fn.inputs))
                assert answer.get("data") or answer["error"], (fn.api_name, wrong)
    assert live.call("move_slider")["error"] == MISFIT


def _usual(each, stored, film):
    """A value that works."""
    if not _is_file(each):
        return each["parameter_default"]
    return film if each["component"] == "Video" else stored


def _is_file(each):
    return "path" in each["type"].get("properties", {})


def _may_be(each, value):
    """Whether a field may take a value, by its published schema."""
    schema = each["type"]
    if schema["type"] == "array":
        return value == [] or value is None
    if schema["type"] == "boolean":
        return isinstance(value, bool)
    if schema["type"] == "string":
        return value in schema.get("enum", [value]) and isinstance(value, str)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and schema.get("minimum", value) <= value <= schema.get("maximum", value)
