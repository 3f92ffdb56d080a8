"""The service: domains that know, predict and decide, and the roles that run them."""
