"""What was deployed through the control plane: it keeps settings, not where logs go; and it unpacks nothing."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

from tests.support.amazon import client_of

FUNCTIONS = "/2015-03-31/functions"


class Deployed:
    """Code and log groups of functions, as they were asked for.

    code: unpacked code of every function; None: the zip in the bucket that a function names, unpacked once, but for
        numpy: the package brings it for arm64, the functions have this machine's.
    """

    def __init__(self, control_plane: str, code: Path | None) -> None:
        self._control_plane = control_plane
        self._code = code
        self._asked: dict[str, dict[str, Any]] = {}
        self._unpacked: dict[str, Path] = {}
        self._lock = threading.Lock()

    def note(self, method: str, path: str, content: bytes) -> str | None:
        """Take a request that succeeded; return the function that it changed, None for none."""
        rest = path.rstrip("/").removeprefix(FUNCTIONS).strip("/")
        if not path.startswith(FUNCTIONS) or method not in {"POST", "PUT", "DELETE"}:
            return None
        asked = json.loads(content) if content else {}
        name = str(asked.get("FunctionName", "")) if method == "POST" and not rest else rest.partition("/")[0]
        if method == "DELETE":
            self._asked.pop(name, None)
        elif method == "PUT" and rest.endswith("/code"):
            self._asked.setdefault(name, {})["Code"] = asked
        else:
            self._asked.setdefault(name, {}).update(asked)
        return name

    def log_group(self, name: str) -> str:
        """Return where a function reports, empty for nowhere."""
        return str(self._asked.get(name, {}).get("LoggingConfig", {}).get("LogGroup", ""))

    def complete(self, method: str, path: str, answer: bytes) -> bytes:
        """Return the control plane's answer with what it does not keep: where a function's reports go."""
        name = path.rstrip("/").removeprefix(f"{FUNCTIONS}/").removesuffix("/configuration")
        kept = self._asked.get(name, {}).get("LoggingConfig")
        if method != "GET" or not path.rstrip("/").endswith("/configuration") or kept is None:
            return answer
        return json.dumps({**json.loads(answer), "LoggingConfig": kept}).encode()

    def folder(self, name: str) -> Path:
        """Return the folder of a function's code."""
        if self._code is not None:
            return self._code
        code = self._asked[name]["Code"]
        with self._lock:
            if code["S3Key"] not in self._unpacked:
                self._unpacked[code["S3Key"]] = self._unpack(code)
            return self._unpacked[code["S3Key"]]

    def close(self) -> None:
        """Remove what was unpacked."""
        for folder in self._unpacked.values():
            shutil.rmtree(folder, ignore_errors=True)

    def _unpack(self, code: dict[str, Any]) -> Path:
        s3 = client_of("s3", self._control_plane)
        content = s3.get_object(Bucket=code["S3Bucket"], Key=code["S3Key"])["Body"].read()
        folder = Path(tempfile.mkdtemp(prefix="lambda-code-"))
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder, [one for one in archive.namelist() if not one.startswith("numpy")])
        return folder
