"""What the API server is told of the webhook, and of whom it can trust."""

import base64

import pytest

from dra_config.scheme import DRIVERS
from tests.chart.chart import (
    CA_BUNDLE,
    NAMESPACE,
    Helm,
    Json,
    NotRendered,
    Rendered,
    with_tls,
)
from webhook.app import REVIEW_PATH

RESOURCES = {"resourceclaims", "resourceclaimtemplates", "deviceclasses"}


def entries(rendered: Rendered) -> dict[str, Json]:
    """Return the webhooks of the configuration by their resource."""
    found: dict[str, Json] = {}
    for webhook in rendered.one("ValidatingWebhookConfiguration")["webhooks"]:
        (rule,) = webhook["rules"]
        (resource,) = rule["resources"]
        found[resource] = webhook
    return found


def test_there_is_an_entry_for_each_resource(rendered: dict[str, Rendered], mode: str) -> None:
    found = entries(rendered[mode])
    assert found.keys() == RESOURCES
    for resource, entry in found.items():
        (rule,) = entry["rules"]
        assert rule == {
            "apiGroups": ["resource.k8s.io"],
            "apiVersions": ["v1", "v1beta2", "v1beta1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": [resource],
            "scope": "Cluster" if resource == "deviceclasses" else "Namespaced",
        }
        assert entry["admissionReviewVersions"] == ["v1"]
        assert entry["matchPolicy"] == "Equivalent"
        assert entry["failurePolicy"] == "Fail"
        assert entry["sideEffects"] == "None"
        assert entry["timeoutSeconds"] == 5


def test_the_entries_lead_to_the_service_and_the_path_that_answers(
    rendered: dict[str, Rendered], mode: str
) -> None:
    service = rendered[mode].one("Service")
    for entry in entries(rendered[mode]).values():
        assert entry["clientConfig"]["service"] == {
            "namespace": NAMESPACE,
            "name": service["metadata"]["name"],
            "path": REVIEW_PATH,
            "port": 443,
        }


def test_the_namespaces_without_which_nothing_starts_are_left_alone(
    rendered: dict[str, Rendered], mode: str
) -> None:
    for resource, entry in entries(rendered[mode]).items():
        if resource == "deviceclasses":
            assert "namespaceSelector" not in entry, "it would have no effect"
            continue
        assert entry["namespaceSelector"]["matchExpressions"] == [
            {
                "key": "kubernetes.io/metadata.name",
                "operator": "NotIn",
                "values": [NAMESPACE, "kube-system"],
            }
        ]


def test_the_conditions_name_every_driver_in_lower_case(
    rendered: dict[str, Rendered], mode: str
) -> None:
    for entry in entries(rendered[mode]).values():
        (condition,) = entry["matchConditions"]
        assert "lowerAscii()" in condition["expression"]
        for driver in DRIVERS:
            assert f"'{driver.lower()}'" in condition["expression"]


def test_an_operator_decides_how_strict_and_where(helm: Helm) -> None:
    webhook = {
        "failurePolicy": "Ignore",
        "timeoutSeconds": 1,
        "excludedNamespaces": ["ci", "kube-system"],
        "namespaceSelector": {
            "matchLabels": {"stage": "test"},
            "matchExpressions": [{"key": "team", "operator": "Exists"}],
        },
    }
    values = {"webhook": webhook, "drivers": ["gpu.nvidia.com"]}
    for resource, entry in entries(helm.render(with_tls("secret", values))).items():
        assert (entry["failurePolicy"], entry["timeoutSeconds"]) == ("Ignore", 1)
        (condition,) = entry["matchConditions"]
        assert "compute-domain.nvidia.com" not in condition["expression"]
        if resource == "deviceclasses":
            continue
        selector = entry["namespaceSelector"]
        assert selector["matchLabels"] == {"stage": "test"}
        excluded, own = selector["matchExpressions"]
        assert excluded["values"] == [NAMESPACE, "kube-system", "ci"]
        assert own == {"key": "team", "operator": "Exists"}


def test_only_mode_secret_writes_an_authority_that_nobody_else_may_change(
    rendered: dict[str, Rendered], mode: str
) -> None:
    for entry in entries(rendered[mode]).values():
        bundle = entry["clientConfig"].get("caBundle")
        if mode == "secret":
            assert base64.b64decode(bundle).decode() == CA_BUNDLE
        else:
            assert bundle is None


def test_an_authority_in_base64_is_taken_as_it_is(helm: Helm) -> None:
    encoded = base64.b64encode(CA_BUNDLE.encode()).decode()
    wrapped = f"{encoded[:20]}\n{encoded[20:]}\n"
    values = {"webhook": {"tls": {"secret": {"caBundle": wrapped}}}}
    for entry in entries(helm.render(with_tls("secret", values))).values():
        assert entry["clientConfig"]["caBundle"] == encoded


def test_cert_manager_is_told_whose_authority_goes_where(helm: Helm) -> None:
    rendered = helm.render(with_tls("cert-manager"))
    certificates = {one["metadata"]["name"]: one["spec"] for one in rendered.of("Certificate")}
    annotations = rendered.one("ValidatingWebhookConfiguration")["metadata"]["annotations"]
    namespace, _, name = annotations["cert-manager.io/inject-ca-from"].partition("/")
    assert namespace == NAMESPACE
    serving = certificates.pop(name)
    service = rendered.one("Service")["metadata"]["name"]
    assert serving["dnsNames"] == [f"{service}.{NAMESPACE}.svc"]
    (volume,) = rendered.pod()["volumes"]
    assert volume["secret"]["secretName"] == serving["secretName"]
    (authority,) = certificates.values()
    assert authority["isCA"] is True
    assert authority["subject"]["organizations"], "an empty subject makes an invalid issuer"
    issuers = {one["metadata"]["name"]: one["spec"] for one in rendered.of("Issuer")}
    assert issuers[authority["issuerRef"]["name"]] == {"selfSigned": {}}
    assert issuers[serving["issuerRef"]["name"]] == {"ca": {"secretName": authority["secretName"]}}
    for key in (serving["privateKey"], authority["privateKey"]):
        assert (key["algorithm"], key["size"]) == ("ECDSA", 256)
    assert hours(authority["duration"]) > 10 * hours(serving["duration"])
    assert hours(authority["renewBefore"]) > hours(serving["duration"]), (
        "it outlives what it signs"
    )


def hours(duration: str) -> int:
    """Return the hours of a duration such as 24h."""
    assert duration.endswith("h")
    return int(duration[:-1])


def test_an_issuer_of_the_users_own_takes_the_place_of_the_charts(helm: Helm) -> None:
    reference = {"name": "company", "kind": "ClusterIssuer"}
    values = {"webhook": {"tls": {"certManager": {"issuerRef": reference, "duration": "24h"}}}}
    rendered = helm.render(with_tls("cert-manager", values))
    assert not rendered.of("Issuer")
    certificate = rendered.one("Certificate")["spec"]
    assert certificate["issuerRef"] == reference | {"group": "cert-manager.io"}
    assert certificate["duration"] == "24h"


def test_what_somebody_else_fills_has_no_contents_here(
    rendered: dict[str, Rendered], mode: str
) -> None:
    """Helm takes back what a template once named; it leaves the rest alone."""
    secrets = rendered[mode].of("Secret")
    assert len(secrets) == {"cert-manager": 2, "secret": 0, "self-managed": 1}[mode]
    for secret in secrets:
        assert not {"data", "stringData"} & secret.keys()


def test_the_webhook_may_touch_two_objects_and_only_to_look_after_its_certificate(
    rendered: dict[str, Rendered], mode: str
) -> None:
    release = rendered[mode]
    kinds = ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    if mode != "self-managed":
        assert not [one for kind in kinds for one in release.of(kind)]
        return
    flags = dict(argument.split("=", 1) for argument in release.arguments())
    assert release.one("Role")["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": [release.one("Secret")["metadata"]["name"]],
            "verbs": ["get", "patch"],
        }
    ]
    assert flags["--self-managed-secret"] == (
        f"{NAMESPACE}/{release.one('Secret')['metadata']['name']}"
    )
    configuration = release.one("ValidatingWebhookConfiguration")["metadata"]["name"]
    assert release.one("ClusterRole")["rules"] == [
        {
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": ["validatingwebhookconfigurations"],
            "resourceNames": [configuration],
            "verbs": ["get", "patch"],
        }
    ]
    assert flags["--self-managed-webhook"] == configuration
    service = release.one("Service")["metadata"]["name"]
    assert flags["--self-managed-service"] == f"{service}.{NAMESPACE}.svc"
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        binding = release.one(kind)
        assert (
            binding["roleRef"]["name"]
            == release.one(kind.removesuffix("Binding"))["metadata"]["name"]
        )
        assert binding["subjects"] == [
            {
                "kind": "ServiceAccount",
                "name": release.pod()["serviceAccountName"],
                "namespace": NAMESPACE,
            }
        ]


