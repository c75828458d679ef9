"""What a person is told of a new workflow folder."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from byok8s.scaffold.write import CI, Scaffold


def told(made: Scaffold, named: Path) -> str:
    """Say which files were made, and what to type now. named: the folder as the user has named it."""
    enter = [] if made.folder == Path.cwd() else [f"    cd {shlex.quote(str(named))}"]
    lines = [
        f"Made in {made.folder}:",
        *(f"    {file}" for file in made.files),
        *_unread_ci(made),
        "",
        "Run it on this machine, and its test:",
        *enter,
        "    byok8s workflow-all params-small --local",
        "    python -m pytest",
        "Run it on a cluster:",
        "    byok8s workflow-all params-small --s3-bucket=my-bucket",
        "README.md has all commands.",
    ]
    return "\n".join(lines)


def _unread_ci(made: Scaffold) -> list[str]:
    if made.repository is None:
        return []
    below = json.dumps(made.folder.relative_to(made.repository).as_posix())
    return [
        f"GitHub looks for workflows at the top of a repository alone: move {CI}",
        f"to the same place in {made.repository}, and add to it",
        f"    defaults: {{run: {{working-directory: {below}}}}}",
    ]
