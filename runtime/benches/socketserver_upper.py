"""The upper-casing servers of socketserver's documentation, on every transport and schedule.

    python3 socketserver_upper.py TRANSPORT SCHEDULE PROGRAM ADDRESS

TRANSPORT: tcp, udp, unix, unixgram. SCHEDULE: sync, threaded, forking. PROGRAM: upper (one read or one packet,
stripped), upper-loop (every read, nothing stripped), echo (rfile copied to wfile). ADDRESS: HOST:PORT, a path, or
@NAME in the abstract name space. Prints "listening on" and the address when clients can connect.
"""

import shutil
import socketserver
import sys


class Upper(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(self.request.recv(1024).strip().upper())


class UpperPacket(socketserver.BaseRequestHandler):
    def handle(self):
        packet, socket = self.request
        socket.sendto(packet.strip().upper(), self.client_address)


class UpperLoop(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(8192):
            self.request.sendall(data.upper())


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        shutil.copyfileobj(self.rfile, self.wfile)


TRANSPORTS = {
    "tcp": socketserver.TCPServer,
    "udp": socketserver.UDPServer,
    "unix": socketserver.UnixStreamServer,
    "unixgram": socketserver.UnixDatagramServer,
}
SCHEDULES = {
    "sync": [],
    "threaded": [socketserver.ThreadingMixIn],
    "forking": [socketserver.ForkingMixIn],
}
PROGRAMS = {"upper": Upper, "upper-loop": UpperLoop, "echo": Echo}


def main(transport, schedule, program, text):
    handler = PROGRAMS[program]
    if transport in ("udp", "unixgram"):
        handler = UpperPacket
    # What ThreadingTCPServer and its like are in socketserver itself.
    server_class = type("Server", (*SCHEDULES[schedule], TRANSPORTS[transport]), {})
    server_class.request_queue_size = 1024  # as `runtime serve`
    if transport in ("tcp", "udp"):
        host, port = text.rsplit(":", 1)
        address = (host, int(port))
    else:
        address = "\0" + text[1:] if text.startswith("@") else text
    with server_class(address, handler) as server:
        if transport in ("tcp", "udp"):
            text = "//{}:{}".format(*server.server_address)
        print(f"listening on {transport}:{text}", file=sys.stderr, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
