"""Jobs, schedules and sensors, and what keeps runs from blocking each other."""
