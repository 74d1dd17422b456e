"""A receiver of OTLP over HTTP that decodes with the messages of PyPI's opentelemetry-proto. What it received is at GET /received; PUT /answer/503
makes it refuse with that status. It refuses by itself what it cannot decode."""

import base64
import gzip
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import MessageToDict
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

SERVICES = {
    "/v1/traces": (traces.ExportTraceServiceRequest, traces.ExportTraceServiceResponse),
    "/v1/metrics": (metrics.ExportMetricsServiceRequest, metrics.ExportMetricsServiceResponse),
    "/v1/logs": (logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse),
}
received = []
answer = {"status": 200}


def has_unknown(message):
    """Whether a message, or one within it, has a field that the definition does not know."""
    if len(UnknownFieldSet(message)) > 0:
        return True
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            inner = value if field.is_repeated else [value]
            if any(has_unknown(each) for each in inner):
                return True
    return False


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, body=b"", kind="application/x-protobuf"):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        if status in (429, 503):
            self.send_header("retry-after", "1")
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.reply(200, json.dumps(received).encode(), "application/json")

    def do_PUT(self):
        answer["status"] = int(self.path.rsplit("/", 1)[1])
        self.reply(200)

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["content-length"]))
        body = gzip.decompress(raw) if self.headers.get("content-encoding") == "gzip" else raw
        request, response = SERVICES[self.path]
        if self.headers["content-type"] != "application/x-protobuf":
            return self.reply(415)
        if answer["status"] != 200:
            return self.reply(answer["status"])
        message = request()
        message.ParseFromString(body)
        if has_unknown(message):
            return self.reply(400)
        received.append(
            {
                "path": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "bytes": base64.b64encode(body).decode(),
                "message": MessageToDict(message),
            }
        )
        self.reply(200, response().SerializeToString())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
