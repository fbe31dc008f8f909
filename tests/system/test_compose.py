"""What can be said of the containers without an engine: compose files, image recipe, secrets, manifests, dashboard.

`make compose-check` brings them up for real.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
from copy import deepcopy
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from prometheus_client.metrics import MetricWrapperBase

from jiayuan.chassis import metrics
from jiayuan.chassis.config import Settings
from jiayuan.chassis.host import service_class
from jiayuan.chassis.seal import Sealer
from jiayuan.chassis.service import ROLES
from jiayuan.chassis.web import Http
from jiayuan.contracts import names, topology

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
USERS = [topology.service_user(s) for s in names.SERVICES] + [p.name for p in topology.PARTNERS]
# Read by the command line or the broker's import, not by a service's settings.
OTHERS = {
    "JIAYUAN_SERVICE",
    *(f"JIAYUAN_{s.upper()}_DATABASE_PASSWORD" for s in names.SERVICES),
    *(f"JIAYUAN_BROKER_PASSWORD_{u.upper().replace('-', '_')}" for u in USERS),
}
# Come from outside; empty until an operator sets them.
GIVEN = {"wechat_secret", "media_key", "media_secret"}
# What Compose and Kubernetes know better than the code: a volume, the addresses of the others, the way in before them.
COMPOSE_OWN = {"media": "file:///var/lib/jiayuan/media"}
DEPLOYED_OWN = {
    "intake_url": "http://intake:8000",
    "routing_url": "http://routing:8000",
    "trusted_proxies": "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16",
}
SHARED = {f.name: f for f in fields(Settings)}
EVERYBODYS = {
    n: f for n, f in SHARED.items() if n.startswith("oidc_") or n in ("trusted_proxies", "log_level")
}


def _own(service: str) -> dict[str, Field[Any]]:
    """A service's settings beyond those that all have."""
    return {f.name: f for f in fields(service_class(service).settings_class) if f.name not in SHARED}


def _deployed(service: str) -> dict[str, Field[Any]]:
    """Variable, without JIAYUAN_ → setting, of all that an operator may want to change."""
    own = {f"{service.upper()}_{n.upper()}": f for n, f in _own(service).items()}
    return own | {n.upper(): f for n, f in EVERYBODYS.items()}


def _yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = _yaml("docker-compose.yml")
    return found


@pytest.fixture(scope="module")
def split() -> dict[str, Any]:
    found: dict[str, Any] = _yaml("deploy/compose/split-roles.yml")
    return found


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets") / "made"
    _secrets(folder)
    return folder


