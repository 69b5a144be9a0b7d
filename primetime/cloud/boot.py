"""What a machine on EC2 does first: fetches its bundle, checks who signed it, runs its own roles, says how it went.

Sent as user-data as it stands, below a line `SETTINGS = {...}` (primetime.cloud.user_data writes it), and run by
cloud-init once in a machine's life: nothing but the standard library and openssl of Debian's image. Whatever fails, the
log goes into the topology's bucket and the launch hook is abandoned.
"""

import datetime
import hashlib
import hmac
import json
import os
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

SETTINGS: dict[str, Any] = {}

METADATA = "http://169.254.169.254"
LOG = Path("/var/log/primetime-configure.log")
HOME = Path("/opt/primetime")
CACHE = Path("/var/cache/primetime")
HOST_KEY = Path("/etc/ssh/ssh_host_ed25519_key.pub")
AUTHORIZED = Path("/root/.ssh/authorized_keys")
TRIES, WAIT_S, TIMEOUT_S = 6, 5.0, 60.0


class Failed(Exception):
    """A sentence for whoever reads the log."""


def metadata(path: str) -> str:
    """IMDSv2."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    service = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", METADATA).rstrip("/")
    wanted = {"X-aws-ec2-metadata-token-ttl-seconds": "300"}
    asked = urllib.request.Request(f"{service}/latest/api/token", method="PUT", headers=wanted)
    token = opener.open(asked, timeout=5).read().decode()
    asked = urllib.request.Request(f"{service}/latest/{path}", headers={"X-aws-ec2-metadata-token": token})
    return str(opener.open(asked, timeout=5).read().decode())


def endpoint(service: str) -> str:
    """Where a service answers; SETTINGS carry what the environment of `up` said."""
    return str(SETTINGS["endpoints"][service])


def call(service: str, method: str, path: str, body: bytes = b"", to: Path | None = None) -> bytes:
    """One call, signed (version 4) by this machine's role, repeated while AWS or the network fails."""
    for tried in range(TRIES):
        try:
            return _call(service, method, path, body, to)
        except urllib.error.HTTPError as error:
            said = error.read(500).decode(errors="replace")
            if (error.code < 500 and error.code != 403) or tried == TRIES - 1:  # a new role may be unknown for seconds
                raise Failed(f"{service} {method} {path}: {error.code}: {said}") from error
        except OSError as error:
            if tried == TRIES - 1:
                raise Failed(f"{service} at {endpoint(service)} does not answer: {error}") from error
        time.sleep(WAIT_S)
    raise AssertionError


def _call(service: str, method: str, path: str, body: bytes, to: Path | None) -> bytes:
    role = metadata("meta-data/iam/security-credentials/").split()[0]
    key = json.loads(metadata(f"meta-data/iam/security-credentials/{role}"))
    url, now = urllib.parse.urlsplit(endpoint(service)), datetime.datetime.now(datetime.UTC)
    day, region = now.strftime("%Y%m%d"), SETTINGS["region"]
    headers = {
        "host": url.netloc,
        "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
        "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
        "x-amz-security-token": key["Token"],
    }
    if body:
        form = "application/x-www-form-urlencoded; charset=utf-8"
        headers["content-type"] = "text/plain; charset=utf-8" if service == "s3" else form
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = "\n".join([method, path, "", lines, names, headers["x-amz-content-sha256"]])
    scope = f"{day}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(request.encode()).hexdigest()])
    secret = f"AWS4{key['SecretAccessKey']}".encode()
    for word in (day, region, service, "aws4_request"):
        secret = hmac.digest(secret, word.encode(), "sha256")
    signature = hmac.digest(secret, text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={key['AccessKeyId']}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    asked = urllib.request.Request(endpoint(service) + path, data=body or None, method=method, headers=headers)
    with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as answer:
        if to is None:
            return bytes(answer.read())
        with to.open("wb") as file:
            while part := answer.read(1 << 20):
                file.write(part)
        return b""


def bucket(key: str) -> str:
    return f"/{SETTINGS['bucket']}/{key}"


def fetch(making: Path) -> dict[str, Any]:
    """The manifest of the bundle that SETTINGS name; Failed when it is not signed by the key that SETTINGS have."""
    at = f"bundles/{SETTINGS['version']}"
    manifest, signature, key = (making / name for name in ("manifest.json", "manifest.sig", "key.pem"))
    for path in (manifest, signature):
        call("s3", "GET", bucket(f"{at}/{path.name}"), to=path)
    key.write_text(SETTINGS["public_key"])
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(key)]
    command += ["-rawin", "-in", str(manifest), "-sigfile", str(signature)]
    if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        raise Failed(
            f"bundle {SETTINGS['version']} is not signed by the key that this machine was given: nothing of it was "
            "run: find out who changed the bucket, then bin/primetime up"
        )
    read: dict[str, Any] = json.loads(manifest.read_text())
    if read["version"] != SETTINGS["version"]:
        raise Failed(f"bundle {SETTINGS['version']} says that it is {read['version']}: nothing of it was run")
    return read


