"""The asset checks against real history that Yahoo served broken, and against history it did not.

The files are no part of the repository: Yahoo's terms restrict their redistribution. They lie in
a folder of recorded answers beside the checkout; where it is absent, everything here says so and
is skipped.
"""
