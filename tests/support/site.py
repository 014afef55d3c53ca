"""The pages of `batchtel ui`, served by the real command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import urllib3

from batchtel_stack.stores import Stores

COMMAND: Final = str(Path(sys.executable).with_name("batchtel"))


@dataclass(frozen=True)
class Answer:
    """What a request got."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class Site:
    """Running pages at an address."""

    url: str

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Request a path with its query; redirects are not followed."""
        answer: Any = urllib3.request(
            method, self.url + path, headers=headers, redirect=False, retries=False, timeout=60
        )
        return Answer(answer.status, dict(answer.headers), answer.data.decode())


def of_stores(stores: Stores, **urls: str) -> list[str]:
    """Return the options that name stores, some of them at other addresses."""
    addresses = {product.lower(): url for product, url in stores.urls.items()} | urls
    return [part for product, url in addresses.items() for part in (f"--{product}", url)]


@contextmanager
def serving(*options: str, **variables: str) -> Iterator[Site]:
    """Run `batchtel ui` on a free port; it ends with 0 by Ctrl-C."""
    command = [COMMAND, "ui", "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **variables}) as process:
        assert process.stderr is not None
        try:
            line = process.stderr.readline()
            found = re.fullmatch(r"batchtel ui: (http://\S+)  \(Ctrl-C stops it\)\n", line)
            assert found is not None, line + process.stderr.read()
            yield Site(found[1].replace("//0.0.0.0:", "//127.0.0.1:"))
        finally:
            process.send_signal(2)
            assert process.wait(30) == 0, process.stderr.read()
