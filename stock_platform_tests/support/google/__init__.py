"""Google Cloud on this machine: emulators that others wrote, and a Dataproc of our own."""
