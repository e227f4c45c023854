"""The notebook runs from its first cell to its last, in this very environment."""

import nbformat
import pytest

from cxdemo.lessons.exercises import NOTEBOOK
from cxdemo.lessons.texts import LANGUAGES

HAN = "一鿿"


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_stored_without_outputs_and_in_both_languages(notebook):
    nbformat.validate(notebook)
    assert len(LANGUAGES) == 2
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
        else:
            assert any(HAN[0] <= sign <= HAN[1] for sign in cell.source)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_it_runs(notebook, tmp_path, monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[2]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = "".join(
        output.get("text", "")
        for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    )  # fmt: skip
    assert "没有梯度: ['x4']" in printed
    psnr = {
        line.split(":")[0]: float(line.split()[2])
        for line in printed.splitlines()
        if "PSNR" in line
    }
    assert psnr["cx"] > psnr["l1"]
