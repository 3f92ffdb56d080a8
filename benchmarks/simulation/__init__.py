"""Two hundred search workers against the service, at the pace of real trainings."""
