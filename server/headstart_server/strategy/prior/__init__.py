"""Prior over arms, learned from past tasks: data, ensemble, training and serving."""
