"""What has happened in a run, as a file of events; and what follows from it: status and trace.

`event` says what a line is, `writer` writes lines, `state` folds them into what is known of a run, and `status` and
`trace` show that. Nothing here knows of a cluster or a bucket.
"""
