"""Jobs that are uploaded to Spark as they are: one self-contained file each."""