def _secrets(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        [ROOT / "deploy/compose/secrets.sh", *arguments],
        env={**os.environ, "JIAYUAN_SECRETS": str(folder)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def _variables(service: str) -> set[str]:
    """Every variable that a service's settings read, without _FILE."""
    known = {f.name.upper() for f in fields(service_class(service).settings_class)}
    return {f"JIAYUAN_{k}" for k in known} | {f"JIAYUAN_{service.upper()}_{k}" for k in known} | OTHERS


def _unknown(service: str, environment: dict[str, Any]) -> list[str]:
    return sorted(
        k
        for k in environment
        if k.startswith("JIAYUAN_") and k.removesuffix("_FILE") not in _variables(service)
    )


def _service_of(part: dict[str, Any]) -> str:
    """Which service's image a part of a compose file runs, or nothing."""
    found = re.match(r"\$\{JIAYUAN_IMAGES:-jiayuan\}/(\w+):", part.get("image", ""))
    return found[1] if found else ""


def test_every_service_is_in_it_and_can_be_scaled(compose: dict[str, Any]) -> None:
    for service in names.SERVICES:
        part = compose["services"][service]
        assert _service_of(part) == service
        assert part["command"] == ["run", service]
        assert part["scale"] == f"${{JIAYUAN_{service.upper()}_REPLICAS:-1}}"
        assert part["build"]["args"]["SERVICE"] == service
        assert not {"container_name", "ports", "hostname"} & set(part)
        assert part["depends_on"] == {
            "broker-setup": {"condition": "service_completed_successfully"},
            f"migrate-{service}": {"condition": "service_completed_successfully"},
        }
        assert compose["services"][f"migrate-{service}"]["command"] == ["migrate", service]
        assert f"handle_path /{service}/*" in (ROOT / "deploy/compose/Caddyfile").read_text(encoding="utf-8")


def test_only_the_proxy_is_reached_from_outside(compose: dict[str, Any]) -> None:
    assert [n for n, part in compose["services"].items() if "ports" in part] == ["proxy"]
    assert compose["services"]["proxy"]["ports"] == ["${JIAYUAN_BIND:-127.0.0.1}:${JIAYUAN_PORT:-8080}:8080"]
    assert compose["networks"]["inside"] == {"internal": True}
    for name in ("broker", "database", *names.SERVICES):
        assert "inside" in compose["services"][name]["networks"]
        assert "front" not in compose["services"][name]["networks"]


def test_everything_is_limited_and_stops_gracefully(compose: dict[str, Any]) -> None:
    for name, part in compose["services"].items():
        assert {"mem_limit", "logging", "restart", "healthcheck"} <= set(part) | (
            {"healthcheck"} if _service_of(part) else set()
        ), name
        if part["restart"] != "no":
            assert "stop_grace_period" in part, name
        if _service_of(part) or name == "proxy":
            assert part["read_only"] is True, name
            assert part["cap_drop"] == ["ALL"], name


def test_what_the_environment_names_is_a_setting(compose: dict[str, Any], split: dict[str, Any]) -> None:
    for document in (compose, split):
        for name, part in document["services"].items():
            if service := _service_of(part):
                assert _unknown(service, part["environment"]) == [], name


def _same(given: str, default: Any) -> bool:
    return type(default)(given) == default


@pytest.mark.parametrize("service", names.SERVICES)
def test_every_setting_can_be_set(compose: dict[str, Any], service: str) -> None:
    environment = compose["services"][service]["environment"]
    for name, field in _deployed(service).items():
        if not field.repr:
            assert environment[f"JIAYUAN_{name}_FILE"] == f"/run/secrets/{field.name}", name
            continue
        found = re.fullmatch(rf"\$\{{JIAYUAN_{name}:-(.*)\}}", environment[f"JIAYUAN_{name}"])
        assert found, name
        assert _same(found[1], (DEPLOYED_OWN | COMPOSE_OWN).get(field.name, field.default)), name


@pytest.mark.parametrize("service", names.SERVICES)
def test_the_operators_page_explains_every_setting(service: str) -> None:
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    part = page.partition("## 12. Settings")[2].partition(f"### {service}\n")[2].partition("\n##")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", part, re.M))
    assert rows.keys() == _own(service).keys()
    for name, field in _own(service).items():
        default = DEPLOYED_OWN.get(name, field.default)
        shown = f"{default:g}" if isinstance(default, float) else f"{default}"
        assert rows[name].strip() == ("secret" if not field.repr else f"`{shown}`" if shown else "empty"), (
            name
        )


def _http(service: str) -> list[Http]:
    """A service's entrypoints for HTTP."""
    methods = [m for cls in service_class(service).__mro__ for m in vars(cls).values()]
    entries = [e for m in methods for e in getattr(m, "nameko_entrypoints", ())]
    return [e for e in entries if isinstance(e, Http)]


def _matches(path: str, patterns: str) -> bool:
    """As Caddy's path matcher does."""
    return any(
        path.startswith(p.removesuffix("*")) if p.endswith("*") else path == p for p in patterns.split()
    )


def test_the_proxy_lets_through_what_a_service_takes() -> None:
    """A body that a service would take reaches it, and what is larger is refused by the proxy at the latest."""
    caddyfile = (ROOT / "deploy/compose/Caddyfile").read_text(encoding="utf-8")
    (for_files, for_others) = (int(m) * 10**6 for m in re.findall(r"max_size (\d+)MB", caddyfile))
    files = re.findall(r"@files path (.*)", caddyfile)
    others = re.findall(r"@others not path (.*)", caddyfile)
    assert files == others
    (patterns,) = files
    (known,) = re.findall(r"@known path (.*)", caddyfile)
    for service in names.SERVICES:
        for entry in _http(service):
            for path in (f"/{service}{entry.url}", entry.url):
                large = _matches(path, patterns)
                if path != entry.url or _matches(path, known):
                    assert entry.max_body <= (for_files if large else for_others), path


def test_secrets_are_mounted_where_they_are_read(compose: dict[str, Any], split: dict[str, Any]) -> None:
    for document in (compose, split):
        for name, part in document["services"].items():
            mounted = {s if isinstance(s, str) else s["source"] for s in part.get("secrets", [])}
            assert mounted <= set(compose["secrets"]), name
            if _service_of(part):
                files = {v for k, v in part["environment"].items() if k.endswith("_FILE")}
                assert files == {f"/run/secrets/{s}" for s in mounted}, name


def test_no_mount_lies_in_another(compose: dict[str, Any], split: dict[str, Any]) -> None:
    """What is mounted in a folder that is itself mounted read-only has no place to be mounted at: nothing starts."""
    for document in (compose, split):
        for name, part in document["services"].items():
            targets = [Path(v.removesuffix(":ro").rpartition(":")[2]) for v in part.get("volumes", [])]
            inner = [t for t in targets if any(t != o and t.is_relative_to(o) for o in targets)]
            assert inner == [], name


def test_the_split_runs_every_role_of_the_same_services(
    compose: dict[str, Any], split: dict[str, Any]
) -> None:
    for service in names.SERVICES:
        roles = set()
        for name, part in split["services"].items():
            command = part["command"]
            if command[:3] != ["run", service, "--role"]:
                continue
            roles.add(command[3])
            if name != service:
                whole = compose["services"][service].items()
                apart = ("command", "depends_on", "build", "scale")
                assert {k: v for k, v in part.items() if k not in apart} == {
                    k: v for k, v in whole if k not in apart
                }, name
        used = {
            getattr(v, "role", "any")
            for cls in service_class(service).__mro__
            for m in vars(cls).values()
            for v in getattr(m, "nameko_entrypoints", ())
        } - {"any"}
        assert roles == used, service
        assert roles <= set(ROLES)


def test_every_secret_is_made_and_every_user_has_one(compose: dict[str, Any], secrets: Path) -> None:
    made = {p.name for p in secrets.iterdir() if not p.name.startswith(".")}
    assert made == set(compose["secrets"])
    for name, entry in compose["secrets"].items():
        assert entry["file"] == f"${{JIAYUAN_SECRETS:-./deploy/compose/secrets}}/{name}"
    setup = compose["services"]["broker-setup"]
    for user in USERS:
        variable = f"JIAYUAN_BROKER_PASSWORD_{user.upper().replace('-', '_')}_FILE"
        assert setup["environment"][variable] == f"/run/secrets/broker_password_{user}"


def test_secrets_are_random_closed_and_kept(secrets: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    files = {p.name: p.read_text() for p in secrets.iterdir() if not p.name.startswith(".")}
    assert {n for n, value in files.items() if not value.strip()} == GIVEN
    assert len({files[n] for n in files.keys() - GIVEN}) == len(files) - len(GIVEN)
    assert (secrets / ".gitignore").read_text() == "*\n"
    Sealer(f"{files['person_keys'].strip()},{files['seal_keys'].strip()}")
    assert len(files["token_secret"].strip()) >= 32
    copy = tmp_path / "copy"
    shutil.copytree(secrets, copy)
    _secrets(copy)
    assert {n: (copy / n).read_text() for n in files} == files


def test_rotation_changes_one_secret_everywhere(secrets: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(secrets, copy)
    before = {p.name: p.read_text() for p in copy.iterdir()}
    _secrets(copy, "rotate", "broker", "jiayuan-routing")
    _secrets(copy, "rotate", "database", "sla")
    _secrets(copy, "rotate", "seal")
    _secrets(copy, "rotate", "person")
    _secrets(copy, "set", "wechat", "theirs")
    _secrets(copy, "set", "media", "somebody", "theirs")
    after = {p.name: p.read_text() for p in copy.iterdir()}
    assert {n for n in after if after[n] != before[n]} == {
        "broker_password_jiayuan-routing",
        "routing_amqp_uri",
        "sla_database_password",
        "sla_database_url",
        "seal_keys",
        "person_keys",
        *GIVEN,
    }
    assert after["person_keys"].startswith("p2:")
    assert after["person_keys"].endswith(before["person_keys"])
    assert [after[n] for n in ("wechat_secret", "media_key", "media_secret")] == [
        "theirs\n",
        "somebody\n",
        "theirs\n",
    ]
    assert after["broker_password_jiayuan-routing"].strip() in after["routing_amqp_uri"]
    assert after["sla_database_password"].strip() in after["sla_database_url"]
    old = Sealer(before["seal_keys"].strip()).seal({"phone": "1"}, "somebody")
    assert Sealer(after["seal_keys"].strip()).open(old, "somebody") == {"phone": "1"}
    assert after["seal_keys"].startswith("k2:")


def test_the_recipe_copies_what_is_there() -> None:
    recipe = (ROOT / "deploy/image/Dockerfile").read_text(encoding="utf-8")
    sources = [
        source for line in re.findall(r"^COPY (?!--from)(.*)$", recipe, re.M) for source in line.split()[:-1]
    ]
    assert sources
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in sources:
        for service in names.SERVICES:
            path = source.replace("${SERVICE}", service).rstrip("/")
            assert (ROOT / path).exists(), path
            assert any(path == a or path.startswith(a + "/") for a in allowed), path
    assert re.search(r"^USER 10001:10001$", recipe, re.M)
    for script in ("entrypoint", "ready", "fetch-wheels"):
        assert os.access(ROOT / "deploy/image" / script, os.X_OK)


def test_the_examples_of_the_environment_are_the_defaults() -> None:
    files = ["docker-compose.yml", "deploy/compose/split-roles.yml"]
    text = "".join((ROOT / f).read_text(encoding="utf-8") for f in files)
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", text))
    lines = (ROOT / "deploy/compose/env.example").read_text(encoding="utf-8").splitlines()
    assert dict(line.split("=", 1) for line in lines if line and not line.startswith("#")) == defaults


@pytest.fixture(scope="module")
def manifests() -> list[dict[str, Any]]:
    listed = _yaml("deploy/kubernetes/kustomization.yaml")["resources"]
    return [
        d
        for path in listed
        for d in yaml.safe_load_all((ROOT / "deploy/kubernetes" / path).read_text(encoding="utf-8"))
    ]


def _refused(manifest: dict[str, Any]) -> list[str]:
    """What Kubernetes' own description of the kind, taken strictly, has against a manifest."""
    schema = json.loads((Path(__file__).parent / "kubernetes-1.31.schema.json").read_text(encoding="utf-8"))
    group, _, version = manifest["apiVersion"].rpartition("/")
    name = f"io.k8s.api.{group.partition('.')[0] or 'core'}.{version}.{manifest['kind']}"
    validator = Draft202012Validator({**schema, "$ref": f"#/$defs/{name}"})
    return [f"{'.'.join(map(str, e.absolute_path))}: {e.message}" for e in validator.iter_errors(manifest)]


def test_kubernetes_would_take_the_manifests(manifests: list[dict[str, Any]]) -> None:
    for manifest in manifests:
        assert _refused(manifest) == [], manifest["metadata"]["name"]
        assert manifest["metadata"].get("namespace", "jiayuan") == "jiayuan"
    broken = deepcopy(next(m for m in manifests if m["kind"] == "Deployment"))
    broken["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["periodSecond"] = 10
    (why,) = _refused(broken)
    assert "periodSecond" in why
    customized = _yaml("deploy/kubernetes/kustomization.yaml")
    folder = {p.name for p in (ROOT / "deploy/kubernetes").iterdir()}
    assert {*customized["resources"], "kustomization.yaml"} == folder
    assert [i["name"] for i in customized["images"]] == [f"jiayuan/{s}" for s in names.SERVICES]
    names_ = [(m["kind"], m["metadata"]["name"]) for m in manifests]
    assert len(set(names_)) == len(names_)


def test_what_the_manifests_refer_to_is_there(manifests: list[dict[str, Any]]) -> None:
    """Volumes, labels, ports and probes; each pod is limited as its container in Compose is."""
    routes = {(e.method, e.url) for e in _http("intake")}
    for manifest in manifests:
        if manifest["kind"] not in ("Deployment", "Job"):
            continue
        name, template = manifest["metadata"]["name"], manifest["spec"]["template"]
        pod = template["spec"]
        (container,) = pod["containers"]
        mounts = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
        assert mounts.keys() == {v["name"] for v in pod["volumes"]}, name
        assert mounts["tmp"] == "/tmp"
        own = [
            container["securityContext"][k] for k in ("allowPrivilegeEscalation", "readOnlyRootFilesystem")
        ]
        assert own == [False, True], name
        if manifest["kind"] == "Job":
            continue
        assert container["args"] == ["run", name]
        labels = template["metadata"]["labels"]
        assert labels == {"app": name, "part-of": "jiayuan"}
        assert manifest["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert container["ports"] == [{"name": "http", "containerPort": 8000}]
        (service,) = [
            m["spec"] for m in manifests if m["kind"] == "Service" and m["metadata"]["name"] == name
        ]
        assert service == {
            "selector": {"app": name},
            "ports": [{"name": "http", "port": 8000, "targetPort": "http"}],
        }
        # It finishes what it holds in at most 20 s after that.
        assert container["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "5"]
        assert pod["terminationGracePeriodSeconds"] > 5 + 20
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container[probe]["httpGet"]
            assert asked["port"] == "http"
            assert ("GET", asked["path"]) in routes, probe
    (policy,) = [m["spec"] for m in manifests if m["kind"] == "NetworkPolicy"]
    assert policy["podSelector"]["matchLabels"] == {"part-of": "jiayuan"}


def test_the_jobs_of_the_manifests_are_those_of_compose(
    compose: dict[str, Any], manifests: list[dict[str, Any]]
) -> None:
    for manifest in manifests:
        if manifest["kind"] != "Job":
            continue
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        part = compose["services"][manifest["metadata"]["name"]]
        assert container["args"] == part["command"]
        environment = {e["name"]: e["value"].replace("/jiayuan/", "/") for e in container["env"]}
        assert environment == part["environment"]


def test_the_manifests_name_what_exists(manifests: list[dict[str, Any]], secrets: Path) -> None:
    documents = manifests
    made = {p.name for p in secrets.iterdir()}
    configured = {d["metadata"]["name"]: d["data"] for d in documents if d["kind"] == "ConfigMap"}
    deployed = set()
    for document in documents:
        if document["kind"] not in ("Deployment", "Job"):
            continue
        pod = document["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        service = re.fullmatch(r"jiayuan/(\w+):\S+", container["image"])
        assert service, container["image"]
        environment = {e["name"]: e["value"] for e in container["env"]}
        assert _unknown(service[1], environment) == []
        ours = [v["secret"] for v in pod["volumes"] if v.get("secret", {}).get("secretName") == "jiayuan"]
        items = {i["key"] for secret in ours for i in secret["items"]}
        assert items <= made
        files = {v for k, v in environment.items() if k.endswith("_FILE")}
        assert files == {f"/run/secrets/jiayuan/{i}" for i in items}
        assert pod["securityContext"]["runAsNonRoot"] is True
        if document["kind"] == "Deployment":
            for source in container["envFrom"]:
                told = configured[source["configMapRef"]["name"]]
                assert _unknown(service[1], told) == []
                environment |= told
            for name, field in _deployed(service[1]).items():
                if field.repr:
                    assert _same(
                        environment[f"JIAYUAN_{name}"], DEPLOYED_OWN.get(field.name, field.default)
                    ), name
                else:
                    assert environment[f"JIAYUAN_{name}_FILE"].endswith(f"/{field.name}"), name
            deployed.add(service[1])
            assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert deployed == set(names.SERVICES)
    jobs = {d["metadata"]["name"] for d in documents if d["kind"] == "Job"}
    assert jobs == {"broker-setup", *(f"migrate-{s}" for s in names.SERVICES)}


def _series() -> dict[str, set[str]]:
    """Metric → the names that a query may use."""
    suffixes = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    described = [m.describe()[0] for m in vars(metrics).values() if isinstance(m, MetricWrapperBase)]
    return {d.name: {d.name + suffix for suffix in suffixes[d.type]} for d in described}


def test_every_metric_of_the_dashboard_exists() -> None:
    dashboard = json.loads((ROOT / "deploy/dashboards/delivery.json").read_text(encoding="utf-8"))
    used = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\bjiayuan_\w+", target["expr"])
    }
    assert used <= {name for series in _series().values() for name in series}
    assert [metric for metric, series in _series().items() if not series & used] == []


def test_the_operators_page_explains_every_metric() -> None:
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    assert [
        metric for metric, series in _series().items() if not any(f"`{n}" in page for n in (metric, *series))
    ] == []
