"""Forecasts of the end of partial learning curves: ``task_curves.TaskCurves`` makes them for queries of a task."""
