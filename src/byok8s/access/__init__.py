"""What the user may do in the cluster, and what a run needs: the rights, and how they are looked at and asked for."""
