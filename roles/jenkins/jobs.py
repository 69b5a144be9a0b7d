"""The jobs that Jenkins has: pipelines of this repository, files in .ci/jenkins that a test runs without a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Job:
    """One pipeline. `cron`: when it starts by itself, in Jenkins' words; `parameters` are asked for, with defaults."""

    name: str
    says: str
    cron: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def script(self) -> str:
        return f".ci/jenkins/{self.name}.groovy"


# Beside these, `change`: each branch by the Jenkinsfile at the repository's root.
JOBS = (
    Job("nightly", "Each role on each distribution, then all that takes long", cron="H 1 * * *"),
    Job("demo", "The demo from nothing to its certificate", cron="H H(6-7) * * *"),
    Job("bake", "What machines begin as, locally and on EC2", cron="H 20 * * 0", parameters={"TOPOLOGY": "production"}),
    Job("deploy", "A topology on EC2, after somebody has read the plan", parameters={"TOPOLOGY": "production"}),
)
