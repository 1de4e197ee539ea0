"""A Hugging Face hub in memory, behind the HTTP calls that huggingface_hub 2 makes, with a log of them."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_the_owner"
"""What a private repository, and whoever writes, has to come with."""
LARGE = ".safetensors"
"""Files that are answered as the real hub answers large ones: by the sha256 of what they hold."""
Files = dict[str, bytes]


@dataclass
class Repo:
    """A model: its commits, the branches and tags that name them, and who may have it."""

    private: bool = False
    gated: bool = False
    commits: dict[str, Files] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, files: Files, ref: str = "main") -> str:
        """Make ``files`` what ``ref`` names; returns the commit."""
        sha = hashlib.sha1(f"{len(self.commits)} {sorted(files)}".encode()).hexdigest()
        self.commits[sha], self.refs[ref] = dict(files), sha
        return sha

    @property
    def files(self) -> Files:
        """What lies on the main branch."""
        return self.commits[self.refs["main"]]


@dataclass(frozen=True)
class Request:
    """A request as it came: method, path without its query, headers in small letters, and body."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class FakeHub:
    """Serves ``repos`` ("owner/name") on 127.0.0.1 from entering to ``stop`` or leaving; ``log`` has every request."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.log: list[Request] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))

    @property
    def url(self) -> str:
        """Its address, for ``HF_ENDPOINT``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "FakeHub":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Go down: from now on nobody answers at ``url``."""
        self._server.shutdown()
        self._server.server_close()

    def put(self, repo_id: str, files: Files, *, ref: str = "main", **access: bool) -> str:
        """Make ``files`` what ``ref`` of a repository names; ``access``: private, gated. Returns the commit."""
        return self.repos.setdefault(repo_id, Repo(**access)).commit(files, ref)


class _Refused(Exception):
    """Status, X-Error-Code and X-Error-Message of an answer."""


class _Handler(BaseHTTPRequestHandler):
    """One request; HTTP/1.0, so that no connection outlives its answer and a hub that is down is down."""

    hub: FakeHub
    status = 200

    def do_GET(self) -> None:
        """Answer a repository's description, tree or file, or take what is posted."""
        path = unquote(urlsplit(self.path).path).strip("/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.log.append(Request(self.command, f"/{path}", headers, body))
        try:
            if self.command == "POST":
                self._send(json.dumps(self._posted(path, body)).encode())
            elif path.startswith("api/models/"):
                self._send(json.dumps(self._described(path.split("/")[2:])).encode())
            else:
                self._send(*self._file(path.split("/")))
        except _Refused as refused:
            self.status, code, message = refused.args
            self._send(b"", {"X-Error-Code": code, "X-Error-Message": message})

    do_HEAD = do_POST = do_CONNECT = do_GET

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def _send(self, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(self.status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _owner(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _repo(self, repo_id: str) -> Repo:
        repo = self.hub.repos.get(repo_id)
        if repo is None or (repo.private and not self._owner()):
            raise _Refused(404 if self._owner() else 401, "RepoNotFound", "Repository not found")
        return repo

    def _commit(self, repo: Repo, revision: str) -> str:
        sha = repo.refs.get(revision, revision)
        if sha not in repo.commits:
            raise _Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return sha

    def _described(self, parts: list[str]) -> Any:
        repo_id, (what, revision) = "/".join(parts[:2]), (parts[2:4] or ("revision", "main"))
        repo = self._repo(repo_id)
        sha = self._commit(repo, revision)
        if what == "tree":
            return [{"type": "file", "path": name, **_about(name, data)} for name, data in repo.commits[sha].items()]
        return {"id": repo_id, "sha": sha, "private": repo.private, "gated": repo.gated}

    def _file(self, parts: list[str]) -> tuple[bytes, dict[str, str]]:
        if len(parts) < 5 or parts[2] != "resolve":
            raise _Refused(404, "", "no such page")
        repo, name = self._repo("/".join(parts[:2])), "/".join(parts[4:])
        sha = self._commit(repo, parts[3])
        if repo.gated:
            raise _Refused(403, "GatedRepo", "Access to this model is restricted")
        if name not in repo.commits[sha]:
            raise _Refused(404, "EntryNotFound", "Entry not found")
        about = _about(name, repo.commits[sha][name])
        headers = {"ETag": f'"{about["oid"]}"', "X-Repo-Commit": sha}
        if "lfs" in about:
            headers |= {"X-Linked-Etag": f'"{about["lfs"]["oid"]}"', "X-Linked-Size": str(about["size"])}
        return repo.commits[sha][name], headers

    def _posted(self, path: str, body: bytes) -> Any:
        if path == "api/validate-yaml":
            return {"warnings": [], "errors": []}
        if not self._owner():
            raise _Refused(401, "", "Invalid username or password.")
        if path == "api/repos/create":
            return self._created(json.loads(body))
        _, _, owner, name, what, revision = path.split("/")
        repo = self._repo(f"{owner}/{name}")
        if what == "preupload":
            held, asked = repo.commits[self._commit(repo, revision)], [f["path"] for f in json.loads(body)["files"]]
            oids = {path: _about(path, held[path])["oid"] if path in held else None for path in asked}
            regular = {"uploadMode": "regular", "shouldIgnore": False}
            return {"files": [{"path": path, "oid": oid, **regular} for path, oid in oids.items()]}
        sha = repo.commit(dict(_changed(repo.commits[self._commit(repo, revision)], body)), revision)
        return {"success": True, "commitOid": sha, "commitUrl": f"{self.hub.url}/{owner}/{name}/commit/{sha}"}

    def _created(self, asked: dict[str, Any]) -> dict[str, str]:
        repo_id = f"{asked['organization']}/{asked['name']}"
        if repo_id in self.hub.repos:
            self.status = 409
        else:
            self.hub.put(repo_id, {".gitattributes": b""}, private=asked.get("visibility") == "private")
        return {"url": f"{self.hub.url}/{repo_id}"}


def _about(name: str, data: bytes) -> dict[str, Any]:
    """Size and identity of a file: git's sha1, and the sha256 where it is a large one."""
    about: dict[str, Any] = {"size": len(data), "oid": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()}
    if name.endswith(LARGE):
        about["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    return about


def _changed(files: Files, lines: bytes) -> Iterator[tuple[str, bytes]]:
    """Apply a commit, a JSON a line, to ``files``."""
    asked = [json.loads(line) for line in lines.splitlines()]
    gone = {one["value"]["path"] for one in asked if one["key"] == "deletedFile"}
    yield from ((name, data) for name, data in files.items() if name not in gone)
    for one in asked:
        if one["key"] == "file":
            yield one["value"]["path"], base64.b64decode(one["value"]["content"])
