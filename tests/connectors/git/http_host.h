// A git server on loopback: `git http-backend` behind python3's http.server, with basic
// authentication, a path that hangs and one that redirects; with TLS on request.
// Knows nothing of the classes under test but the file and process helpers.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"

namespace lockstep {

inline constexpr char kGitHttpHost[] = R"PY(
import base64, http.server, os, ssl, subprocess, sys, time
root, secret, port_file, cert = sys.argv[1:5]
backend = os.path.join(subprocess.check_output(['git', '--exec-path'], text=True).strip(),
                       'git-http-backend')

class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *unused): pass
    def answer(self, status, headers, body=b''):
        self.send_response(status)
        for name, value in headers: self.send_header(name, value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        path, _, query = self.path.partition('?')
        if path.startswith('/hang/'): time.sleep(60)
        if path.startswith('/moved/'):
            return self.answer(301, [('Location', self.path.replace('/moved/', '/'))])
        wanted = 'Basic ' + base64.b64encode(secret.encode()).decode()
        if secret and self.headers.get('Authorization') != wanted:
            return self.answer(401, [('WWW-Authenticate', 'Basic realm="x"')])
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        env = dict(os.environ, GIT_PROJECT_ROOT=root, GIT_HTTP_EXPORT_ALL='1', PATH_INFO=path,
                   QUERY_STRING=query, REQUEST_METHOD=self.command,
                   CONTENT_TYPE=self.headers.get('Content-Type', ''), CONTENT_LENGTH=str(len(body)),
                   HTTP_CONTENT_ENCODING=self.headers.get('Content-Encoding', ''),
                   GIT_PROTOCOL=self.headers.get('Git-Protocol', ''),
                   GIT_CONFIG_GLOBAL='/dev/null')
        out = subprocess.run([backend], input=body, env=env, capture_output=True).stdout
        head, _, body = out.partition(b'\r\n\r\n')
        headers = [line.split(': ', 1) for line in head.decode().split('\r\n')]
        status = next((int(v[:3]) for k, v in headers if k == 'Status'), 200)
        self.answer(status, [h for h in headers if h[0] != 'Status'], body)
    do_POST = do_GET

server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
server.daemon_threads = True
if cert:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert)
    server.socket = context.wrap_socket(server.socket, server_side=True)
with open(port_file + '.new', 'w') as f: f.write(str(server.server_port))
os.rename(port_file + '.new', port_file)
server.serve_forever()
)PY";

class GitHttpHost {
 public:
  // Serves the repositories below `root`. `secret` is "user:password" or empty; `cert` a PEM file
  // with key and certificate, or empty for plain HTTP.
  explicit GitHttpHost(const fs::path& root, const std::string& secret = "",
                       const std::string& cert = "") {
    const std::string script = (temp_.path() / "host.py").string();
    const std::string port = (temp_.path() / "port").string();
    std::ofstream(script) << kGitHttpHost;
    const std::string where = root.string();
    const char* argv[] = {"python3",    script.c_str(), where.c_str(), secret.c_str(),
                          port.c_str(), cert.c_str(),   nullptr};
    if (posix_spawnp(&pid_, "python3", nullptr, nullptr, const_cast<char**>(argv), environ) != 0) {
      throw Error(ErrorCode::kUnavailable, "python3 is missing");
    }
    for (int tries = 0; tries < 500 && !fs::exists(port); ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    std::string number;
    std::ifstream(port) >> number;
    base_ = (cert.empty() ? "http://127.0.0.1:" : "https://127.0.0.1:") + number + "/";
  }
  ~GitHttpHost() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  GitHttpHost(const GitHttpHost&) = delete;
  GitHttpHost& operator=(const GitHttpHost&) = delete;

  std::string url(const std::string& path) const { return base_ + path; }

 private:
  TempFolder temp_;
  pid_t pid_ = 0;
  std::string base_;
};

}  // namespace lockstep
