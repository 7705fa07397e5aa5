"""Running the Spark job: what a run is, and the engines that run it.

The job itself is no part of this package: it is one file that is handed to the engine. What goes
into a batch and what is done with its output is decided above.
"""
