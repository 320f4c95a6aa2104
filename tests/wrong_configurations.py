"""Wrong settings and the line that tells each: read by the unit tests, and run through the real engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import indent


@dataclass(frozen=True)
class Wrong:
    """One wrong thing: the stack's config as YAML, the run's variables, the line that must be printed for it."""

    id: str
    config: str
    line: str
    environ: Mapping[str, str] = field(default_factory=dict)


STACK = "staging"
HERE = f"Pulumi.{STACK}.yaml: "
ENVIRONMENT = "slipway:environment: {name: staging}\n"


def _workload(id: str, yaml: str, path: str, told: str, **environ: str) -> Wrong:
    config = f"{ENVIRONMENT}slipway:workloads:\n  myapp:\n{indent(yaml, '    ')}\n"
    return Wrong(id, config, f"{HERE}slipway:workloads.myapp{path}: {told}", environ)


def _access(id: str, yaml: str, path: str, told: str) -> Wrong:
    return Wrong(id, f"slipway:access:\n{indent(yaml, '  ')}\n", f"{HERE}slipway:access{path}: {told}")


def _stack(id: str, yaml: str, path: str, told: str) -> Wrong:
    return Wrong(id, yaml, f"{HERE}{path}: {told}")


def _run(id: str, line: str, *, workloads: str = "{myapp: {}}", **environ: str) -> Wrong:
    return Wrong(id, f"{ENVIRONMENT}slipway:workloads: {workloads}\n", line, environ)


A_CERTIFICATE_NOT = "must be certificates in PEM form"
STAGING = "environments: {staging: {}}\n"

WRONG = [
    # blocks
    _stack("no-block", "other:key: 1", "the stack", "has no block; give slipway:access, or slipway:environment and"),
    _stack("no-environment", "slipway:workloads: {myapp: {}}", "slipway:environment", "is missing; slipway:workloads"),
    _stack("no-workloads", ENVIRONMENT, "slipway:workloads", "is missing; slipway:environment needs it: {myapp: {}}"),
    _stack(
        "misspelt-block",
        ENVIRONMENT + "slipway:workload: {myapp: {}}",
        "slipway:workload",
        "is not a setting; did you mean workloads?",
    ),
    _stack(
        "removed-and-still-there",
        "slipway:environment: {name: staging, remove: [myapp]}\nslipway:workloads: {myapp: {}}",
        "slipway:environment.remove[0]",
        'got "myapp"; is in slipway:workloads too; take it out of one of them',
    ),
    _stack(
        "renamed-from-what-is-there",
        ENVIRONMENT + "slipway:workloads: {api: {}, myapp: {renamedFrom: api}}",
        "slipway:workloads.myapp.renamedFrom",
        'got "api"; must name what no workload is called now',
    ),
    _workload(
        "port-of-a-url",
        "checks: {a: {http: {url: 'https://a', port: 80}}}",
        ".checks.a.http",
        "got a mapping; must have port only",
    ),
    _stack("block-is-text", "slipway:environment: staging", "slipway:environment", 'got "staging"; must be a mapping'),
    _stack("block-is-a-list", "slipway:environment: [staging]", "slipway:environment", "got a list; must be a mapping"),
    _stack(
        "workload-name",
        ENVIRONMENT + "slipway:workloads: {My_App: {}}",
        "slipway:workloads",
        'the key "My_App" must be a workload\'s name: a-z, 0-9 and -, a letter first',
    ),
    _stack(
        "workload-name-too-long-for-what-hangs-on-it",
        ENVIRONMENT + f"slipway:workloads: {{{'a' * 41}: {{}}}}",
        "slipway:workloads",
        f'the key "{"a" * 41}" must be a workload\'s name',
    ),
    *(
        _stack(
            f"workload-called-as-the{suffix}-of-another",
            ENVIRONMENT + f"slipway:workloads: {{web{suffix}: {{}}, web: {{}}}}",
            f"slipway:workloads.web{suffix}",
            "is how an object of web is called; rename one of the two",
        )
        for suffix in ("-canary", "-blue", "-green", "-preview", "-releases")
    ),
    _stack(
        "environment-without-name",
        "slipway:environment: {namespace: staging}\nslipway:workloads: {}",
        "slipway:environment.name",
        "is missing; the environment, as in",
    ),
    _stack(
        "namespace-in-capitals",
        "slipway:environment: {name: staging, namespace: Staging}\nslipway:workloads: {}",
        "slipway:environment.namespace",
        'got "Staging"; must be a DNS label: a-z, 0-9 and -',
    ),
    _stack(
        "label-that-is-ours",
        "slipway:environment: {name: staging, labels: {app.kubernetes.io/managed-by: me}}\nslipway:workloads: {}",
        "slipway:environment.labels",
        'the key "app.kubernetes.io/managed-by" is a key that Slipway sets itself',
    ),
    _stack(
        "label-with-a-blank",
        "slipway:environment: {name: staging, labels: {team: the web team}}\nslipway:workloads: {}",
        "slipway:environment.labels.team",
        'got "the web team"; must be letters, digits',
    ),
    _stack(
        "pod-above-the-quota",
        "slipway:access: {environments: {staging: {quota: {memory: 256Mi}}}}\n"
        + ENVIRONMENT
        + "slipway:workloads: {myapp: {}}",
        "slipway:workloads.myapp.resources.limits.memory",
        'has the default "512Mi"; must not be above the namespace\'s quota (256Mi)',
    ),
    # workloads
    _workload("replicas-in-words", "replicas: three", ".replicas", 'got "three"; must be a whole number of 0 or more'),
    _workload("replicas-negative", "replicas: -1", ".replicas", "got -1; must be a whole number of 0 or more"),
    _workload("replicas-quoted", 'replicas: "3"', ".replicas", 'got "3"; must be a whole number'),
    _workload("replicas-half", "replicas: 2.5", ".replicas", "got 2.5; must be a whole number"),
    _workload("replicas-true", "replicas: true", ".replicas", "got true; must be a whole number"),
    _workload("replicas-null", "replicas: null", ".replicas", "got null; must be a whole number"),
    _workload(
        "replicas-and-autoscaler",
        "replicas: 2\nautoscaler: {max: 5}",
        ".replicas",
        "got 2; must not be given together with autoscaler",
    ),
    _workload(
        "autoscaler-upside-down", "autoscaler: {min: 5, max: 3}", ".autoscaler.max", "got 3; must not be below min"
    ),
    _workload("autoscaler-without-max", "autoscaler: {min: 5}", ".autoscaler.max", "is missing; pods at most"),
    _workload(
        "autoscaler-cpu",
        "autoscaler: {max: 5, cpu: 0}",
        ".autoscaler.cpu",
        "got 0; must be a whole number from 1 to 100",
    ),
    _workload("misspelt-key", "prot: 80", ".prot", "is not a setting; did you mean port?"),
    _workload("snake-case-key", "keep_releases: 5", ".keep_releases", "is not a setting; did you mean keepReleases?"),
    _workload("unknown-key", "xyzzy: 80", ".xyzzy", "is not a setting; there are image, source"),
    _workload("port-too-high", "port: 70000", ".port", "got 70000; must be a whole number from 1 to 65535"),
    _workload("image-with-a-blank", "image: my app", ".image", 'got "my app"; must be an image like'),
    _workload("image-in-capitals", "image: example.com/App:1", ".image", 'got "example.com/App:1"; must be an image'),
    _workload("image-short-digest", "image: app@sha256:abc", ".image", 'got "app@sha256:abc"; must be an image'),
    # sources and what goes with them
    _workload("source-of-nothing", "source: {}", ".source", "must have one of manifests, kustomize and helm"),
    _workload(
        "two-sources",
        "source: {manifests: a.yaml, kustomize: b}",
        ".source",
        "must have one of manifests, kustomize and",
    ),
    _workload(
        "absolute-source",
        "source: {kustomize: /etc}",
        ".source.kustomize",
        'got "/etc"; must be a path below the project',
    ),
    _workload(
        "chart-without-version",
        "source: {helm: {chart: 'oci://registry.example.com/charts/web'}}",
        ".source.helm.version",
        "is missing: without it the newest chart would be deployed",
    ),
    _workload(
        "said-twice", "{source: {manifests: a.yaml}, port: 80}", ".port", "belongs to the source: remove it here"
    ),
    _workload(
        "depends-on-nobody", "dependsOn: [api]", ".dependsOn[0]", 'got "api"; must name another workload; there are'
    ),
    _workload("depends-on-itself", "dependsOn: [myapp]", ".dependsOn", "goes in a circle: myapp after myapp"),
    _run("workloads-unknown", "SLIPWAY_WORKLOADS: web is no workload of this stack", SLIPWAY_WORKLOADS="web"),
    # strategies
    _workload(
        "unknown-strategy",
        "strategy: recreate",
        ".strategy",
        'got "recreate"; must be rolling, blueGreen or canary, or one of them with its settings: {canary: {steps: [',
    ),
    _workload(
        "unknown-strategy-with-settings",
        "strategy: {recreate: {}}",
        ".strategy.recreate",
        "is not a setting; there are rolling, blueGreen, canary, checkRollback",
    ),
    _workload("strategy-misspelt", "strategy: {bluegreen: {}}", ".strategy.bluegreen", "is not a setting; did you m"),
    _workload("strategy-null", "strategy: null", ".strategy", "got null; must be rolling, blueGreen or canary, or"),
    _workload(
        "two-strategies",
        "strategy: {blueGreen: {}, canary: {checks: []}}",
        ".strategy",
        "must be one strategy, not blueGreen and canary",
    ),
    _workload(
        "two-strategies-with-nothing-below",
        "strategy:\n  rolling:\n  canary:",
        ".strategy",
        "must be one strategy, not rolling and canary",
    ),
    _workload("no-surge", "strategy: {rolling: {maxSurge: 0}}", ".strategy.rolling.maxSurge", "got 0; must be a whole"),
    _workload("kept-always", "strategy: {blueGreen: {keep: always}}", ".strategy.blueGreen.keep", 'got "always"; must'),
    _workload(
        "window-too-long",
        "strategy: {blueGreen: {rollbackWindow: 31d}}",
        ".strategy.blueGreen.rollbackWindow",
        'got "31d"; must be a duration like "300s", "10m", "12h" or "90d" from 0s to 30d',
    ),
    _workload("no-steps", "strategy: {canary: {steps: []}}", ".strategy.canary.steps", "got a list; must not be empty"),
    _workload(
        "too-many-steps",
        f"strategy: {{canary: {{steps: [{', '.join(['{weight: 1}'] * 21)}]}}}}",
        ".strategy.canary.steps",
        "got a list; must not have more than 20",
    ),
    _workload(
        "step-of-nothing",
        "strategy: {canary: {steps: [{weight: 10}, {pause: 5m}]}}",
        ".strategy.canary.steps[1]",
        "must have either weight (percent of the replicas) or replicas (pods)",
    ),
    _workload(
        "step-of-both",
        "strategy: {canary: {steps: [{weight: 10, replicas: 1}]}}",
        ".strategy.canary.steps[0]",
        "must have either weight (percent of the replicas) or replicas (pods)",
    ),
    _workload(
        "step-beyond-all",
        "strategy: {canary: {steps: [{weight: 101}]}}",
        ".strategy.canary.steps[0].weight",
        "got 101; must be a whole number from 1 to 100",
    ),
    _workload(
        "step-as-argo-writes-it",
        "strategy: {canary: {steps: [{setWeight: 20}]}}",
        ".strategy.canary.steps[0].setWeight",
        "is not a setting; did you mean weight?",
    ),
    _workload(
        "canary-without-room",
        "strategy: {canary: {maxSurge: 1, checks: []}}",
        ".strategy.canary.maxSurge",
        "got 1; must be a whole number of 2 or more",
    ),
    _workload(
        "canary-without-prometheus",
        "strategy: canary",
        ".strategy.canary",
        "checks the error rate by Prometheus: set slipway:environment.prometheus to where the job reaches it, or give",
    ),
    # which checks run when
    _workload(
        "check-that-is-not-there",
        "checks: {smoke: {command: [./smoke-test.sh]}}\nstrategy: {rolling: {checks: [smoke, load]}}",
        ".strategy.rolling.checks[1]",
        'got "load"; must name a check of the workload; there are smoke',
    ),
    _workload(
        "check-where-there-are-none",
        "strategy: {blueGreen: {postPromotion: [smoke]}}",
        ".strategy.blueGreen.postPromotion[0]",
        'got "smoke"; must name a check of the workload; there are none',
    ),
    _workload(
        "check-twice",
        "checks: {smoke: {command: [a]}}\nstrategy: {canary: {checks: [smoke, smoke]}}",
        ".strategy.canary.checks",
        "got a list; must not name anything twice: smoke",
    ),
    _workload(
        "check-left-out",
        "checks: {smoke: {command: [a]}, load: {command: [a]}}\nstrategy: {rolling: {checks: [smoke]}}",
        ".strategy.rolling",
        "leaves out the check load: add it to checks, or remove it",
    ),
    _workload(
        "check-left-out-of-both-lists",
        "checks: {smoke: {command: [a]}}\nstrategy: {blueGreen: {prePromotion: []}}",
        ".strategy.blueGreen",
        "leaves out the check smoke: add it to prePromotion or postPromotion, or remove it",
    ),
    # checks
    _workload("checks-are-a-list", "checks: [smoke]", ".checks", "got a list; must be a mapping"),
    _workload("check-name", "checks: {Smoke: {command: [a]}}", ".checks", 'the key "Smoke" must be a check\'s name'),
    _workload(
        "check-of-nothing", "checks: {a: {}}", ".checks.a", "got a mapping; must have exactly one of http, prometheus,"
    ),
    _workload(
        "check-of-two-kinds",
        "checks: {a: {http: {path: /}, command: [a]}}",
        ".checks.a",
        "got a mapping; must have exactly one of http, prometheus, command and job",
    ),
    _workload("check-misspelt", "checks: {a: {htpp: {path: /}}}", ".checks.a.htpp", "is not a setting; did you mean h"),
    _workload(
        "check-that-can-not-fail",
        "checks: {a: {command: [a], count: 3, failureLimit: 3}}",
        ".checks.a.failureLimit",
        "got 3; must be below count (3), else the check could not fail",
    ),
    _workload(
        "http-with-a-login",
        'checks: {a: {http: {url: "https://user:planted-secret@example.com"}}}',
        ".checks.a.http.url",
        "must be an http:// or https:// URL without a login",
    ),
    _workload(
        "http-header-with-a-secret",
        "checks: {a: {http: {url: https://example.com, headers: {authorization: planted-secret}}}}",
        ".checks.a.http.headers.authorization",
        "is a secret in plain text; use tokenFromEnv",
    ),
    _workload(
        "body-empty", 'checks: {a: {http: {path: /, body: ""}}}', ".checks.a.http.body", 'got ""; must not be em'
    ),
    _workload(
        "prometheus-without-a-limit",
        "checks: {a: {prometheus: {query: up}}}",
        ".checks.a.prometheus",
        "must have min, max or both",
    ),
    _workload(
        "prometheus-without-address",
        "checks: {a: {prometheus: {preset: latency-p95}}}",
        ".checks.a.prometheus",
        "has no address: set slipway:environment.prometheus to where the job reaches it",
    ),
    _stack(
        "prometheus-with-a-login",
        "slipway:environment: {name: a, prometheus: 'http://user:planted-secret@prometheus'}\nslipway:workloads: {}",
        "slipway:environment.prometheus",
        'must be a URL like "http://prometheus.monitoring:9090", without a login or a query',
    ),
    _workload("check-command-is-text", "checks: {a: {command: ./a}}", ".checks.a.command", 'got "./a"; must be a list'),
    _workload(
        "job-without-an-end",
        "checks: {a: {job: {}}}",
        ".checks.a.job",
        "got a mapping; must have command, args or image: the release's own entry point would never end",
    ),
    # the rest of a workload
    _workload(
        "duration-unit", "progressDeadline: 5 minutes", ".progressDeadline", 'got "5 minutes"; must be a duration'
    ),
    _workload("duration-too-long", "progressDeadline: 2d", ".progressDeadline", 'got "2d"; must be a duration like'),
    _workload(
        "grace-shorter-than-pre-stop",
        "preStop: 10s\nterminationGrace: 10s",
        ".terminationGrace",
        'got "10s"; must be more than preStop (10s)',
    ),
    _workload(
        "pre-stop-longer-than-the-default-grace",
        "preStop: 40s",
        ".terminationGrace",
        "has the default 30; must be more than preStop (40s)",
    ),
    _workload("cpu-in-words", "resources: {limits: {cpu: much}}", ".resources.limits.cpu", 'got "much"; must be a Kub'),
    _workload(
        "memory-in-bytes", "resources: {limits: {memory: 512}}", ".resources.limits.memory", "got 512; must be a"
    ),
    _workload(
        "memory-in-thousandths", "resources: {limits: {memory: 512m}}", ".resources.limits.memory", 'got "512m"; m'
    ),
    _workload(
        "limits-below-requests",
        "resources: {requests: {memory: 1Gi}}",
        ".resources.limits.memory",
        'has the default "512Mi"; must not be less than requests.memory (1Gi)',
    ),
    _workload(
        "probe-path", "probe: {path: healthz}", ".probe.path", 'got "healthz"; must be a path that starts with "/"'
    ),
    _workload("probe-is-text", "probe: /healthz", ".probe", 'got "/healthz"; must be a mapping'),
    _workload(
        "service-type", "service: {type: External}", ".service.type", 'got "External"; must be ClusterIP, NodePort'
    ),
    _workload(
        "ingress-without-host", "ingress: {path: /}", ".ingress.host", "is missing; host name that users ask for"
    ),
    _workload(
        "ingress-host-is-a-url", "ingress: {host: https://example.com}", ".ingress.host", 'got "https://example.com"'
    ),
    _workload("env-boolean", "env: {DEBUG: true}", ".env.DEBUG", "got true; must be a string: put it in quotes"),
    _workload("env-version", "env: {VERSION: 1.10}", ".env.VERSION", "got 1.1; must be a string: put it in quotes"),
    _workload("env-null", "env: {DEBUG: null}", ".env.DEBUG", "got null; must be a string"),
    _workload("env-name", "env: {log-level: info}", ".env", 'the key "log-level" must be a variable\'s name'),
    _workload("env-is-a-list", "env: [A=b]", ".env", "got a list; must be a mapping"),
    _workload(
        "secret-in-the-clear",
        "secretEnv: {API_KEY: planted-secret}",
        ".secretEnv.API_KEY",
        "is a secret in plain text; encrypt it: pulumi config set --secret --path 'slipway:workloads.myapp.secretEnv.",
    ),
    _workload(
        "secret-misspelt", "secretEnv: {A: {fromenv: B}}", ".secretEnv.A.fromenv", "is not a setting; did you mean"
    ),
    _workload(
        "env-and-secret-env",
        "env: {A: b}\nsecretEnv: {A: {fromEnv: B}}",
        ".secretEnv.A",
        "is in env too; remove one of them",
    ),
    _workload("command-is-text", "command: run me", ".command", 'got "run me"; must be a list'),
    _workload("command-empty", "command: []", ".command", "got a list; must not be empty"),
    _workload("writable-root", "writablePaths: [/]", ".writablePaths[0]", 'got "/"; must be an absolute directory'),
    _workload(
        "writable-twice", "writablePaths: [/a, /a]", ".writablePaths", "got a list; must not name anything twice: /a"
    ),
    _workload("root", "runAsUser: 0", ".runAsUser", "got 0; must be a whole number from 1 to"),
    _workload("flag-in-quotes", 'disruptionBudget: "yes"', ".disruptionBudget", 'got "yes"; must be true or false'),
    _workload("too-few-releases", "keepReleases: 1", ".keepReleases", "got 1; must be a whole number from 2 to 100"),
    _workload(
        "annotation-of-pulumi", "annotations: {pulumi.com/skipAwait: x}", ".annotations", 'the key "pulumi.com/skip'
    ),
    _workload(
        "peer", "networkPolicy: {allowFrom: [Web]}", ".networkPolicy.allowFrom[0]", 'got "Web"; must be a DNS label'
    ),
    # access
    _access("no-environments", "scope: namespace", ".environments", "is missing; the environments by name"),
    _access("empty-environments", "environments: {}", ".environments", "got a mapping; must not be empty"),
    _access(
        "one-namespace-twice",
        "environments: {staging: {namespace: web}, production: {namespace: web}}",
        ".environments.staging.namespace",
        'got "web"; is that of environment production too',
    ),
    _access(
        "one-variable-twice-in-a-scope",
        "gitlab: {project: a/b}\nenvironments: {a: {scope: staging, variables: {API_KEY: {secure: xxxxxxxx}}}, "
        "staging: {variables: {API_KEY: {secure: xxxxxxxx}}}}",
        ".environments.staging.variables.API_KEY",
        "environment a has it too, in the same scope",
    ),
    _access(
        "token-too-long", STAGING + "token: {expiration: 9000h}", ".token.expiration", 'got "9000h"; must be a durat'
    ),
    _access(
        "token-too-short", STAGING + "token: {expiration: 10m}", ".token.expiration", 'got "10m"; must be a duration'
    ),
    _access(
        "renewal-after-expiry",
        STAGING + "token: {expiration: 1d, renewBefore: 2d}",
        ".token.renewBefore",
        'got "2d"; must be less than expiration (1d)',
    ),
    _access(
        "server-without-tls", STAGING + "server: http://10.0.0.1", ".server", 'got "http://10.0.0.1"; must be an http'
    ),
    _access("ca-is-a-file", STAGING + "caPem: /etc/ca.pem", ".caPem", f'got "/etc/ca.pem"; {A_CERTIFICATE_NOT}'),
    _access("scope", STAGING + "scope: everything", ".scope", 'got "everything"; must be namespace or cluster'),
    _access(
        "project", STAGING + "gitlab: {project: https://gitlab.com/a}", ".gitlab.project", 'got "https://gitlab.com/a'
    ),
    _access(
        "registry-is-a-url",
        STAGING + "registry: {server: https://registry.example.com, username: u, password: {secure: x}}",
        ".registry.server",
        'got "https://registry.example.com"; must be a registry\'s host',
    ),
    _access(
        "registry-password-in-the-clear",
        STAGING + "registry: {server: r.example.com, username: u, password: planted-secret}",
        ".registry.password",
        "is a secret in plain text; encrypt it",
    ),
    _access(
        "registry-password-under-a-misspelt-key",
        STAGING + "registry: {server: r.example.com, username: u, pasword: planted-secret}",
        ".registry.pasword",
        "is not a setting; did you mean password?",
    ),
    _access(
        "registry-is-text", STAGING + "registry: planted-secret", ".registry", "got a value that is not shown; must be"
    ),
    _access(
        "tier", "environments: {staging: {tier: prod}}", ".environments.staging.tier", 'got "prod"; must be production,'
    ),
    _access(
        "quota", "environments: {a: {quota: {pods: many}}}", ".environments.a.quota.pods", 'got "many"; must be a whole'
    ),
    _access(
        "branches-text", "environments: {a: {branches: main}}", ".environments.a.branches", 'got "main"; must be a list'
    ),
    _access(
        "pod-security", "environments: {a: {podSecurity: none}}", ".environments.a.podSecurity", 'got "none"; must be'
    ),
    _access(
        "variable-that-is-ours",
        "gitlab: {project: a/b}\nenvironments: {a: {variables: {KUBE_TOKEN: {secure: xxxxxxxx}}}}",
        ".environments.a.variables",
        'the key "KUBE_TOKEN" is a variable that Slipway sets itself',
    ),
    # the run
    _run(
        "unknown-action",
        'SLIPWAY_ACTION: got "promot"; must be one of deploy, promote, abort, rollback, settle',
        SLIPWAY_ACTION="promot",
    ),
    _run("image-of-the-run", 'SLIPWAY_IMAGE: got "my app"; must be an image like', SLIPWAY_IMAGE="my app"),
    _run(
        "image-for-an-unknown-workload",
        "SLIPWAY_IMAGE_MYAP: names no workload of this stack; did you mean SLIPWAY_IMAGE_MYAPP?",
        SLIPWAY_IMAGE_MYAP="app:1",
    ),
    _run(
        "image-for-one-of-several",
        "SLIPWAY_IMAGE: does not say which of 2 workloads it is for; use SLIPWAY_IMAGE_MY_API or SLIPWAY_IMAGE_WEB",
        workloads="{web: {}, my-api: {}}",
        SLIPWAY_IMAGE="app:1",
    ),
    _run(
        "misspelt-variable",
        "SLIPWAY_ACTOIN: is not a variable of Slipway; did you mean SLIPWAY_ACTION?",
        SLIPWAY_ACTOIN="rollback",
    ),
]

SECRET = "planted-secret"
"""Stands in the wrong settings where a secret would, and must not be printed."""
