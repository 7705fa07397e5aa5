"""Asset checks against real history that Yahoo served, broken and correct.

The files are not part of the repository, because Yahoo's terms restrict their redistribution. They
are in a folder next to the checkout; without it, the tests are skipped.
"""
