"""Small pictures that the page shows to everybody, at addresses of their own.

Inside the page they would travel with its configuration, on every visit. Here a browser fetches
them when they come into view, and keeps them: an address names its content.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re

from PIL import Image
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cxdemo.figures.thumbnails import QUALITY

A_YEAR = {"Cache-Control": "public, max-age=31536000, immutable"}

_shelf: dict[str, bytes] = {}  # by name: a hash, with the kind of picture as its ending
_DATA_URL = re.compile(r"data:image/(jpeg|png);base64,([A-Za-z0-9+/=]+)")


def put_on_shelf(picture: Image.Image) -> str:
    """Keeps a picture as a JPEG; returns its address, relative to the page."""
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=QUALITY)
    return _put(buffer.getvalue(), "jpeg")


def move_to_shelf(html: str) -> str:
    """HTML with addresses in place of the pictures inside it; only for what all visitors see."""
    return _DATA_URL.sub(lambda found: _put(base64.b64decode(found[2]), found[1]), html)


def _put(content: bytes, kind: str) -> str:
    name = f"{hashlib.sha256(content).hexdigest()[:20]}.{kind}"
    _shelf[name] = content
    return f"pictures/{name}"


def _serve(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _shelf:
        return Response(status_code=404)
    kind = name.rpartition(".")[2]
    return Response(_shelf[name], media_type=f"image/{kind}", headers=A_YEAR)


ROUTES = [Route("/pictures/{name}", _serve)]
