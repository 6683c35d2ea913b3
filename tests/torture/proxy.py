"""A proxy between a client and a server on loopback that can be slow, cut answers and refuse.

Knows nothing of what is spoken through it.
"""
import socket
import threading
import time

CHUNK = 4096


class Proxy:
    def __init__(self, port):
        self.server_port = port
        self.delay_s = 0.0     # before each piece of an answer
        self.cut_after = None  # bytes of answers until both sides are closed, once for each setting
        self.refuses = False
        self.open = set()
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            if self.refuses:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.server_port), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.open.add((client, server))
            for pair in ((client, server, False), (server, client, True)):
                threading.Thread(target=self.copy, args=pair, daemon=True).start()

    def copy(self, source, target, is_answer):
        try:
            while True:
                data = source.recv(CHUNK)
                if not data:
                    break
                if is_answer:
                    data, cut = self.bend(data)
                    target.sendall(data)
                    if cut:
                        break
                else:
                    target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        with self.lock:
            self.open -= {(source, target), (target, source)}

    def bend(self, data):
        if self.delay_s:
            time.sleep(self.delay_s)
        with self.lock:
            if self.cut_after is None:
                return data, False
            if len(data) < self.cut_after:
                self.cut_after -= len(data)
                return data, False
            data, self.cut_after = data[:self.cut_after], None
            return data, True
