"""A running app with fake pipelines, and requests to it as raw as an attacker's."""

import json
import urllib.error
import urllib.request
import uuid
from typing import NamedTuple

import pytest

PATIENCE = 300  # seconds; a busy machine is slow, and what hangs fails all the same
# Gradio asks pandas for what pandas has deprecated, and closes none of its event loops.
WITH_GRADIO = [
    pytest.mark.filterwarnings(f"ignore::{warning}")
    for warning in (
        "pandas.errors.Pandas4Warning", "ResourceWarning", "pytest.PytestUnraisableExceptionWarning"
    )
]  # fmt: skip


class Live(NamedTuple):
    demo: object
    url: str
    root: object  # Gradio's folder

    def send(self, path, data=None, *, headers=None, method=None):
        """Status and text of an answer."""
        request = urllib.request.Request(  # noqa: S310  our own address
            self.url + path, data=data, headers=headers or {}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
                return answer.status, answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode("utf-8", "replace")

    def post(self, path, body):
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send(path, text, headers={"Content-Type": "application/json"})

    def call(self, name, *values):
        """What an event answers; of a generator, its first answer."""
        return json.loads(self.post(f"gradio_api/run/{name}", {"data": list(values)})[1])

    def upload(self, name, content):
        """The path under which Gradio stored a file."""
        edge = uuid.uuid4().hex
        head = (
            f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        data = head.encode() + content + f"\r\n--{edge}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={edge}"}
        status, text = self.send("gradio_api/upload", data, headers=kind)
        assert status == 200, text
        return json.loads(text)[0]


def named(path, **more):
    """A file as a program names it, with `meta`."""
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}} | more
