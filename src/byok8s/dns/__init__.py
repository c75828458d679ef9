"""The cluster's own DNS, which its pods ask: how it is, and how it is fixed where it forwards to itself."""
