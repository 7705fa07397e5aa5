"""The image and the compose files without a container engine: in a clean root filesystem.

Belongs here: the features of Docker and Docker Compose that the platform's files use. The tests of
the containers are in `integration/`.
"""
