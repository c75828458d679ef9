"""What `conda activate` does to a shell. No conda is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

VARIABLES: Final = (
    "etc/conda/byok8s-variables.sh"  # within an environment: what its file says under variables:
)
# what `conda activate` does to a shell that has no environment yet
ACTIVATE: Final = f"""\
export CONDA_PREFIX="$1" CONDA_DEFAULT_ENV="$1" CONDA_SHLVL=1 CONDA_PROMPT_MODIFIER="($1) " PATH="$1/bin:$PATH"
[ -r "$1/{VARIABLES}" ] && . "$1/{VARIABLES}"
for _byok8s in "$1"/etc/conda/activate.d/*.sh; do [ -r "$_byok8s" ] && . "$_byok8s"; done
unset _byok8s
"""


DONE: Final = ".env_setup_done"  # beside an environment that is whole: Snakemake's own mark


def lay_base(base: Path) -> None:
    """Lay what activates an environment, where Snakemake looks for it in conda's own folder."""
    script = base / "bin/activate"
    if not script.is_file():
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(ACTIVATE)
