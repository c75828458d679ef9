"""A Snakefile from a git repository: fetched once by the user's `git`, kept, and nothing of it run meanwhile.

`address` knows how it is named, `remote` what is asked of the repository, `tree` how its files are written,
`cache` what is kept, and `program` how git is started.
"""

from byok8s.git.address import Address, parse
from byok8s.git.cache import Checkout, fetch

__all__ = ["Address", "Checkout", "fetch", "parse"]
