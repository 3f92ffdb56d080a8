"""What an operator sees: a service under a small workload that touches every call, watched by a real Prometheus."""
