"""The command `stock-platform`.

Belongs here: arguments, the order of the jobs, and the output on the terminal. The commands are
declared in `main`, and each is implemented in a module of its own.
"""
