"""The gRPC edge: decode, call a room's service, encode."""
