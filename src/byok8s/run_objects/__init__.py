"""A run's objects in the cluster: made, renewed, found when they are left over, and removed."""
