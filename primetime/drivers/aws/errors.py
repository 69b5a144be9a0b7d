"""What AWS refuses, by kind: each a sentence with the next step. Raised by connection; callers catch the kinds.

AWS has hundreds of codes, and three services spell the same thing in three ways: a code's kind is decided here alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from primetime.errors import PrimetimeError


@dataclass(frozen=True)
class Refusal:
    """What came back: a code of AWS, its message, and what was asked."""

    code: str
    message: str
    action: str  # "ec2:RunInstances"
    status: int = 0
    request_id: str = ""


class AwsError(PrimetimeError):
    """AWS refused a call. `refusal` has the code."""

    next_step = "see the message, then repeat the command: it goes on from what is there"

    def __init__(self, refusal: Refusal, note: str = "") -> None:
        self.refusal = refusal
        super().__init__(note or f"{refusal.action}: {refusal.code}: {_one_line(refusal.message)}: {self.next_step}")

    @property
    def code(self) -> str:
        return self.refusal.code


class CredentialsRefused(AwsError):
    """AWS does not know the key, or the secret is not its."""

    next_step = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile that AWS_PROFILE names"


class CredentialsExpired(AwsError):
    """They were temporary."""

    next_step = "log in again for new ones (AWS_SESSION_TOKEN belongs to them), then repeat the command"


class ClockWrong(AwsError):
    """This machine's clock differs from AWS's by more than signatures allow."""

    next_step = "set this machine's clock (timedatectl set-ntp true), then repeat the command"


class PermissionMissing(AwsError):
    """The credentials are good and may not do this."""

    def __init__(self, refusal: Refusal) -> None:
        named = re.search(r"perform:? ([a-z0-9-]+:[A-Za-z]+)", refusal.message)
        self.permission = named[1] if named else refusal.action
        super().__init__(
            refusal,
            f"these credentials may not {self.permission}: have it allowed, then repeat the command "
            f"(docs/ec2.md lists what primetime calls). AWS says: {_one_line(refusal.message)}",
        )


class Throttled(AwsError):
    """Too many calls; the connection has retried until its deadline."""

    next_step = "AWS throttles this account's calls: repeat the command in a minute"


class Faulty(AwsError):
    """AWS's own fault (5xx); the connection has retried until its deadline."""

    next_step = "the fault is on AWS's side: see its health page, then repeat the command"


class LimitReached(AwsError):
    """A quota of the account."""

    next_step = "ask for a higher quota (Service Quotas), or declare less, then repeat the command"


class NoCapacity(AwsError):
    """AWS has no such machine now, or none at the price."""

    next_step = "declare further sizes or zones for the group, or repeat the command later"


class NotThere(AwsError):
    """What was named does not exist (any more)."""


class ImageNotThere(NotThere):
    """Images are of one region, and may be withdrawn."""

    next_step = "declare an image of this region (image: ami-... in the topology), then repeat the command"


class AlreadyThere(AwsError):
    """The name or address is taken."""


class InUse(AwsError):
    """Something else still holds it."""


class Unanswered(AwsError):
    """No answer, and repeating could make a second one: whether it was done is not known to this call."""

    next_step = "repeat the command: it looks first, and finds by its tags what was made"


_KINDS: tuple[tuple[type[AwsError], str], ...] = (
    (CredentialsExpired, r"ExpiredToken(Exception)?|RequestExpired"),
    (
        CredentialsRefused,
        r"AuthFailure|InvalidClientTokenId|SignatureDoesNotMatch|UnrecognizedClient(Exception)?|IncompleteSignature"
        r"|MissingAuthenticationToken|InvalidAccessKeyId|OptInRequired|Blocked|PendingVerification",
    ),
    (PermissionMissing, r"UnauthorizedOperation|AccessDenied(Exception)?|NotAuthorized|HTTP 403"),
    (
        Throttled,
        r"RequestLimitExceeded|Throttl(ing|ed)(Exception)?|RequestThrottled(Exception)?|TooManyRequests(Exception)?"
        r"|PriorRequestNotComplete|SlowDown|BandwidthLimitExceeded|EC2ThrottledException",
    ),
    (NoCapacity, r"Insufficient\w*Capacity\w*|SpotMaxPriceTooLow|MaxSpot\w+Exceeded|Unsupported(Operation)?"),
    (LimitReached, r"\w*LimitExceeded(Exception|Fault)?|\w*QuotaExceeded\w*|LimitExceeded\w*|TooMany\w+"),
    (ImageNotThere, r"InvalidAMIID\.\w+"),
    (NotThere, r"[\w.]*\.?NotFound(Exception|Fault)?|Invalid\w+\.(Unknown|Malformed)|NoSuch\w+"),
    (AlreadyThere, r"[\w.]*\.Duplicate|[\w.]*AlreadyExists\w*|Duplicate\w+|InvalidSubnet\.Conflict|[\w.]*\.InUseBy\w+"),
    (
        InUse,
        r"DependencyViolation|DeleteConflict|ResourceInUse\w*|ScalingActivityInProgress|[\w.]*\.?InUse|VolumeInUse",
    ),
    (Faulty, r"Internal(Error|Failure|ServerError)\w*|Service(Unavailable|Failure)\w*|Unavailable"),
)


def refused(refusal: Refusal, skew_s: float | None = None) -> AwsError:
    """The error of a refusal. `skew_s`: this machine's clock less AWS's, where the answer had a date."""
    kind = _kind(refusal)
    if kind in (CredentialsRefused, CredentialsExpired) and skew_s is not None and abs(skew_s) > 240:
        minutes, side = abs(skew_s) / 60, "ahead of" if skew_s > 0 else "behind"
        return ClockWrong(
            refusal, f"this machine's clock is {minutes:.0f} minutes {side} AWS's: {ClockWrong.next_step}"
        )
    return kind(refusal)


def _kind(refusal: Refusal) -> type[AwsError]:
    for kind, codes in _KINDS:
        if re.fullmatch(codes, refusal.code):
            return kind
    if refusal.code == "ValidationError":  # Auto Scaling's only code for these
        if re.search(r"image id .* does not exist", refusal.message):
            return ImageNotThere
        if re.search(r"not found|does not exist|No .* found", refusal.message, re.IGNORECASE):
            return NotThere
        if "already exists" in refusal.message:
            return AlreadyThere
    return Faulty if refusal.status >= 500 else AwsError


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(".:")
