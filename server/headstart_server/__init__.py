"""The service: rooms for what it knows, predicts and decides, and the roles that run them."""
