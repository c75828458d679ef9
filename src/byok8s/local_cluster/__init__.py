"""A cluster on this machine with an S3 server beside it, made by a tool that the user has."""
