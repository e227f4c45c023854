"""Where files lie, how long, and that a run writes its own once."""

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from cxdemo.runs import private_folder
from cxdemo.runs.files import files_of, folder_of
from cxdemo.runs.private_folder import sweep

ROOT = Path(__file__).resolve().parents[2]
START = """
import sys
from cxdemo.runs.private_folder import new_run_folder, private_folder
(new_run_folder() / "face.png").write_text("somebody's")
print(private_folder(), flush=True)
sys.stdin.read()
"""


def start(base):
    """A process that has written a file, and its folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", START], cwd=ROOT, env=os.environ | {"GRADIO_TEMP_DIR": str(base)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return process, Path(process.stdout.readline().strip())


def end(process):
    process.communicate("")


def test_a_start_clears_what_dead_processes_left_and_nothing_else(tmp_path):
    living, own = start(tmp_path)
    killed, left = start(tmp_path)
    killed.kill()
    killed.communicate()
    assert [*left.rglob("face.png")]
    third, another = start(tmp_path)
    assert [*own.rglob("face.png")]
    assert not left.exists()
    assert own.parent == another.parent
    assert own.parent.stat().st_mode & 0o777 == 0o700
    end(third)
    assert not another.exists()
    end(living)
    assert not own.exists()


def test_a_folder_that_somebody_else_prepared_is_not_used(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f"cxdemo-{os.geteuid()}").symlink_to(elsewhere)
    process, folder = start(tmp_path)
    end(process)
    assert elsewhere not in folder.parents
    assert tmp_path in folder.parents


def test_the_sweep_takes_what_is_old_and_leaves_what_is_shown(tmp_path, monkeypatch):
    for name in ("a/shown.png", "b/old.png", "c/new.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("x")
    shown, old, new = (tmp_path / name for name in ("a/shown.png", "b/old.png", "c/new.png"))
    sweep(tmp_path, age=3000)
    assert old.exists()
    later = time.time() + 3001
    monkeypatch.setattr(private_folder.time, "time", lambda: later)
    sweep(tmp_path, age=3000, keep=[str(shown), str(new)])
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "c", "new.png", "shown.png"]
    assert private_folder.LIFE == 3600


class Run:
    stopped = finished = False


def write(written, folder):
    time.sleep(0.05)
    path = folder / "result.png"
    path.write_text("x")
    written.append(path)
    return {"png": path}


def test_stop_and_the_run_itself_write_its_files_once():
    run, written, answers = Run(), [], []
    run.stopped = True
    threads = [
        threading.Thread(
            target=lambda: answers.append(files_of(run, lambda folder: write(written, folder)))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(written) == 1
    assert answers == [{"png": written[0]}] * 4
    other = files_of(run, lambda folder: write(written, folder), of="film")
    assert len(written) == 2
    assert other["png"] == written[1]


def test_files_follow_a_run_that_goes_on_come_again_after_an_hour_and_go_with_it():
    run, written = Run(), []
    for _ in range(2):
        files_of(run, lambda folder: write(written, folder))
    assert len(written) == 2
    run.finished = True
    folder = folder_of(run)
    files_of(run, lambda folder: write(written, folder))
    (folder / "result.png").unlink()
    folder.rmdir()  # the sweep
    again = files_of(run, lambda folder: write(written, folder))["png"]
    assert again.exists()
    del run
    gc.collect()
    assert not again.parent.exists()
