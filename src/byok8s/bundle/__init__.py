"""What goes to pods along with a job: the sources of its workflow, the worker, and its libraries."""
