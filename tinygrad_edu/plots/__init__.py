"""Pictures of what happens in a model: training, layers, images, decisions, and the graph.

The functions draw into matplotlib axes (extra ``examples``) and return them; :func:`save_graph` needs nothing. Give
``ax=`` to put several
pictures into one figure, and :func:`save` to write a figure to a file.

>>> from tinygrad_edu import plots
>>> grid = plots.image_grid([[[0.0, 1.0]], [[1.0, 0.0]]], columns=2)
>>> grid.shape
(1, 5)
"""

from __future__ import annotations

from tinygrad_edu.plots._axes import new_axes, save
from tinygrad_edu.plots.attention import plot_attention
from tinygrad_edu.plots.decisions import confusion_matrix, plot_confusion_matrix, plot_decision_boundary
from tinygrad_edu.plots.graph import graph_to_dot, save_graph
from tinygrad_edu.plots.history import plot_history
from tinygrad_edu.plots.images import image_grid, plot_feature_maps, plot_filters, plot_images
from tinygrad_edu.plots.layers import LayerRecorder, plot_histograms
from tinygrad_edu.plots.points import plot_points

__all__ = [
    "LayerRecorder",
    "confusion_matrix",
    "graph_to_dot",
    "image_grid",
    "new_axes",
    "plot_attention",
    "plot_confusion_matrix",
    "plot_decision_boundary",
    "plot_feature_maps",
    "plot_filters",
    "plot_histograms",
    "plot_history",
    "plot_images",
    "plot_points",
    "save",
    "save_graph",
]
