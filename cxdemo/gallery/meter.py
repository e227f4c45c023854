"""The reading of the misalignment meter that its section opens with."""

from __future__ import annotations

import json

from cxdemo.engine.context import Context
from cxdemo.examples import PICTURES, open_picture
from cxdemo.gallery.made import Result
from cxdemo.pipelines.loss_meter import MeterConfig
from cxdemo.runs.meter import MeterRun

PICTURE = PICTURES / "photo_cat_chelsea.jpg"
STORED = PICTURES / "lab" / "meter_photo_cat_chelsea.json"


def make_result(ctx: Context) -> None:
    """Measures the picture with the default settings, and stores what every loss says."""
    run = MeterRun(picture=open_picture(PICTURE), config=MeterConfig())
    for _ in run.steps(ctx):
        pass
    STORED.write_text(json.dumps(run.settings(), indent=2) + "\n", encoding="utf-8")


def results() -> list[Result]:
    """The one result of this kind."""
    return [
        Result(
            name="meter/cat",
            files=(STORED,),
            made_of=(PICTURE,),
            settings=MeterConfig().as_dict(),
            code=("cxdemo.pipelines.loss_meter",),
            make=make_result,
        )
    ]
