"""The scripts of amis from a local folder, for networks without a way out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from starlette.staticfiles import StaticFiles

_VERSION = re.compile(r"^((?:@[^/@]+/)?[^/@]+)@[^/]+")


class Assets(StaticFiles):
    """Files of npm packages, asked for as a CDN is: ``amis@6.3.0/sdk/sdk.js`` is ``amis/sdk/sdk.js`` in the folder.

    A folder of the name with the version comes first, where it is there.

    Args:
        directory: a ``node_modules`` with the packages amis, vue and history.

    Raises:
        ValueError: amis is not in the folder.
    """

    def __init__(self, directory: str | Path) -> None:
        if not any(Path(directory).glob("amis*/sdk/sdk.js")):
            raise ValueError(f"amis_assets: {directory} has no amis/sdk/sdk.js; npm install amis@6.3.0 there")
        super().__init__(directory=directory, follow_symlink=True)

    def lookup_path(self, path: str) -> Any:
        found = super().lookup_path(path)
        return super().lookup_path(_VERSION.sub(r"\1", path, count=1)) if found[1] is None else found
