#!/usr/bin/env python3
"""A forge's API and a receiver of notifications, as far as the documents of GitHub say, for tests:
FOLDER PORT TOKEN SECRET. It keeps what it was told in FOLDER:

  statuses.jsonl       {"commit", "state", "description", "target_url"}, one line each, as they came
  comments.json        {number: {id: body}}, as they are now
  notices.jsonl        {"id", "time", "good": is the signature right?, "body"}
  asked                one line for each request: its method, path and status

and does as the files there say: `answer` is the status of every answer, `wait` the seconds before
it, `pulls` the list of open pull requests.
"""
import base64
import hashlib
import hmac
import json
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER, TOKEN, SECRET = Path(sys.argv[1]), sys.argv[3], sys.argv[4]


def setting(name, default=""):
    file = FOLDER / name
    return file.read_text().strip() if file.exists() else default


def append(name, document):
    with (FOLDER / name).open("a") as out:
        out.write(json.dumps(document) + "\n")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, document):
        body = json.dumps(document).encode()
        with (FOLDER / "asked").open("a") as out:
            out.write(f"{self.command} {self.path} {status}\n")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_all(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(float(setting("wait", "0")))
        forced = int(setting("answer", "0"))
        if forced:
            return self.answer(forced, {"message": "as asked for"})
        if self.path == "/notify":
            return self.take_notice(raw)
        if self.headers.get("Authorization") != "Bearer " + TOKEN:
            return self.answer(401, {"message": "Bad credentials"})
        return self.api(json.loads(raw) if raw else None)

    do_GET = do_POST = do_PATCH = handle_all

    def take_notice(self, raw):
        name, stamp = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        signed = f"{name}.{stamp}.".encode() + raw
        wanted = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest())
        append("notices.jsonl", {
            "id": name, "time": int(stamp), "body": json.loads(raw),
            "good": self.headers["webhook-signature"] == "v1," + wanted.decode()})
        self.answer(200, {})

    def api(self, body):
        path = self.path.split("?")[0]
        status = re.fullmatch(r"/repos/acme/[a-z]+/statuses/([0-9a-f]{40})", path)
        if status and self.command == "POST":
            append("statuses.jsonl", {"commit": status[1], **body})
            return self.answer(201, body)
        if path.endswith("/pulls"):
            head = self.path.split("head=")[1].split("&")[0].replace("%3A", ":").split(":")[1]
            pulls = json.loads(setting("pulls", "[]"))
            return self.answer(200, [one for one in pulls if one["head"]["ref"] == head])
        found = re.fullmatch(r"/repos/acme/[a-z]+/issues/(\d+)/comments", path)
        edited = re.fullmatch(r"/repos/acme/[a-z]+/issues/comments/(\d+)", path)
        comments = json.loads(setting("comments.json", "{}"))
        if found and self.command == "GET":
            first = "page=1" in self.path.split("&")
            mine = comments.get(found[1], {}) if first else {}
            return self.answer(200, [{"id": int(i), "body": text} for i, text in mine.items()])
        if found:
            number = str(sum(len(of) for of in comments.values()) + 1)
            comments.setdefault(found[1], {})[number] = body["body"]
        elif edited:
            for of in comments.values():
                if edited[1] in of:
                    of[edited[1]] = body["body"]
        else:
            return self.answer(404, {"message": "Not Found"})
        (FOLDER / "comments.json").write_text(json.dumps(comments))
        return self.answer(201 if found else 200, {"id": 1})


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
