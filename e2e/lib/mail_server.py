"""A mail server on loopback that prints each message it receives: `mail_server.py <port>`."""

import sys
import threading

from aiosmtpd.controller import Controller


class Printing:
    async def handle_DATA(self, server, session, envelope):
        print("MAIL\n" + envelope.content.decode(), flush=True)
        return "250 Accepted"


Controller(Printing(), hostname="127.0.0.1", port=int(sys.argv[1])).start()
print("ready", flush=True)
threading.Event().wait()
