"""What starts runs: jobs, schedules, and the guard against days that are no session."""
