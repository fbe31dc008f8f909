"""A county's own data: a folder with its rules, texts, preferences or cascade instead of those of this build.

A file that the folder lacks is the build's. All of them are checked together before the first message: the signature
and the texts are a county's, for carriers approve them by account.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml

from jiayuan.chassis.errors import EXIT_CONFIG, StartError

SETTINGS: Final = ("JIAYUAN_NOTIFY_DATA", "JIAYUAN_DATA")
"""Commands that need no database read the setting from the environment."""
FILES: Final = ("rules.yaml", "templates.yaml", "preferences.yaml", "cascade.yaml")

_in_use: dict[str, Path | None] = {"folder": None}


def document(name: str) -> Any:
    """What a file says, the county's or the build's."""
    folder = _in_use["folder"]
    if folder is not None and (folder / name).is_file():
        return yaml.safe_load((folder / name).read_text(encoding="utf-8"))
    return yaml.safe_load(files("jiayuan.notify").joinpath(f"data/{name}").read_text(encoding="utf-8"))


def use(folder: str) -> None:
    """From here on the folder's files count; "" is the build's alone. StartError says which file is wrong and how."""
    from . import cascade, preferences, rules, templates

    path = Path(folder) if folder else None
    if path is not None and not path.is_dir():
        raise StartError(EXIT_CONFIG, f"the folder of notify's data isn't there: {folder}")
    if path is not None and (unknown := sorted({f.name for f in path.glob("[!.]*.y*ml")} - set(FILES))):
        raise StartError(
            EXIT_CONFIG,
            f"{folder} holds {', '.join(unknown)}; it may hold {', '.join(FILES)} and nothing else",
        )
    before, _in_use["folder"] = _in_use["folder"], path
    loaders = (templates.bundled, preferences.bundled, rules.bundled, cascade.bundled)
    for loader in loaders:
        loader.cache_clear()
    try:
        for loader in loaders:
            loader()
    except (ValueError, KeyError, yaml.YAMLError, OSError) as error:
        _in_use["folder"] = before
        for loader in loaders:
            loader.cache_clear()
        raise StartError(EXIT_CONFIG, f"notify's data can't be used: {error}") from None
