"""A mail server on loopback that prints each message it receives: `mail_server.py <port> [<settings as JSON>]`.

Settings: `tls` is `none`, `starttls` or `implicit`; `certificate` and `key` are files; `password` makes it ask for the user
`gatewright` with that password, in the ways that `mechanisms` lists.
"""

import json
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

settings = {"tls": "none", "mechanisms": ["PLAIN", "LOGIN"], **json.loads(sys.argv[2] if len(sys.argv) > 2 else "{}")}


class Printing:
    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        print(f"EHLO encrypted={is_encrypted(server, session)}", flush=True)
        return responses

    async def handle_DATA(self, server, session, envelope):
        print(f"DATA encrypted={is_encrypted(server, session)} authenticated={session.authenticated}", flush=True)
        print("MAIL\n" + envelope.content.decode(), flush=True)
        return "250 Accepted"


def is_encrypted(server, session):
    return settings["tls"] == "implicit" or session.ssl is not None


def authenticate(server, session, envelope, mechanism, data):
    print(f"AUTH {mechanism} encrypted={is_encrypted(server, session)}", flush=True)
    right = data.login == b"gatewright" and data.password == settings["password"].encode()
    return AuthResult(success=right, handled=False)


more = {}
if settings["tls"] != "none":
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings["certificate"], settings["key"])
    more = {"ssl_context": context} if settings["tls"] == "implicit" else {"tls_context": context, "require_starttls": True}
if "password" in settings:
    excluded = {"PLAIN", "LOGIN"} - set(settings["mechanisms"])
    # With TLS from the first byte, aiosmtpd does not know that the connection is encrypted.
    more |= {"authenticator": authenticate, "auth_required": True, "auth_exclude_mechanism": excluded}
    more |= {"auth_require_tls": settings["tls"] == "starttls"}

Controller(Printing(), hostname="127.0.0.1", port=int(sys.argv[1]), **more).start()
print("ready", flush=True)
threading.Event().wait()
