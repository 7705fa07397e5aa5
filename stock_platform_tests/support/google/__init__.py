"""Google Cloud on this machine: public emulators, and our own Dataproc."""