def unpack(manifest: dict[str, Any], making: Path) -> Path:
    """Every file of the bundle that this machine's roles need, each with the bytes that were signed."""
    home = HOME / str(SETTINGS["version"])
    for each in manifest["files"]:
        if each["groups"] and not set(each["groups"]) & set(SETTINGS["groups"]):
            continue
        came = making / each["sha256"]
        call("s3", "GET", bucket(f"files/{each['sha256']}"), to=came)
        with came.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != each["sha256"]:
            raise Failed(f"{each['name']} of the bundle has other bytes than were signed: nothing of it was run")
        if each["cached"]:
            (CACHE / each["name"]).parent.mkdir(parents=True, exist_ok=True)
            came.rename(CACHE / each["name"])
        else:
            with tarfile.open(came) as tar:
                tar.extractall(home / each["name"])
            came.unlink()
    return home


def configure(home: Path, instance: str) -> None:
    """This machine's own roles, then their promises; Failed when any is not kept in time."""
    environment = {
        **os.environ,
        **SETTINGS["environment"],
        "PYTHONPATH": f"{home / 'tree'}:{home / 'wheels'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PRIMETIME_CACHE": str(CACHE),
        "PRIMETIME_HOME": "/var/lib/primetime-configure",
        "HOME": "/root",
    }
    run = [sys.executable, "-P", "-m"]
    command = [*run, "primetime.cloud.configure", SETTINGS["topology"], instance, str(SETTINGS["within_s"])]
    with LOG.open("ab") as log:
        if subprocess.run(command, cwd=home / "tree", env=environment, stdout=log, stderr=log).returncode:
            raise Failed(f"its roles did not come to keep their promises within {SETTINGS['within_s']} s: see above")
        command = [*run, "primetime.cloud.cleaning", SETTINGS["topology"], ",".join(SETTINGS["groups"])]
        if baked() and subprocess.run(command, cwd=home / "tree", env=environment, stdout=log, stderr=log).returncode:
            raise Failed("it could not be cleaned: see above")


def baked() -> bool:
    """Whether this machine is to become an image, and nothing else."""
    return bool(SETTINGS.get("bake"))


def end() -> None:
    """Of a machine that is baked: an image is made of it when it has stopped."""
    LOG.unlink()
    subprocess.run(["systemctl", "poweroff"])


def let_in() -> None:
    """The operators' key, and this machine's own where they look for it."""
    AUTHORIZED.parent.mkdir(mode=0o700, exist_ok=True)
    there = AUTHORIZED.read_text() if AUTHORIZED.exists() else ""
    if SETTINGS["ssh_key"] not in there:
        AUTHORIZED.write_text(there + SETTINGS["ssh_key"] + "\n")
        AUTHORIZED.chmod(0o600)


def complete(instance: str, result: str) -> None:
    """End the pause of the launch; a machine of no group that scales has none."""
    if not SETTINGS["hook"]:
        return
    asked = {
        "Action": "CompleteLifecycleAction",
        "Version": "2011-01-01",
        "AutoScalingGroupName": SETTINGS["scaling_group"],
        "LifecycleHookName": SETTINGS["hook"],
        "InstanceId": instance,
        "LifecycleActionResult": result,
    }
    call("autoscaling", "POST", "/", urllib.parse.urlencode(asked).encode())


def say(sentence: str) -> None:
    with LOG.open("a") as log:
        log.write(f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ} {sentence}\n")
    print(f"primetime: {sentence}", flush=True)


def main() -> int:
    instance, result = metadata("meta-data/instance-id").strip(), "ABANDON"
    mine = f"hosts/{SETTINGS['group']}/{instance}"
    try:
        let_in()
        call("s3", "PUT", bucket(f"{mine}/ssh_host_key.pub"), HOST_KEY.read_bytes())
        making = HOME / ".new"
        making.mkdir(parents=True, exist_ok=True)
        say(f"{instance} of {SETTINGS['topology']} {SETTINGS['group']}: bundle {SETTINGS['version']}")
        home = unpack(fetch(making), making)
        configure(home, instance)
        result = "CONTINUE"
        say("configured: every promise of its roles is kept")
    except Exception as error:
        say(str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}")
    say(f"launch: {result}")
    try:
        call("s3", "PUT", bucket(f"{mine}/configure.log"), LOG.read_bytes())
    finally:
        complete(instance, result)
    if baked():
        end()
    return 0 if result == "CONTINUE" else 1


if __name__ == "__main__":
    sys.exit(main())
