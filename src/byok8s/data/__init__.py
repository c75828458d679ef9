"""A user's files on their way into the bucket and back."""
