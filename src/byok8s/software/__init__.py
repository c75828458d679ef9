"""Software of rules, as far as it is no pod: what a conda environment is made of, and which ones a bucket has."""

from __future__ import annotations

from typing import Final, Literal, get_args

# what a user may say of it: rules get their conda environments, or what the image has
Software = Literal["conda", "image"]
SOFTWARE: Final[tuple[Software, ...]] = get_args(Software)
