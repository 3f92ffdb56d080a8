"""How well the service predicts what has not been trained: by number of labels, from another task, with proxies."""
