"""The controller: it has a run's jobs carried out in pods.

One thread, in `loop`, changes all that is known of pods, workers and tasks, by a core without I/O: `fleet.handle` takes
an event and the time, and returns commands. Whoever learns something puts an event; whoever carries out a command puts
its outcome as another.
"""