def test_the_policies_are_bound_and_deny(helm: Helm) -> None:
    rendered = helm.render(with_tls("secret"))
    policies = rendered.of("ValidatingAdmissionPolicy")
    bindings = rendered.of("ValidatingAdmissionPolicyBinding")
    assert {one["metadata"]["name"] for one in policies} == {
        "dra-config-resource-slices",
        "dra-config-mps-pods",
    }
    assert [one["spec"] for one in bindings] == [
        {"policyName": one["metadata"]["name"], "validationActions": ["Deny"]} for one in policies
    ]
    assert {
        (rule["resources"][0], *rule["operations"])
        for one in policies
        for rule in one["spec"]["matchConstraints"]["resourceRules"]
    } == {
        ("resourceslices", "CREATE", "UPDATE", "DELETE"),
        ("pods", "CREATE", "DELETE"),
    }
    assert all(one["spec"]["failurePolicy"] == "Fail" for one in policies)


def test_nothing_is_rendered_without_the_api_of_cert_manager(helm: Helm) -> None:
    with pytest.raises(NotRendered, match="serves no cert-manager") as caught:
        helm.render(apis=())
    sentence = str(caught.value)
    assert "There are two ways out: install cert-manager first, or choose another" in sentence
    assert "--set webhook.tls.mode=self-managed" in sentence
