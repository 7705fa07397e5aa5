"""What rules judge, read from the lake and the warehouse. Reading and counting, no judging."""
