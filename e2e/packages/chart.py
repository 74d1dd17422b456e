"""Renders the Helm chart with Helm's own engine and checks every object against the schemas of Kubernetes.

Usage: chart.py CHART MINOR_VERSION... Prints the objects of each case as JSON, by the name of the case.
"""

import json
import sys

import helm_python
import kubernetes_validate
import yaml

REQUIRED = {
    "publicUrl": "https://mcp.example.com",
    "database": {"secretName": "gatewright-database"},
    "masterKey": {"secretName": "gatewright-key"},
}

EVERYTHING = REQUIRED | {
    "nameOverride": "mcp",
    "image": {"repository": "registry.example.com/gatewright", "tag": "1.2.3", "pullPolicy": "Always"},
    "imagePullSecrets": ["registry"],
    "replicas": 3,
    "trustedProxies": ["10.0.0.0/8", "fd00::/8"],
    "tls": {"enabled": False},
    "settings": {"GATEWRIGHT__LOG__LEVEL": "debug", "GATEWRIGHT__SMTP__PORT": 465},
    "extraEnv": [
        {
            "name": "GATEWRIGHT__SMTP__PASSWORD",
            "valueFrom": {"secretKeyRef": {"name": "mail", "key": "password"}},
        }
    ],
    "drainSeconds": 15,
    "graceSeconds": 60,
    "service": {"type": "LoadBalancer", "port": 8080},
    "ingress": {"enabled": True, "className": "nginx", "tlsSecretName": "mcp-example-com"},
    "networkPolicy": {
        "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}]
    },
    "podAnnotations": {"example.com/team": "platform"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"podAntiAffinity": {}},
}

ACCEPTED = {
    "required": REQUIRED,
    "everything": EVERYTHING,
    "one replica": REQUIRED | {"replicas": 1, "networkPolicy": {"enabled": False}},
    "TLS in the pods": REQUIRED
    | {
        "tls": {"enabled": True},
        "settings": {"GATEWRIGHT__ACME__ACCEPT_TERMS": True},
        "service": {"type": "LoadBalancer", "port": 443},
    },
}

# Each changes one setting; the text is what the refusal must name.
REFUSED = {
    "without a public URL": ({"publicUrl": ""}, "publicUrl"),
    "plain http": ({"publicUrl": "http://mcp.example.com"}, "publicUrl"),
    "a path": ({"publicUrl": "https://mcp.example.com/path"}, "publicUrl"),
    "without a database": ({"database": {"secretName": ""}}, "database"),
    "without a key": ({"masterKey": {"secretName": ""}}, "masterKey"),
    "an unknown setting": ({"replica": 2}, "replica"),
    "a variable that is not ours": ({"settings": {"PATH": "/"}}, "settings"),
    "a word instead of yes or no": ({"tls": {"enabled": "yes"}}, "tls"),
    "a word instead of a number": ({"replicas": "two"}, "replicas"),
}


def rendered(chart, values):
    """The objects of the templates, sorted by kind."""
    files = chart.render(values, name="example", namespace="mcp")
    objects = [
        each
        for path, text in sorted(files.items())
        if not path.endswith(".txt")
        for each in yaml.safe_load_all(text)
        if each
    ]
    return sorted(objects, key=lambda each: each["kind"])


def main(folder, versions):
    chart = helm_python.Chart.load(folder)
    results = {}
    for name, values in ACCEPTED.items():
        report = helm_python.lint(folder, values, strict=True)
        problems = [each for each in report["messages"] if each["severity"] > 1]
        assert not problems and not report["errors"], (name, report)
        results[name] = rendered(chart, values)
        for each in results[name]:
            for version in versions:
                kubernetes_validate.validate(each, version, strict=True)
    for name, (change, named) in REFUSED.items():
        try:
            rendered(chart, REQUIRED | change)
        except helm_python.HelmError as error:
            assert named in str(error), (name, error)
        else:
            raise AssertionError(f"{name} was accepted")
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
