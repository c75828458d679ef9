"""A Snakefile from a git repository: fetched once by the user's `git`, kept, and nothing of it run meanwhile.

`address` knows how it is named, `remote` what is asked of the repository, `tree` how its files are written,
`cache` what is kept, `program` how git is started, `work_tree` at which commit a folder of the user's is, and `origin`
what a repository is known by.
"""

from byok8s.git.address import Address, parse
from byok8s.git.cache import Checkout, fetch
from byok8s.git.origin import repository, within_repository
from byok8s.git.work_tree import Commit, commit

__all__ = ["Address", "Checkout", "Commit", "commit", "fetch", "parse", "repository", "within_repository"]
