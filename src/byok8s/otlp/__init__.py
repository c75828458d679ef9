"""A run's record as OpenTelemetry traces, by the conventions for CICD.

`spans` makes spans of events, `collector` sends them, `export` brings the two together: while a run goes on, and of one
that is over. `address` is where a collector is. OpenTelemetry's SDK is an extra, and loaded only if there is one.
"""
