"""The image and the compose files without a container engine: in a clean root filesystem.

Belongs here: what Docker and Docker Compose would do, as far as the platform's own files ask for
it. What is asked of the containers is in `integration/`.
"""
