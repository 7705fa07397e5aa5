"""Pure rules: a measurement and the limits in, a verdict out. Nothing here reads anything.

A rule's name is its check's name; its docstring is the check's description: what it means,
why it matters, what to do.
"""
