"""Software of rules, as far as it is no pod: what a conda environment is made of, which a bucket has, and images."""
