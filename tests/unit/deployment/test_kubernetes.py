"""The overlays follow Kubernetes' schemas; their parts find each other, have no privileges and reach what they must."""

from __future__ import annotations

import re
from typing import Any

import kubernetes_validate
import pytest
import yaml

from headstart_server.runtime.observability.metrics import catalogue_names
from headstart_server.runtime.settings import Settings, split_address
from tests.unit.deployment.kustomize import KUBERNETES, OVERLAYS, Manifest, by_name, containers, render

# Of the newest version, and of the oldest that the manifests are meant for.
VERSIONS = ("1.37", "1.29")
RENDERED = {overlay: render(KUBERNETES / "overlays" / overlay) for overlay in OVERLAYS}
PRODUCTION = by_name(RENDERED["production"])
GRPC_PORT, METRICS_PORT = (
    split_address(address)[1] for address in (Settings().grpc_address, Settings().metrics_address)
)
MANIFESTS = [
    pytest.param(manifest, id=f"{overlay}-{manifest['kind']}-{manifest['metadata']['name']}")
    for overlay, manifests in RENDERED.items()
    for manifest in manifests
]
WORKLOADS = [each for each in MANIFESTS if "template" in each.values[0].get("spec", {})]
each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


def of_kind(overlay: str, *kinds: str) -> list[Manifest]:
    return [manifest for manifest in RENDERED[overlay] if manifest["kind"] in kinds]


def pods(overlay: str) -> dict[str, Manifest]:
    """Pod templates by the names of what makes the pods."""
    found = of_kind(overlay, "Deployment", "StatefulSet", "Job")
    return {manifest["metadata"]["name"]: manifest["spec"]["template"] for manifest in found}


def chosen(overlay: str, labels: dict[str, str]) -> set[str]:
    return {name for name, pod in pods(overlay).items() if labels.items() <= pod["metadata"]["labels"].items()}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", MANIFESTS)
def test_manifests_follow_the_schemas(manifest: Manifest, version: str) -> None:
    if manifest["apiVersion"] == "monitoring.coreos.com/v1":
        # A custom resource, whose schema the operator brings: see the test of the monitor.
        assert manifest["kind"] == "ServiceMonitor"
        return
    kubernetes_validate.validate(manifest, version, strict=True)


