"""What settings with a few values may be, for the command line and whoever acts on them."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

# whether inputs that are here and not in the bucket go there; replace: also those that differ there
UploadMode: TypeAlias = Literal["yes", "no", "ask", "replace"]
UPLOAD_MODES: Final[tuple[UploadMode, ...]] = get_args(UploadMode)

# what rules get: all that they declare, their conda environments, or what the image has
Software: TypeAlias = Literal["declared", "conda", "image"]
SOFTWARE: Final[tuple[Software, ...]] = get_args(Software)

# memory and threads of rules: as they declare them, or as earlier runs have shown
Sizes: TypeAlias = Literal["declared", "learned"]
SIZES: Final[tuple[Sizes, ...]] = get_args(Sizes)
