"""The names of descriptions, each with unit and meaning; a name means the same for every kind of data."""

from __future__ import annotations

# Words of a descriptor.
WORDS = {
    "modality": "table, image or graph",
    "problem": "classification, regression, multi-output, or for graphs node classification and node regression",
    "direction": "directed or undirected (graphs)",
}

# Numbers: (unit, meaning). Shares lie between 0 and 1.
NAMES: dict[str, tuple[str, str]] = {
    # Sizes
    "instances": ("count", "rows of a table, images of a set"),
    "features": ("count", "columns of a table, numbers of an image (pixels times channels), features of a node"),
    "numeric_features": ("count", "columns that hold numbers"),
    "categorical_features": ("count", "columns that hold words or truth values"),
    "numeric_share": ("share", "of the columns that hold numbers"),
    "dimensionality": ("ratio", "features by instances (of a graph: by nodes)"),
    "missing_share": ("share", "of the cells that hold nothing"),
    "incomplete_instances_share": ("share", "of the rows with a missing cell"),
    "zero_share": ("share", "of the numeric cells, or of a graph's feature values, that are zero"),
    "categories_mean": ("count", "different words in a categorical column, mean over columns"),
    "categories_max": ("count", "different words in a categorical column, largest"),
    # Target
    "classes": ("count", "different labels"),
    "outputs": ("count", "target columns, where there are several"),
    "majority_share": ("share", "of the largest class"),
    "minority_share": ("share", "of the smallest class"),
    "class_imbalance": ("ratio", "largest by smallest class"),
    "class_entropy": ("share", "Shannon entropy of the labels by its largest possible value"),
    "labelled_share": ("share", "of the instances or nodes that have a label"),
    "target_skewness": ("1", "third standardized moment of a regression target"),
    "target_kurtosis": ("1", "excess kurtosis of a regression target"),
    "target_outlier_share": ("share", "of a regression target beyond 1.5 interquartile ranges of the quartiles"),
    # Numeric columns
    "skewness_mean": ("1", "third standardized moment, mean over columns"),
    "skewness_std": ("1", "the same, standard deviation over columns"),
    "kurtosis_mean": ("1", "excess kurtosis, mean over columns"),
    "kurtosis_std": ("1", "the same, standard deviation over columns"),
    "outlier_share": ("share", "of the values beyond 1.5 interquartile ranges of the quartiles"),
    "correlation_mean": ("0 to 1", "absolute Pearson correlation, mean over pairs of columns"),
    "correlation_max": ("0 to 1", "absolute Pearson correlation, largest over pairs of columns"),
    "target_correlation_mean": ("0 to 1", "absolute Pearson correlation with a regression target, mean"),
    "target_correlation_max": ("0 to 1", "absolute Pearson correlation with a regression target, largest"),
    "principal_first_share": ("share", "of the variance in the first principal component"),
    "principal_95_share": ("share", "of the principal components that hold 95 % of the variance"),
    # Information
    "mutual_information_mean": ("nats", "between a column and the target, mean over columns"),
    "mutual_information_max": ("nats", "between a column and the target, largest"),
    # Landmarkers: cross-validated balanced accuracy (classification) or R squared, not below -1 (regression)
    "landmark_one_nn": ("score", "of the nearest neighbour"),
    "landmark_stump": ("score", "of a decision tree with one split"),
    "landmark_naive_bayes": ("score", "of Gaussian naive Bayes (classification only)"),
    "landmark_linear": ("score", "of a linear model"),
    "landmark_neighbours_linear": ("score", "of a linear model on the mean features of a node and its neighbours"),
    # Images
    "width": ("pixels", "mean"),
    "height": ("pixels", "mean"),
    "channels": ("count", "colour channels"),
    "resolution": ("pixels", "width times height, mean"),
    "resolution_variation": ("ratio", "standard deviation of the resolution by its mean"),
    "aspect_ratio": ("ratio", "width by height, mean"),
    "pixel_mean": ("0 to 1", "intensity, 0 black, 1 the largest value of the number type"),
    "pixel_std": ("0 to 1", "standard deviation of all intensities"),
    "brightness_std": ("0 to 1", "standard deviation of the images' mean intensities"),
    "contrast": ("0 to 1", "standard deviation within an image, mean"),
    "pixel_entropy": ("bits", "Shannon entropy of an image's intensities in 256 steps, mean"),
    "edge_strength": ("0 to 1", "absolute difference of neighbouring pixels, mean"),
    "colourfulness": ("0 to 1", "standard deviation over the channels of a pixel, mean"),
    # Graphs
    "nodes": ("count", "nodes"),
    "edges": ("count", "edges; each once in an undirected graph, loops not counted"),
    "mean_degree": (
        "count",
        "edges at a node (in an undirected graph 2 edges by nodes; in a directed one edges by nodes)",
    ),
    "degree_std": ("count", "standard deviation of the degrees"),
    "degree_max": ("count", "largest degree"),
    "degree_skewness": ("1", "third standardized moment of the degrees"),
    "degree_assortativity": ("-1 to 1", "Pearson correlation of the degrees at both ends of an edge"),
    "density": ("share", "of the possible edges that are there"),
    "isolated_share": ("share", "of the nodes without an edge"),
    "loop_share": ("share", "of the nodes with an edge to themselves"),
    "reciprocity": ("share", "of directed edges with one in the other direction"),
    "components": ("count", "connected components, directions ignored"),
    "largest_component_share": ("share", "of the nodes in the largest component"),
    "clustering": ("0 to 1", "local clustering coefficient, mean over sampled nodes"),
    "homophily": ("share", "of the edges between labelled nodes that join equal labels"),
}
