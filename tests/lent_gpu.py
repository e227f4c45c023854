"""The app in a ZeroGPU Space, as far as one machine without a GPU can be one.

The package `spaces` is the real one, with its emulation of CUDA; the service that lends GPUs is a
loopback stand-in. `python lent_gpu.py LOG` starts the app; the log has a line for each request to
the service, for each piece of work with its process, and for each touch of CUDA by the server.
"""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Lender(BaseHTTPRequestHandler):
    """Lends at once, and writes down what was asked."""

    protocol_version = "HTTP/1.1"
    log = Path(os.devnull)

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        note(self.path)
        answer = {"idle": False, "nvidiaIndex": 0, "nvidiaUUID": "GPU-0", "allowToken": "token"}
        body = json.dumps(answer if self.path.startswith("/schedule") else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def note(line: str) -> None:
    with Lender.log.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def enter_space(log: Path) -> None:
    """Sets what a ZeroGPU Space sets, before the package is imported."""
    Lender.log = log
    server = ThreadingHTTPServer(("127.0.0.1", 0), Lender)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cgroup = log.with_suffix(".cgroup")
    cgroup.write_text("12:devices:/space\n")
    os.environ["SPACES_ZERO_GPU"] = "true"
    os.environ["SPACES_ZERO_DEVICE_API_URL"] = f"http://127.0.0.1:{server.server_port}"
    os.environ["ZEROGPU_PROC_SELF_CGROUP_PATH"] = str(cgroup)
    import spaces  # noqa: F401  before torch


def pretend(server: int) -> None:
    """Lets a worker compute on the CPU, and a touch of CUDA by the server be seen."""
    import spaces.zero.torch as lent
    import torch

    from cxdemo.engine import zero_gpu

    touch, work = torch._C._cuda_init, zero_gpu._work

    def touched() -> None:
        if os.getpid() == server:
            note("the server touched CUDA")
        touch()

    def work_here(task: bytes, seconds: int):
        note(f"work in {'the server' if os.getpid() == server else 'a worker'}")
        zero_gpu.BORROWED = "cpu"
        yield from work(task, seconds)

    torch._C._cuda_init = touched
    lent.init = lambda uuid: None
    lent.move = lambda callback=None: None
    zero_gpu._work = work_here


if __name__ == "__main__":
    enter_space(Path(sys.argv[1]))
    pretend(os.getpid())
    import app

    app.main()
