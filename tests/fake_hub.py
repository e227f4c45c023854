"""A loopback stand-in for the Hugging Face Hub, in the standard library alone.

It speaks as much of the protocol as `huggingface_hub` 2.x needs to download, to ask for the
metadata of a file, to create a repository and to upload a folder. It listens on 127.0.0.1 only.

    with FakeHub() as hub:
        sha = hub.add("demo/vgg19", {"model.safetensors": b"...", "config.json": b"{}"})
        hf_hub_download("demo/vgg19", "config.json", endpoint=hub.url, cache_dir=tmp)

Pass `endpoint=` per call, or set HF_ENDPOINT in the environment of a subprocess: the Hub client
reads it once, when it is imported.
"""

import base64
import hashlib
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

REPO = r"(?P<repo>(?:spaces/)?[^/]+/[^/]+)"  # a Space is kept under "spaces/OWNER/NAME"
RESOLVE = re.compile(rf"^/(cdn/)?{REPO}/resolve/(?P<rev>[^/]+)/(?P<file>.+)$")
API = re.compile(rf"^/api/(?:models/)?{REPO}(?:/(?P<kind>\w+)/(?P<rev>[^/]+)(?:/.*)?)?$")
BATCH = re.compile(rf"^/{REPO}\.git/info/lfs/objects/batch$")
RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class FakeHub:
    def __init__(self) -> None:
        self.repos: dict[str, dict] = {}  # repo -> {"commits": {sha: {path: bytes}}, "refs": {}}
        self.gated: set[str] = set()
        # Faults. Those that are sets name the paths that have them.
        self.fail: int | None = None  # answer everything with this status
        self.refuse_token = False  # as for a token that has been revoked
        self.want_token = False  # as for whoever writes
        self.refuse_lfs = False  # as a store of large files that has a fault of its own
        self.hang = False  # accept, and never answer
        self.html = False  # answer everything with a page, as a captive portal does
        self.ignore_range = False  # send the complete file with status 200
        self.etags: dict[str, str] = {}  # path -> another ETag than the sha256
        self.corrupt: set[str] = set()  # every byte of the body flipped, same length, same ETag
        self.flip: dict[str, int] = {}  # path -> position of one byte whose lowest bit is flipped
        self.truncate: set[str] = set()  # the body stops half-way, and the connection ends
        self.shorten: set[str] = set()  # a complete answer, with less than its range promises
        self.stall: set[str] = set()  # the body stops half-way, and the connection stays
        self.stall_always: set[str] = set()  # a GET is never answered
        self.cdn = False  # redirect to another host, as the real Hub does for large files
        self.piece = 65_536  # bytes that are sent at once
        self.pause = 0.0  # seconds between the pieces of a body
        # What happened.
        self.log: list[tuple[str, str]] = []
        self.created: list[dict] = []  # what was asked for when a repository was created
        self.lfs: dict[str, bytes] = {}  # sha256 -> content that came by LFS
        self.ranges: list[str] = []
        self.tokens: list[tuple[str, str | None]] = []  # (host, authorization)
        self.served = 0  # bytes of files
        self.released = threading.Event()
        self.server = _QuietServer(("127.0.0.1", 0), _handler(self))
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def add(self, repo: str, files: dict[str, bytes], ref: str = "main") -> str:
        digest = hashlib.sha1(repo.encode(), usedforsecurity=False)
        for path in sorted(files):
            digest.update(path.encode() + files[path])
        sha = digest.hexdigest()  # 40 hexadecimal digits, like a git commit
        record = self.repos.setdefault(repo, {"commits": {}, "refs": {}})
        record["commits"][sha] = dict(files)
        record["refs"][ref] = sha
        return sha

    def __enter__(self) -> "FakeHub":
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *request: object) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # whoever asked has left
            super().handle_error(*request)


