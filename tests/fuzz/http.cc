// Requests as bytes, sent to a real server: every answer is whole and one that is documented, and
// nothing is asked of the workspace before a head has ended.
#include <sys/socket.h>
#include <unistd.h>

#include "pipeline/base/fd.h"
#include "pipeline/base/sockets.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/served.h"

using namespace lockstep;
using fuzz::claim;

namespace {

// Sends all and reads to the end. What the server closed early is not sent to its end.
std::string exchange(const fs::path& socket, std::string_view bytes) {
  Fd fd = connect_unix(socket);
  while (!bytes.empty()) {
    const ssize_t n = send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) break;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  shutdown(fd.get(), SHUT_WR);
  std::string out;
  char buffer[16384];
  for (ssize_t n; (n = recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) {
    out.append(buffer, static_cast<size_t>(n));
  }
  return out;
}

// Takes one answer off; its status.
int take_answer(std::string_view& text) {
  claim(text.substr(0, 9) == "HTTP/1.1 " && text.size() > 12, "an answer has a status line");
  const int status = std::atoi(std::string(text.substr(9, 3)).c_str());
  const size_t end = text.find("\r\n\r\n"), length = text.find("Content-Length: ");
  claim(end != text.npos && length < end, "an answer has a head with a length");
  const size_t body = std::strtoul(std::string(text.substr(length + 16, 12)).c_str(), nullptr, 10);
  claim(end + 4 + body <= text.size(), "an answer is whole");
  claim(Json::accept(text.substr(end + 4, body)), "an answer is JSON");
  text.remove_prefix(end + 4 + body);
  return status;
}

bool documented(int status) {
  for (int one : {200, 400, 404, 405, 411, 413, 415, 431, 503}) {
    if (status == one) return true;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Served& server = fuzz::served();
  const std::string_view text = fuzz::text_of(data, size);
  const size_t asked = server.backend.asked().size();
  const std::string said = exchange(server.socket(), text);
  size_t answers = 0, heads = 0, fine = 0;
  for (std::string_view left = said; !left.empty(); ++answers) {
    const int status = take_answer(left);
    claim(documented(status), "a status that docs/API.md names");
    fine += status == 200;
  }
  for (size_t at = 0; (at = text.find("\r\n\r\n", at)) != text.npos; at += 4) ++heads;
  claim(answers <= heads + 1, "no more answers than requests");
  const size_t now_asked = server.backend.asked().size();
  claim(now_asked - asked <= heads, "no more is asked than there are requests");
  claim(fine <= heads, "no answer to what was not asked");
  return 0;
}