def test_a_slip_would_be_found() -> None:
    manifest = yaml.safe_load(yaml.safe_dump(PRODUCTION["Deployment", "headstart-server"]))
    manifest["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, VERSIONS[0], strict=True)


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_everything_is_in_one_namespace_and_says_whose_it_is(manifest: Manifest) -> None:
    assert manifest["metadata"]["namespace"] == "headstart"
    assert manifest["metadata"]["labels"]["app.kubernetes.io/part-of"] == "headstart"


@pytest.mark.parametrize("manifest", WORKLOADS)
def test_pods_run_without_privileges_and_with_bounded_memory(manifest: Manifest) -> None:
    pod = manifest["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]
        assert "/tmp" in [mount["mountPath"] for mount in container["volumeMounts"]]


@pytest.mark.parametrize("manifest", WORKLOADS)
def test_what_containers_mount_read_and_probe_is_there(manifest: Manifest) -> None:
    pod = manifest["spec"]["template"]["spec"]
    volumes = {volume["name"] for volume in pod.get("volumes", ())}
    volumes |= {claim["metadata"]["name"] for claim in manifest["spec"].get("volumeClaimTemplates", ())}
    for container in pod["containers"]:
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
        for probe in [value for name, value in container.items() if name.endswith("Probe")]:
            for kind in {"grpc", "tcpSocket", "httpGet"} & set(probe):
                assert probe[kind]["port"] in {*ports, *ports.values()}
        for source in container.get("envFrom", ()):
            assert source == {"configMapRef": {"name": "headstart-settings"}}


@each_overlay
def test_secrets_are_referred_to_and_never_written(overlay: str) -> None:
    assert of_kind(overlay, "Secret") == []
    for pod in pods(overlay).values():
        for item in (item for container in pod["spec"]["containers"] for item in container.get("env", ())):
            if re.search(r"PASSWORD|TOKEN|DATABASE_URL", item["name"]):
                assert item["valueFrom"]["secretKeyRef"]["name"] == "headstart-database"
    instructions = (KUBERNETES.parents[1] / "docs" / "deployment.md").read_text()
    assert "create secret generic headstart-database" in instructions


@each_overlay
def test_selectors_find_the_pods_that_they_are_for(overlay: str) -> None:
    for manifest in of_kind(overlay, "Deployment", "StatefulSet"):
        assert chosen(overlay, manifest["spec"]["selector"]["matchLabels"]) == {manifest["metadata"]["name"]}
    for service in of_kind(overlay, "Service"):
        (name,) = chosen(overlay, service["spec"]["selector"])
        (container,) = pods(overlay)[name]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for port in service["spec"]["ports"]:
            assert port["port"] == ports[port["targetPort"]]
    for manifest in of_kind(overlay, "StatefulSet"):
        assert manifest["spec"]["serviceName"] in {each["metadata"]["name"] for each in of_kind(overlay, "Service")}
    for budget in of_kind(overlay, "PodDisruptionBudget"):
        assert chosen(overlay, budget["spec"]["selector"]["matchLabels"]) == {"headstart-server"}


@each_overlay
def test_clients_find_every_ready_server_by_name(overlay: str) -> None:
    service = by_name(RENDERED[overlay])["Service", "headstart"]
    assert service["spec"]["clusterIP"] == "None"
    assert {port["port"] for port in service["spec"]["ports"]} == {GRPC_PORT, METRICS_PORT}
    (server,) = pods(overlay)["headstart-server"]["spec"]["containers"]
    assert server["readinessProbe"]["grpc"] == {"port": GRPC_PORT}
    # A database out of reach is no reason to restart servers.
    assert "grpc" not in server["livenessProbe"]


@each_overlay
def test_addresses_in_settings_are_services_ports(overlay: str) -> None:
    served = {
        f"{each['metadata']['name']}:{port['port']}"
        for each in of_kind(overlay, "Service")
        for port in each["spec"]["ports"]
    }
    settings = by_name(RENDERED[overlay])["ConfigMap", "headstart-settings"]["data"]
    assert settings["HEADSTART_CHROMA_URL"].removeprefix("http://") in served
    for pod in pods(overlay).values():
        for item in pod["spec"]["containers"][0].get("env", ()):
            if item["name"] == "HEADSTART_PREDICTOR_TARGET":
                assert item["value"] in served
    assert settings["HEADSTART_GRPC_ADDRESS"] == f"0.0.0.0:{GRPC_PORT}"
    assert settings["HEADSTART_METRICS_ADDRESS"] == f"0.0.0.0:{METRICS_PORT}"
    grace = float(settings["HEADSTART_SHUTDOWN_GRACE_SECONDS"])
    for name in ("headstart-server", "headstart-worker"):
        assert pods(overlay)[name]["spec"]["terminationGracePeriodSeconds"] > grace + 1


def reachable(overlay: str, name: str) -> list[tuple[dict[str, Any], set[int]]]:
    """The peers that the policies let in to a pod, with the ports."""
    labels = pods(overlay)[name]["metadata"]["labels"]
    return [
        (peer, {port["port"] for port in rule["ports"]})
        for policy in of_kind(overlay, "NetworkPolicy")
        if policy["spec"]["podSelector"].get("matchLabels", {}).items() <= labels.items()
        for rule in policy["spec"].get("ingress", ())
        for peer in rule["from"]
    ]


@each_overlay
def test_pods_are_reached_by_whom_they_are_for_only(overlay: str) -> None:
    assert {"Ingress"} <= {
        kind
        for policy in of_kind(overlay, "NetworkPolicy")
        if policy["spec"]["podSelector"] == {} and "ingress" not in policy["spec"]
        for kind in policy["spec"]["policyTypes"]
    }
    client = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"headstart/client": "true"}}}
    role = {"podSelector": {"matchLabels": {"headstart/role": "true"}}}
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    server = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "headstart-server"}}}
    metrics = (monitoring, {METRICS_PORT})
    expected = {
        "headstart-server": [(client, {GRPC_PORT}), metrics],
        "headstart-worker": [metrics],
        "headstart-migrate": [metrics],
        "headstart-predictor": [metrics, (server, {GRPC_PORT})],
        "chroma": [(role, {8000})],
        "postgres": [(role, {5432})],
    }
    for name in pods(overlay):
        assert sorted(reachable(overlay, name), key=str) == sorted(expected[name], key=str), name