def _upload_mode(file: dict) -> dict:
    """The real Hub wants binary files by LFS."""
    binary = b"\0" in base64.b64decode(file["sample"])
    mode = "lfs" if binary else "regular"
    return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._route()

        do_GET = do_POST = do_PUT = do_HEAD  # noqa: N815

        def _route(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.log.append((self.command, path))
            hub.tokens.append((self.headers.get("Host", ""), self.headers.get("Authorization")))
            if hub.hang:
                self._give_up()
            elif hub.fail:
                self._error(hub.fail, "")
            elif hub.refuse_token:
                said = "Invalid credentials in Authorization header"
                self._error(401, "", said, {"X-Error-Message": said})
            elif hub.want_token and "Authorization" not in self.headers:
                self._error(401, "", "Invalid username or password.")
            elif hub.html:
                self._send(200, b"<html>Please log in to the wireless network</html>", "text/html")
            elif self.command == "POST":
                self._post(path)
            elif self.command == "PUT" and hub.refuse_lfs:
                self._error(400, "", "no")
            elif self.command == "PUT":
                content = self._body()
                hub.lfs[hashlib.sha256(content).hexdigest()] = content
                self._answer({})
            elif match := RESOLVE.match(path):
                self._resolve(match["repo"], match["rev"], match["file"], path)
            elif match := API.match(path):
                self._info(match["repo"], match["kind"], match["rev"] or "main")
            else:
                self._error(404, "RepoNotFound")

        def _give_up(self) -> None:
            self.close_connection = True
            hub.released.wait(30)

        def _lookup(self, repo: str, rev: str) -> tuple[str, dict[str, bytes]] | None:
            record = hub.repos.get(repo)
            if record is None:  # the real Hub says 401 here to anonymous callers
                return self._error(401, "RepoNotFound", "Invalid username or password.")
            if repo in hub.gated:
                return self._error(401, "GatedRepo", f"Access to model {repo} is restricted.")
            sha = record["refs"].get(rev, rev)
            if sha not in record["commits"]:
                return self._error(404, "RevisionNotFound", f"Invalid rev id: {rev}")
            return sha, record["commits"][sha]

        def _resolve(self, repo: str, rev: str, name: str, path: str) -> None:
            found = self._lookup(repo, rev)
            if found is None:
                return
            sha, files = found
            if name not in files:
                self._error(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": sha})
                return
            if name in hub.stall_always and self.command == "GET":
                self._give_up()
                return
            data = files[name]
            etag = hub.etags.get(name, hashlib.sha256(data).hexdigest())
            headers = {
                "X-Repo-Commit": sha,
                "ETag": f'"{etag}"',
                "X-Linked-Etag": f'"{etag}"',
                "X-Linked-Size": str(len(data)),
                "Accept-Ranges": "bytes",
            }
            if hub.cdn and not path.startswith("/cdn/"):
                headers["Location"] = f"http://localhost:{hub.port}/cdn{path}?signature=1"
                self._send(302, b"", "text/plain", headers)
                return
            self._send_file(name, data, headers)

        def _send_file(self, name: str, data: bytes, headers: dict[str, str]) -> None:
            if name in hub.corrupt:
                data = bytes(byte ^ 0xFF for byte in data)
            if name in hub.flip:
                at = hub.flip[name]
                data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            start, end = self._asked_range(len(data))
            chunk = data[start:end]
            status = 200
            if "Range" in self.headers and not hub.ignore_range:
                hub.ranges.append(self.headers["Range"])
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
                status = 206
            if name in hub.shorten:
                chunk = chunk[:-8]
            self._start(status, len(chunk), "application/octet-stream", headers)
            if self.command != "HEAD":
                self._send_body(name, chunk)

        def _asked_range(self, size: int) -> tuple[int, int]:
            match = RANGE.match(self.headers.get("Range", ""))
            if not match or hub.ignore_range:
                return 0, size
            first, last = match[1], match[2]
            if not first:  # bytes=-500: the last 500
                return max(0, size - int(last)), size
            return int(first), min(size, int(last) + 1) if last else size

        def _send_body(self, name: str, chunk: bytes) -> None:
            if name in hub.truncate | hub.stall:
                chunk = chunk[: len(chunk) // 2]
                self.close_connection = True
            try:
                for at in range(0, len(chunk), hub.piece):
                    piece = chunk[at : at + hub.piece]
                    self.wfile.write(piece)
                    hub.served += len(piece)
                    hub.released.wait(hub.pause)
            except OSError:  # whoever asked has left
                self.close_connection = True
            if name in hub.stall:
                hub.released.wait(30)

        def _info(self, repo: str, kind: str | None, rev: str) -> None:
            found = self._lookup(repo, rev)
            if found is None:
                return
            sha, files = found
            names = [{"rfilename": path} for path in sorted(files)]
            info: object = {"_id": "0", "id": repo, "modelId": repo, "sha": sha, "siblings": names}
            if kind == "tree":
                info = [
                    {"type": "file", "path": path, "oid": "0", "size": len(files[path])}
                    for path in sorted(files)
                ]
            self._send(200, json.dumps(info).encode(), "application/json")

        def _post(self, path: str) -> None:  # noqa: PLR0911  one answer a kind of request
            body = self._body()
            match = API.match(path)
            if path == "/api/repos/create":
                asked = json.loads(body)
                kind = "spaces" if asked.get("type") == "space" else None
                repo = "/".join(filter(None, [kind, asked.get("organization"), asked["name"]]))
                hub.created.append(asked)
                if repo in hub.repos:
                    return self._answer({"url": f"{hub.url}/{repo}"}, 409)
                hub.add(repo, {})
                return self._answer({"url": f"{hub.url}/{repo}"})
            if path == "/api/validate-yaml":
                return self._answer({"errors": [], "warnings": []})
            if match and match["kind"] == "preupload":
                files = [_upload_mode(file) for file in json.loads(body)["files"]]
                return self._answer({"files": files})
            if BATCH.match(path):
                return self._answer({"transfer": "basic", "objects": self._batch(body)})
            if match and match["kind"] == "commit":
                return self._commit(match["repo"], match["rev"], body)
            return self._error(404, "RepoNotFound")

        def _batch(self, body: bytes) -> list[dict]:
            href = {"upload": {"href": f"{hub.url}/lfs"}}
            return [{**each, "actions": href} for each in json.loads(body)["objects"]]

        def _commit(self, repo: str, ref: str, body: bytes) -> None:
            record = hub.repos[repo]
            files = dict(record["commits"].get(record["refs"].get(ref), {}))
            for line in body.splitlines():
                operation = json.loads(line)
                value = operation["value"]
                if operation["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif operation["key"] == "lfsFile":
                    files[value["path"]] = hub.lfs[value["oid"]]
                elif operation["key"] == "deletedFile":
                    del files[value["path"]]
            sha = hub.add(repo, files, ref)
            url = f"{hub.url}/{repo}/commit/{sha}"
            self._answer({"success": True, "commitOid": sha, "commitUrl": url})

        def _body(self) -> bytes:
            if "Content-Length" in self.headers:
                return self.rfile.read(int(self.headers["Content-Length"]))
            content = b""
            while size := int(self.rfile.readline(), 16):  # chunked transfer
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return content

        def _answer(self, content: object, status: int = 200) -> None:
            self._send(status, json.dumps(content).encode(), "application/json")

        def _error(
            self, status: int, code: str, message: str = "", extra: dict[str, str] | None = None
        ) -> None:
            headers = dict(extra or {})
            if code:  # selects the class of the exception
                headers |= {"X-Error-Code": code, "X-Error-Message": message or code}
            content = json.dumps({"error": message or code}).encode()
            self._send(status, content, "application/json", headers)

        def _send(
            self, status: int, content: bytes, kind: str, headers: dict[str, str] | None = None
        ) -> None:
            self._start(status, len(content), kind, headers or {})
            if self.command != "HEAD":
                self.wfile.write(content)

        def _start(self, status: int, length: int, kind: str, headers: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in {
                "Content-Type": kind,
                "Content-Length": str(length),
                **headers,
            }.items():
                self.send_header(key, value)
            self.end_headers()

    return Handler
