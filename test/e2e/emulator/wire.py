"""What a request asks of AWS, and how each service says an error: every protocol of AWS in one place."""

import json
import re
import uuid
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qs, unquote, unquote_plus
from xml.sax.saxutils import escape

from botocore.loaders import Loader

SCOPE = re.compile(r"Credential=([^/,]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
REST = ("lambda", "scheduler", "route53", "s3")
JSON_1_0 = ("sqs", "dynamodb", "states")
BUCKET_PARTS = {
    "acl": "Acl",
    "encryption": "Encryption",
    "lifecycle": "LifecycleConfiguration",
    "location": "Location",
    "logging": "Logging",
    "ownershipControls": "OwnershipControls",
    "policy": "Policy",
    "tagging": "Tagging",
    "versioning": "Versioning",
    "versions": "Versions",
}


@dataclass(frozen=True)
class Call:
    """A request to AWS."""

    service: str
    region: str
    action: str
    key: str
    """The access key that signed it."""
    protocol: str
    body: bytes
    method: str
    path: str
    query: str

    @property
    def api(self) -> str:
        return f"{self.service}:{self.action}"

    @property
    def reads(self) -> bool:
        return self.action.startswith(("Describe", "Get", "List")) and self.service != "s3"

    def holds(self, text: str) -> bool:
        """Whether the request says this, however it is written."""
        said = self.body.decode("utf-8", "replace")
        return any(text in part for part in (said, unquote_plus(said), unquote(self.path), unquote_plus(self.query)))


def read(environ: dict, body: bytes) -> Call | None:
    """@returns nothing where the request is not signed: then it is not one to AWS"""
    scope = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    if scope is None:
        return None
    key, region, service = scope.groups()
    method, path, query = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", "")
    protocol, action = _action(service, method, path, query, environ, body)
    return Call(service, region, action, key, protocol, body, method, path, query)


def _action(service: str, method: str, path: str, query: str, environ: dict, body: bytes) -> tuple[str, str]:
    if "HTTP_X_AMZ_TARGET" in environ:
        return "json", environ["HTTP_X_AMZ_TARGET"].rpartition(".")[2]
    if environ.get("HTTP_SMITHY_PROTOCOL") == "rpc-v2-cbor":
        return "cbor", path.rpartition("/")[2]
    if service == "s3":
        return "s3", _s3(method, path, query)
    if service in REST:
        protocol = "rest-xml" if service == "route53" else "rest-json"
        return protocol, next((name for verb, uri, name in _rest(service) if verb == method and uri.match(path)), "")
    form = parse_qs(body.decode("utf-8", "replace")) or parse_qs(query)
    return "ec2" if service == "ec2" else "query", form.get("Action", [""])[0]


@cache
def _rest(service: str) -> list[tuple[str, re.Pattern, str]]:
    """The longest address first: a more exact one wins."""
    operations = Loader().load_service_model(service, "service-2")["operations"]
    addresses = []
    for name, operation in operations.items():
        uri = operation["http"]["requestUri"].partition("?")[0].rstrip("/")
        pattern = re.sub(r"\\\{[^}]*?\\\}", "[^/]+", re.escape(uri).replace(r"\+\}", r"\}"))
        addresses.append((operation["http"]["method"], re.compile(f"{pattern}/?$"), name))
    return sorted(addresses, key=lambda address: -len(address[1].pattern))


def _s3(method: str, path: str, query: str) -> str:
    asked = parse_qs(query, keep_blank_values=True)
    verb = {"GET": "Get", "PUT": "Put", "DELETE": "Delete", "HEAD": "Head", "POST": "Post"}.get(method, "")
    part = next((BUCKET_PARTS[name] for name in asked if name in BUCKET_PARTS), None)
    if "/" in path.strip("/"):
        return f"{verb}Object{part or ''}"
    if "delete" in asked:
        return "DeleteObjects"
    if path.strip("/") == "":
        return "ListBuckets"
    if part == "Versions":
        return "ListObjectVersions"
    if part is not None:
        return f"{verb}Bucket{part}"
    return {"Get": "ListObjectsV2", "Put": "CreateBucket"}.get(verb, f"{verb}Bucket")


THROTTLED = {
    "ec2": (503, "RequestLimitExceeded", "Request limit exceeded."),
    "query": (400, "Throttling", "Rate exceeded"),
    "json": (400, "ThrottlingException", "Rate exceeded"),
    "cbor": (400, "ThrottlingException", "Rate exceeded"),
    "rest-json": (429, "TooManyRequestsException", "Rate Exceeded."),
    "rest-xml": (400, "Throttling", "Rate exceeded"),
    "s3": (503, "SlowDown", "Please reduce your request rate."),
}
FAILED = {
    "ec2": (500, "InternalError", "An internal error has occurred"),
    "query": (500, "InternalFailure", "The request processing has failed because of an unknown error."),
    "json": (500, "InternalServerError", "An internal error occurred."),
    "cbor": (500, "InternalServiceFault", "An internal error occurred."),
    "rest-json": (500, "ServiceException", "The service encountered an internal error."),
    "rest-xml": (500, "InternalFailure", "The request processing has failed because of an unknown error."),
    "s3": (500, "InternalError", "We encountered an internal error. Please try again."),
}


def error(call: Call, kind: str, code: str | None = None, text: str | None = None) -> tuple[int, dict[str, str], bytes]:
    """@param kind throttle or error
    @param code another one than the service's own
    @param text another one than the service's own
    """
    status, its_own, its_text = (THROTTLED if kind == "throttle" else FAILED)[call.protocol]
    message = its_text if text is None else text
    name = code or its_own
    if call.service == "scheduler" and code is None and kind == "throttle":
        name = "ThrottlingException"
    if code is not None and kind == "error" and call.protocol != "s3":
        status = 400
    request_id = str(uuid.uuid4())
    if call.protocol == "ec2":
        said = f"<Code>{escape(name)}</Code><Message>{escape(message)}</Message>"
        xml = f"<Response><Errors><Error>{said}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
        return status, {"Content-Type": "text/xml;charset=UTF-8"}, xml.encode()
    if call.protocol in ("query", "rest-xml"):
        said = f"<Type>Sender</Type><Code>{escape(name)}</Code><Message>{escape(message)}</Message>"
        xml = f"<ErrorResponse><Error>{said}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        return status, {"Content-Type": "text/xml"}, xml.encode()
    if call.protocol == "s3":
        said = f"<Code>{escape(name)}</Code><Message>{escape(message)}</Message><RequestId>{request_id}</RequestId>"
        body = b"" if call.method == "HEAD" else f"<Error>{said}</Error>".encode()
        return status, {"Content-Type": "application/xml"}, body
    if call.protocol == "cbor":
        headers = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
        return status, headers, b"\xa2" + b"".join(map(_cbor, ("__type", name, "message", message)))
    if call.protocol == "rest-json":
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": name}
        return status, headers, json.dumps({"message": message}).encode()
    version = "1.0" if call.service in JSON_1_0 else "1.1"
    body = json.dumps({"__type": name, "message": message}).encode()
    return status, {"Content-Type": f"application/x-amz-json-{version}"}, body


def _cbor(text: str) -> bytes:
    """A text, as RFC 8949 writes it."""
    data = text.encode()
    head = bytes([0x60 + len(data)]) if len(data) < 24 else b"\x79" + len(data).to_bytes(2)
    return head + data
