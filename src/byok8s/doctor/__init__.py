"""Whether a run would work: looked at from this machine, and from inside one pod. What is created is removed."""
