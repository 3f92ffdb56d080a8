"""The handlers of the calls, one file each service or group of calls, and what they share."""
