"""How the files in a bucket were made: what Snakemake records of it, kept in the bucket for every folder that uses it.

A run in another folder or on another machine then runs again exactly what the first one would. `line` is the form of
the records, `view` what they say together, `reading` and `writer` bring them from the bucket and there, `journal` keeps
here what the bucket does not have yet, and `book` is what a run has of all that. `persistence` is what Snakemake asks.

The records are PREFIX/.byok8s/records/GENERATION-RUN-RANDOM.jsonl.gz. An object there is written once, under a name
that nobody else uses, and never changed; so two writers lose nothing of each other's. A generation is one higher than
all that its run has seen, so of two records of a file the later is known without a clock.

Before a run makes anything, it announces what it is going to make. So if its controller is killed, a file that is newer
than the announcement and has no record of that generation is one whose record was lost: it is made again.
"""
