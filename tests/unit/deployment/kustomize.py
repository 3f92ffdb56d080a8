"""Renders the overlays of docker/kubernetes as `kubectl kustomize` does, by the features that they use and no others.

`python -m tests.unit.deployment.kustomize` compares it with kubectl, where there is one (`make deployment-check`).
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonpatch
import yaml

KUBERNETES = Path(__file__).parents[3] / "docker" / "kubernetes"
OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").iterdir())

Manifest = dict[str, Any]


def render(directory: Path) -> list[Manifest]:
    """The manifests of a kustomization and of those below it, in the order of their files. Raises ValueError."""
    kustomization = yaml.safe_load((directory / "kustomization.yaml").read_text())
    manifests: list[Manifest] = []
    for name in kustomization.pop("resources"):
        path = directory / name
        manifests += render(path) if path.is_dir() else yaml.safe_load_all(path.read_text())
    patches = kustomization.pop("patches", [])
    counts = {item["name"]: item["count"] for item in kustomization.pop("replicas", [])}
    labels = [pairs for item in kustomization.pop("labels", []) for pairs in only(item, "pairs")]
    tags = dict(only(item, "name", "newTag") for item in kustomization.pop("images", []))
    namespace = kustomization.pop("namespace", None)
    if set(kustomization) != {"apiVersion", "kind"}:
        raise ValueError(f"{directory}: {sorted(kustomization)} are not known here")
    manifests = [patched(manifest, patches) for manifest in manifests]
    for manifest in manifests:
        metadata = manifest["metadata"]
        if namespace is not None:
            metadata["namespace"] = namespace
        for pairs in labels:
            metadata.setdefault("labels", {}).update(pairs)
        if manifest["kind"] in ("Deployment", "StatefulSet") and metadata["name"] in counts:
            manifest["spec"]["replicas"] = counts[metadata["name"]]
        for container in containers(manifest):
            if container["image"] in tags:
                container["image"] += f":{tags[container['image']]}"
    return manifests


def containers(manifest: Manifest) -> list[Manifest]:
    found: list[Manifest] = manifest.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
    return found


def only(item: Manifest, *keys: str) -> list[Any]:
    """The values of these keys, of an item that has no others. Raises ValueError."""
    if set(item) != set(keys):
        raise ValueError(f"{sorted(item)} is not {sorted(keys)}")
    return [item[key] for key in keys]


def patched(manifest: Manifest, patches: list[Manifest]) -> Manifest:
    """JSON patches (RFC 6902) of the targets that it is one of; a target's kind and name are regular expressions."""
    for item in patches:
        target, operations = only(item, "target", "patch")
        found = {"kind": manifest["kind"], "name": manifest["metadata"]["name"]}
        if all(re.fullmatch(pattern, found[key]) for key, pattern in target.items()):
            manifest = jsonpatch.apply_patch(manifest, yaml.safe_load(operations))
    return manifest


def by_name(manifests: list[Manifest]) -> dict[tuple[str, str], Manifest]:
    found = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in manifests}
    if len(found) < len(manifests):
        raise ValueError("two manifests have one kind and name")
    return found


def main() -> None:
    for overlay in OVERLAYS:
        directory = KUBERNETES / "overlays" / overlay
        done = subprocess.run(["kubectl", "kustomize", directory], capture_output=True, text=True, check=True)
        theirs, ours = by_name(list(yaml.safe_load_all(done.stdout))), by_name(render(directory))
        differing = [key for key in theirs.keys() | ours.keys() if theirs.get(key) != ours.get(key)]
        if differing:
            sys.exit(f"{overlay}: {differing} are not what kubectl renders")
        print(f"{overlay}: {len(ours)} manifests, as kubectl renders them")


if __name__ == "__main__":
    main()
