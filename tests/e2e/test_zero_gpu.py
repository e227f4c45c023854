"""Every endpoint in a Space that borrows a GPU, with the real package's emulation."""

from pathlib import Path

import pytest
from gradio_client import Client, handle_file

EXAMPLES = Path(__file__).resolve().parents[2] / "cxdemo" / "examples"
PATIENCE = 900  # seconds; a worker gives way to everything else on the machine

pytestmark = pytest.mark.slow


def file(name):
    return handle_file(str(EXAMPLES / name))


CAT, WAVE = file("photo_cat_chelsea.jpg"), file("painting_great_wave.jpg")
FACE, OTHER = file("portrait_curie_1927.jpg"), file("portrait_monalisa.jpg")
FILM = {name: file(f"face/{name}.mp4") for name in ("clip_driver", "puppet_cat", "clip_new")}
LONG = {
    "stylize": {"content": CAT, "style": WAVE, "size": 64},
    "face_exemplar": {"source": FACE, "target": OTHER, "size": 64, "num_steps": 4},
    "face_animate": {"picture": OTHER, "clip": FILM["clip_driver"], "num_steps": 20, "size": 64},
    "face_puppet": {
        "driver": FILM["clip_driver"], "puppet": FILM["puppet_cat"], "new": FILM["clip_new"],
        "num_steps": 20, "size": 64,
    },
}  # fmt: skip
QUICK = {
    "match": {"source": CAT, "target": WAVE},
    "face_translate": {"picture": FACE, "direction": "to-drawn"},
    "upscale": {"picture": file("text_page.png")},
    "super_resolution_metrics": {"picture": file("photo_coffee.jpg")},
}


def test_long_runs_borrow_the_gpu_and_stream_and_nothing_else_touches_it(space):
    app, borrowed = space
    client = Client(app.url, verbose=False, httpx_kwargs={"timeout": PATIENCE})
    results = {}
    for name, asked in {**LONG, **QUICK}.items():
        job = client.submit(**asked, api_name=f"/{name}")
        results[name] = job.result(timeout=PATIENCE)
        assert name in QUICK or len(job.outputs()) > 1
    stylized = handle_file(results["stylize"][0])
    client.predict(stylized=stylized, style=WAVE, x=20, y=20, api_name="/explain_style")
    public = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert {name.strip("/") for name in public} == {*LONG, *QUICK, "explain_style"}
    client.close()

    log = borrowed.read_text().splitlines()
    assert log[0] == "/startup-report"
    assert log.count("work in a worker") == len(LONG)
    assert "work in the server" not in log
    assert "the server touched CUDA" not in log
    assert sum(line.startswith("/release") and "fail=false" in line for line in log) == len(LONG)
    assert "durationSeconds=15" in next(line for line in log if line.startswith("/schedule"))
