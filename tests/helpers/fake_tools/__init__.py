"""Executables that stand in for the tools that make clusters, which cannot be had where the tests run.

Each behaves as the real one's source says, which its docstring names: command lines (an unknown flag is refused),
what is printed and where, exit codes, what a kubeconfig is given. Underneath there is another cluster: what each hands
out is a kubeconfig for that, written in the tool's own way.

`machine.Machine` is what all of them see; a test makes one and breaks it.
"""
