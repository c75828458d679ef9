"""Pods as values: what they are made of, and what became of them. No thread, no request."""
