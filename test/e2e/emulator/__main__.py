"""moto 5.2.1 with its gaps closed, and with controls of its own: `python3 test/e2e/emulator -H 127.0.0.1 -p PORT`."""

import sys

sys.dont_write_bytecode = True

try:
    import moto.server  # noqa: F401
except ModuleNotFoundError:
    sys.exit(127)

import argparse
import importlib
import io
import json
import os
import signal
import traceback

import control
from clock import tick_for_ever
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

PARTS = ("machines", "store", "terraform", "functions", "events", "monitoring", "messages")
FUNCTIONS = "EMULATOR_FUNCTIONS"
"""JSON: the variables that every function is given besides its own."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Handler(WSGIRequestHandler):
    """Keeps the connection for the next request, which Werkzeug's own does not: a call costs half as much."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        given = environ["wsgi.input"]
        chunked = environ.get("wsgi.input_terminated")
        body = given.read() if chunked else given.read(int(self.headers.get("Content-Length", 0)))
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        try:
            status, headers, said = self.server.app.answer(environ, body)
        except ConnectionError:
            self.close_connection = True
            return
        except Exception as problem:
            traceback.print_exc()
            status, headers, said = "500 INTERNAL SERVER ERROR", [], f"{type(problem).__name__}: {problem}".encode()
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else said)

    def log(self, *args: object) -> None:
        """The requests are noted by their names, not by their addresses."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-H", "--host", default="127.0.0.1", choices=LOOPBACK)
    parser.add_argument("-p", "--port", type=int, required=True)
    parser.add_argument("--log", help="a file to which every request is added")
    given = parser.parse_args()
    # moto itself, and the functions, ask it there.
    os.environ["MOTO_PORT"] = str(given.port)
    control.settings.update(port=given.port, environment=json.loads(os.environ.pop(FUNCTIONS, "{}")))
    if given.log:
        control.log_to(given.log)
    for part in PARTS:
        control.gaps.extend(importlib.import_module(part).GAPS)
    for close_gap in control.gaps:
        close_gap()
    signal.signal(signal.SIGTERM, lambda *_: end())
    signal.signal(signal.SIGINT, lambda *_: end())
    app = control.Emulator(DomainDispatcherApplication(create_backend_app))
    server = ThreadedWSGIServer(given.host, given.port, app, handler=Handler)
    tick_for_ever()
    server.serve_forever()


def end() -> None:
    control.end()
    os._exit(0)


main()
