"""Extremely randomised trees (Geurts et al., Machine Learning 2006), fitted by scikit-learn and stored as arrays.

One forest predicts all tasks of a space: a leaf holds one number per task. Plain arrays need no pickle and predict a
thousand candidates in a few milliseconds; scikit-learn takes tens of milliseconds for a single one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]

TREES = 48
_LEAST_IN_LEAF = 2
_FEATURE_SHARE = 0.5
# Bound of the numbers in the leaves of one forest, so that many tasks or results cannot inflate a model.
_MOST_NUMBERS = 2_000_000
# Rows are processed in chunks that fit the processor's cache.
_CHUNK = 256


@dataclass(frozen=True, eq=False)
class TreeEnsemble:
    """All nodes of all trees in one array; a leaf is its own child.

    roots [trees], feature and threshold [nodes], children [2 nodes] (left and right of each node in turn), values
    [nodes, outputs]; ``depth`` steps lead from every root to a leaf.
    """

    roots: Indices
    feature: Indices
    threshold: Floats
    children: Indices
    values: Floats
    depth: int

    @classmethod
    def grow(cls, features: Floats, targets: NDArray[np.floating], seed: int) -> TreeEnsemble:
        """Fit to features [n, d] and targets [n, outputs], all finite. Equal seeds give equal trees."""
        from sklearn.ensemble import ExtraTreesRegressor

        outputs = targets.shape[1]
        most_leaves = max(8, _MOST_NUMBERS // (2 * TREES * outputs))
        forest = ExtraTreesRegressor(
            TREES,
            max_features=_FEATURE_SHARE,
            min_samples_leaf=_LEAST_IN_LEAF,
            max_leaf_nodes=most_leaves if most_leaves < len(features) else None,
            random_state=seed,
            n_jobs=1,
        )
        forest.fit(features, targets if outputs > 1 else targets[:, 0])
        return cls.joined([estimator.tree_ for estimator in forest.estimators_], outputs)

    @classmethod
    def joined(cls, trees: list[Any], outputs: int) -> TreeEnsemble:
        """Join the ``tree_`` of scikit-learn regressors, in their order."""
        counts = np.array([tree.node_count for tree in trees])
        roots = np.cumsum(counts) - counts
        children, feature = [], []
        for root, tree in zip(roots, trees, strict=True):
            leaf = tree.children_left < 0
            below = np.stack([tree.children_left, tree.children_right], axis=1)
            children.append(np.where(leaf[:, None], np.arange(tree.node_count)[:, None], below).ravel() + root)
            feature.append(np.where(leaf, 0, tree.feature))
        return cls(
            roots.astype(np.int32),
            np.concatenate(feature).astype(np.int32),
            np.concatenate([tree.threshold for tree in trees]).astype(np.float32),
            np.concatenate(children).astype(np.int32),
            np.concatenate([tree.value[:, :, 0] for tree in trees]).astype(np.float32).reshape(-1, outputs),
            max(int(tree.max_depth) for tree in trees),
        )

    def predict(self, features: Floats) -> Floats:
        """Means over the trees, float32 [m, outputs], for features [m, d]."""
        predicted = np.empty((len(features), self.values.shape[1]), np.float32)
        for start in range(0, len(features), _CHUNK):
            chunk = np.ascontiguousarray(features[start : start + _CHUNK], np.float32)
            predicted[start : start + _CHUNK] = self.values[self.leaves(chunk)].mean(axis=1)
        return predicted

    def leaves(self, features: Floats) -> Indices:
        """The leaf of every row in every tree, [m, trees]."""
        rows = (np.arange(len(features), dtype=np.int32) * features.shape[1])[:, None]
        flat = features.ravel()
        nodes = np.repeat(self.roots[None, :], len(features), axis=0)
        for _ in range(self.depth):
            right = flat.take(rows + self.feature.take(nodes)) > self.threshold.take(nodes)
            nodes = self.children.take(2 * nodes + right)
        return nodes

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "roots": self.roots,
            "feature": self.feature,
            "threshold": self.threshold,
            "children": self.children,
            "values": self.values,
            "depth": np.array(self.depth),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> TreeEnsemble:
        """The reverse of ``to_arrays``. Raises ValueError for more steps than there are nodes."""
        fields = dict(arrays)
        depth = int(fields.pop("depth"))
        if not 0 <= depth <= len(fields["feature"]):
            raise ValueError(f"trees of depth {depth} with {len(fields['feature'])} nodes")
        return cls(depth=depth, **fields)
