"""A door before a registry on loopback that holds back one kind of request.

  registry_gate.py PORT REGISTRY_PORT FOLDER

FOLDER/hold: a PUT of the manifest `production` waits until that file is gone; FOLDER/held says that
one waits. Knows nothing of what passes.
"""
import http.client
import http.server
import pathlib
import sys
import time

PORT, REGISTRY, FOLDER = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])


class Gate(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command == "PUT" and self.path.endswith("/manifests/production"):
            while (FOLDER / "hold").exists():
                (FOLDER / "held").touch()
                time.sleep(0.01)
        server = http.client.HTTPConnection("127.0.0.1", REGISTRY)
        server.request(self.command, self.path, body, dict(self.headers))
        answer = server.getresponse()
        self.answer(answer.status, answer.getheaders(), answer.read())
        server.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = pass_on

    def answer(self, status, headers, body):
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() != "content-length" or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Gate).serve_forever()
