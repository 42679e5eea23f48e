"""The chart: each case in ci/ renders as its golden file says, and Kubernetes would take it.

UPDATE_GOLDEN=1 writes the golden files.
"""

import glob
import json
import os
import re
import subprocess

import jsonschema
import kubernetes_validate
import pytest
import yaml
from conftest import CHART, DEPLOY

CASES = sorted(glob.glob(os.path.join(CHART, "ci", "*-values.yaml")))
REFUSED = sorted(glob.glob(os.path.join(CHART, "ci", "refused", "*.yaml")))
KUBERNETES = ["1.25.0", "1.30.0", "1.35.0"]
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|[KMGTPE]i?)?")


def name(path):
    return os.path.basename(path).removesuffix(".yaml").removesuffix("-values")


def render(renderer, *values, check=True):
    done = subprocess.run([renderer, CHART, "test", "default", *values], check=False,
                          capture_output=True, text=True)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def objects(renderer, *values):
    return list(yaml.safe_load_all(render(renderer, *values).stdout))


def with_kind(found, *kinds):
    return [one for one in found if one["kind"] in kinds]


def load(path):
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_golden(renderer, case):
    text = render(renderer, case).stdout
    golden = case.removesuffix(".yaml") + ".golden.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        with open(golden, "w", encoding="utf-8") as file:
            file.write(text)
    with open(golden, encoding="utf-8") as file:
        assert text == file.read()


@pytest.mark.parametrize("case", CASES, ids=name)
def test_kubernetes_would_take_it(renderer, case):
    for one in objects(renderer, case):
        if one["apiVersion"].startswith("monitoring.coreos.com/"):
            continue
        for version in KUBERNETES:
            kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_parts_fit_together(renderer, case):
    found = objects(renderer, case)
    [workload] = with_kind(found, "Deployment", "StatefulSet")
    template = workload["spec"]["template"]
    labels, pod = template["metadata"]["labels"], template["spec"]
    selectors = [workload["spec"]["selector"]["matchLabels"]]
    selectors += [one["spec"]["selector"] for one in with_kind(found, "Service")]
    selectors += [one["spec"]["selector"]["matchLabels"]
                  for one in with_kind(found, "PodDisruptionBudget")]
    selectors += [one["spec"]["podSelector"]["matchLabels"]
                  for one in with_kind(found, "NetworkPolicy")]
    for selector in selectors:
        assert selector.items() <= labels.items()
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    volumes |= {claim["metadata"]["name"]
                for claim in workload["spec"].get("volumeClaimTemplates", [])}
    server = pod["containers"][0]
    for container in pod["containers"] + pod.get("initContainers", []):
        for mount in container.get("volumeMounts", []):
            assert mount["name"] in volumes
    ports = {port["name"] for port in server["ports"]}
    for service in with_kind(found, "Service"):
        assert all(port["targetPort"] in ports for port in service["spec"]["ports"])
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        handlers = {"httpGet", "exec", "tcpSocket", "grpc"} & server.get(probe, {}).keys()
        assert len(handlers) == (1 if probe in server else 0)
        assert server.get(probe, {}).get("httpGet", {"port": "admin"})["port"] in ports
    for amounts in server.get("resources", {}).values():
        assert all(QUANTITY.fullmatch(str(amount)) for amount in amounts.values())


def test_metrics_are_found(renderer):
    found = objects(renderer, os.path.join(CHART, "ci", "monitoring-values.yaml"))
    [monitor] = with_kind(found, "ServiceMonitor")
    selector = monitor["spec"]["selector"]["matchLabels"]
    [service] = [one for one in with_kind(found, "Service")
                 if selector.items() <= one["metadata"]["labels"].items()]
    [port] = service["spec"]["ports"]
    assert port["name"] == monitor["spec"]["endpoints"][0]["port"]
    assert port["targetPort"] == "admin"


def test_its_rules_are_the_ones_for_prometheus(renderer):
    found = objects(renderer, os.path.join(CHART, "ci", "monitoring-values.yaml"))
    [rule] = with_kind(found, "PrometheusRule")
    groups = load(os.path.join(DEPLOY, "prometheus", "rules.yaml"))["groups"]
    assert rule["spec"]["groups"][:-1] == groups


@pytest.mark.parametrize("case", REFUSED, ids=name)
def test_what_the_server_cannot_do_is_refused(renderer, case):
    with open(case, encoding="utf-8") as file:
        expected = file.readline().removeprefix("# ").strip()
    done = render(renderer, case, check=False)
    assert done.returncode == 1
    assert expected in done.stderr


@pytest.mark.parametrize("case", [os.path.join(CHART, "values.yaml"), *CASES], ids=name)
def test_values_match_their_schema(case):
    with open(os.path.join(CHART, "values.schema.json"), encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(load(case) or {}, schema)


def test_the_schema_refuses_nonsense():
    with open(os.path.join(CHART, "values.schema.json"), encoding="utf-8") as file:
        schema = json.load(file)
    for wrong in ({"replicaCount": "three"}, {"service": {"port": 0}}, {"extraArgs": {"a": 1}},
                  {"storage": {"requests": "much"}}, {"image": {"pullPolicy": "Sometimes"}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def paths(values, schema, prefix=""):
    """The values that the README has to name: as deep as the schema knows them."""
    for key, value in values.items():
        inner = schema.get("properties", {}).get(key, {})
        if isinstance(value, dict) and value and "properties" in inner:
            yield from paths(value, inner, f"{prefix}{key}.")
        else:
            yield prefix + key


def test_the_readme_names_each_value():
    with open(os.path.join(CHART, "README.md"), encoding="utf-8") as file:
        named = set(re.findall(r"^\| `([^`]+)`", file.read(), re.MULTILINE))
    with open(os.path.join(CHART, "values.schema.json"), encoding="utf-8") as file:
        schema = json.load(file)
    values = load(os.path.join(CHART, "values.yaml"))
    known = set(paths(values, schema)) - {"tls.issuer"}
    known |= {f"tls.issuer.{key}" for key in values["tls"]["issuer"]}
    assert named == known


def test_notes(renderer):
    def notes(*values):
        return subprocess.run([renderer, "-notes", CHART, "test", "default", *values],
                              check=True, capture_output=True, text=True).stdout
    assert "There is no password" in notes() and "Nothing outlives the pod" in notes()
    kept = notes(os.path.join(CHART, "ci", "persistent-values.yaml"))
    assert "no password" not in kept and "outlives" not in kept


@pytest.mark.parametrize("release", ["immich-basic", "immich-bullmq"])
def test_flux_releases_render(renderer, tmp_path, release):
    values = load(os.path.join(DEPLOY, "flux", f"{release}.yaml"))["spec"]["values"]
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    sizes = yaml.safe_load_all(
        open(os.path.join(DEPLOY, "flux", "sizes.yaml"), encoding="utf-8").read())
    for size in sizes:
        kubernetes_validate.validate(size, "1.30.0", strict=True)
        more = tmp_path / "size.yaml"
        more.write_text(size["data"]["values.yaml"])
        for one in objects(renderer, str(path), str(more)):
            kubernetes_validate.validate(one, "1.30.0", strict=True)
