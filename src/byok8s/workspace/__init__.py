"""The private folder in which every run works: `.byok8s/workflow/`, below the folder in which byok8s was started.

It mirrors the root, the smallest folder that holds both the user's folder and the Snakefile: the files of a package or
repository are laid into it, all else is links. Files of the workflow have the paths of their keys there; so nothing
that Snakemake writes or deletes is a file of the user's.
"""

from byok8s.workspace.folder import Parsed, Workspace, entered, of_user, parsed, root, temporary, users_folder
from byok8s.workspace.source import Source

__all__ = [
    "Parsed",
    "Source",
    "Workspace",
    "entered",
    "of_user",
    "parsed",
    "root",
    "temporary",
    "users_folder",
]
