"""Software of rules, as far as it is no pod: what a conda environment is made of, which a bucket has, and images."""

from __future__ import annotations

from typing import Final, Literal, get_args

# what a user may say of it: rules get all that they declare, their conda environments, or what the image has
Software = Literal["declared", "conda", "image"]
SOFTWARE: Final[tuple[Software, ...]] = get_args(Software)
