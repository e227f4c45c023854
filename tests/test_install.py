"""`pip install .`, as far as it can be proven without an index: the wheel and what is in it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BUILD = "from hatchling.build import build_wheel; print(build_wheel('WHERE'))"
USE = """
from cxdemo import checkpoints
from cxdemo.contextual import contextual_loss
loaded = checkpoints.load_state_dict("vgg16", tensors=["features.0.bias"], offline=True)
print(checkpoints.__file__, loaded.origin, len(loaded.state_dict["features.0.bias"]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    code = BUILD.replace("WHERE", str(folder))
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("cxdemo-*.whl")
    return path


def test_the_wheel_has_the_package_its_command_its_types_and_its_weights(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entries,) = [name for name in names if name.endswith("entry_points.txt")]
        assert "cxdemo = cxdemo.__main__:main" in archive.read(entries).decode()
    shipped = {f"cxdemo/weights/{path.name}" for path in (ROOT / "checkpoints").iterdir()}
    assert shipped <= set(names)
    assert {"cxdemo/py.typed", "cxdemo/ui/cxdemo.css"} <= set(names)
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"cxdemo"}


def test_the_weights_of_an_installed_package_are_found_from_another_folder(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=tmp_path, env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.split() == [
        str(tmp_path / "site/cxdemo/checkpoints/__init__.py"),
        "embedded",
        "64",
    ]
