"""Workflows whose files do not lie in the working folder: of an installed package, or of a git repository.

Snakefiles name files relative to themselves or to the working folder, and both must hold on this machine and in pods.
So a run of such a workflow works in `.byok8s/workflow/`: the source's files as they are, and links to all that
lies in the user's folder.
"""

from byok8s.elsewhere.source import Source

__all__ = ["Source"]