def test_roles_of_production_reach_databases_names_and_the_predictor_only() -> None:
    rules = PRODUCTION["NetworkPolicy", "headstart-egress"]["spec"]["egress"]
    anywhere = [{port["port"] for port in rule["ports"]} for rule in rules if "to" not in rule]
    assert anywhere == [{53, 5432}]
    to = {
        name: {port["port"] for port in rule["ports"]}
        for rule in rules
        for peer in rule.get("to", ())
        for name in chosen("production", peer["podSelector"]["matchLabels"])
    }
    assert to == {"chroma": {8000}, "headstart-predictor": {GRPC_PORT}}
    assert "egress" not in PRODUCTION["NetworkPolicy", "chroma-egress"]["spec"]


def test_production_asks_callers_for_tokens() -> None:
    data = PRODUCTION["ConfigMap", "headstart-settings"]["data"]
    assert data["HEADSTART_AUTHENTICATION"] == "token"
    assert "HEADSTART_INSECURE" not in data


def test_the_predictor_of_production_has_a_gpu_and_its_own_image() -> None:
    (container,) = containers(PRODUCTION["Deployment", "headstart-predictor"])
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert container["image"].startswith("headstart-predictor:")
    assert {"name": "HEADSTART_DEVICE", "value": "cuda"} in container["env"]
    assert container["readinessProbe"]["grpc"] == {"port": GRPC_PORT}


def test_the_autoscaler_asks_for_a_metric_that_servers_have_and_the_adapter_offers() -> None:
    autoscaler = PRODUCTION["HorizontalPodAutoscaler", "headstart-server"]["spec"]
    target = autoscaler["scaleTargetRef"]
    assert "replicas" not in PRODUCTION[target["kind"], target["name"]]["spec"]
    (metric,) = (item["pods"]["metric"]["name"] for item in autoscaler["metrics"])
    assert metric in catalogue_names()
    directory = KUBERNETES / "overlays" / "production"
    (rule,) = yaml.safe_load((directory / "prometheus-adapter.values.yaml").read_text())["rules"]["custom"]
    assert rule["seriesQuery"].partition("{")[0] == metric
    assert set(rule["resources"]["overrides"]) == {"namespace", "pod"}
    assert "<<.Series>>{<<.LabelMatchers>>}" in rule["metricsQuery"]
    assert "by (<<.GroupBy>>)" in rule["metricsQuery"]


def test_the_monitor_finds_the_metrics_of_every_role() -> None:
    """By hand: the schema of monitoring.coreos.com/v1 comes with prometheus-operator."""
    monitor = PRODUCTION["ServiceMonitor", "headstart"]
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    spec = monitor["spec"]
    assert set(spec) == {"jobLabel", "selector", "endpoints"}
    (endpoint,) = spec["endpoints"]
    assert endpoint == {"port": "metrics", "path": "/metrics", "interval": "10s"}
    watched = {
        name: service["spec"]["ports"]
        for (kind, name), service in PRODUCTION.items()
        if kind == "Service" and spec["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    }
    assert set(watched) == {"headstart", "headstart-worker", "headstart-predictor"}
    for ports in watched.values():
        assert {"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics"} in ports
