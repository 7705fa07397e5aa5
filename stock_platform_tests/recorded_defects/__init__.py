"""The rules on real prices that Yahoo served broken, beside their repaired twins.

The files lie in a folder of recorded answers beside the checkout, ``../shared/data``; they are
not part of the project. Without the folder nothing here runs.
"""
