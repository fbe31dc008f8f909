"""The workspace's members and what they depend on, read from their pyproject.toml files."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SERVICES = "services"


@dataclass(frozen=True)
class Member:
    """One distribution of the workspace."""

    name: str
    folder: Path
    dependencies: tuple[str, ...]
    extras: tuple[str, ...]
    """The requirements of all its optional groups: for development only."""

    @property
    def is_service(self) -> bool:
        return self.folder.parent.name == SERVICES


def members() -> dict[str, Member]:
    """Every member that there is, by distribution name."""
    folders = [
        ROOT / "contracts",
        ROOT / "chassis",
        *sorted((ROOT / SERVICES).glob("*")),
        ROOT / "deploy/local",
    ]
    found = {}
    for folder in folders:
        if (folder / "pyproject.toml").exists():
            project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
            extras = [line for group in project.get("optional-dependencies", {}).values() for line in group]
            found[project["name"]] = Member(
                project["name"], folder, tuple(project.get("dependencies", ())), tuple(extras)
            )
    return found


def distribution(requirement: str) -> str:
    """The name in a requirement line: "kombu>=5.3" gives "kombu"."""
    return re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0]


def with_dependencies(member: Member, everyone: dict[str, Member]) -> list[Member]:
    """The member and the workspace members that it stands on, the lowest first."""
    lower = [everyone[n] for n in map(distribution, member.dependencies) if n in everyone]
    chain = [deeper for one in lower for deeper in with_dependencies(one, everyone)]
    return list(dict.fromkeys([*chain, member]))


def outside_requirements(chosen: list[Member], everyone: dict[str, Member]) -> list[str]:
    """The requirement lines of `chosen` that are not about members of the workspace."""
    lines = {line for one in chosen for line in one.dependencies if distribution(line) not in everyone}
    return sorted(lines)
