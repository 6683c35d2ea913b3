// Sends signed deliveries over many connections at once, for a number of seconds or until the
// server goes away: how many were acknowledged, and how long each took.
//   webhooks_bench PORT HOOK SECRET CONNECTIONS SECONDS IDS   (IDS: a file for the acknowledged
//   ids)
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <openssl/hmac.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>
#include <vector>

#include "pipeline/base/digest.h"

using namespace lockstep;
using Clock_t = std::chrono::steady_clock;

namespace {

struct Sender {
  std::vector<double> took_ms;
  std::vector<std::string> acknowledged;
  size_t refused = 0;
};

std::string hmac_hex(const std::string& secret, const std::string& body) {
  unsigned char out[32];
  unsigned int size = sizeof out;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(body.data()), body.size(), out, &size);
  return hex({out, sizeof out});
}

// As GitHub sends a push; each of another commit, so that no two bodies are equal.
std::string delivery(const std::string& hook, const std::string& secret, const std::string& id) {
  std::string commit = sha256(id).hex().substr(0, 40);
  std::string body = fmt::format(
      R"({{"ref":"refs/heads/main","before":"{0}","after":"{0}","created":false,"deleted":false,)"
      R"("forced":false,"repository":{{"full_name":"acme/code",)"
      R"("html_url":"https://github.com/acme/code"}},"sender":{{"login":"ann"}}}})",
      commit);
  return fmt::format(
      "POST /v1/hooks/{} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "X-GitHub-Event: push\r\nX-GitHub-Delivery: {}\r\nX-Hub-Signature-256: sha256={}\r\n"
      "Content-Length: {}\r\n\r\n{}",
      hook, id, hmac_hex(secret, body), body.size(), body);
}

int connected(uint16_t port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(port);
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&place), sizeof place) == 0) return fd;
  close(fd);
  return -1;
}

// The status of the answer, 0 where the connection ended; reads the answer's body, too.
int answer(int fd) {
  std::string text;
  char piece[4096];
  for (;;) {
    ssize_t got = recv(fd, piece, sizeof piece, 0);
    if (got <= 0) return 0;
    text.append(piece, static_cast<size_t>(got));
    size_t head = text.find("\r\n\r\n"), length = text.find("Content-Length: ");
    if (head == text.npos || length == text.npos) continue;
    if (text.size() >= head + 4 + std::stoul(text.substr(length + 16))) break;
  }
  return std::stoi(text.substr(9, 3));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  auto port = static_cast<uint16_t>(std::stoi(argv[1]));
  const std::string hook = argv[2], secret = argv[3];
  const size_t connections = std::stoul(argv[4]);
  const auto end = Clock_t::now() + std::chrono::milliseconds(std::stol(argv[5]) * 1000);
  std::vector<Sender> senders(connections);
  std::vector<std::thread> threads;
  const auto begin = Clock_t::now();
  for (size_t i = 0; i < connections; ++i) {
    threads.emplace_back([&, i] {
      Sender& mine = senders[i];
      int fd = connected(port);
      for (size_t n = 0; fd >= 0 && Clock_t::now() < end; ++n) {
        std::string id = fmt::format("d-{}-{}-{}", getpid(), i, n);
        std::string request = delivery(hook, secret, id);
        auto sent = Clock_t::now();
        if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) break;
        int status = answer(fd);
        if (status == 0) break;
        mine.took_ms.push_back(
            std::chrono::duration<double, std::milli>(Clock_t::now() - sent).count());
        if (status == 200) mine.acknowledged.push_back(id);
        if (status != 200) ++mine.refused;
      }
      close(fd);
    });
  }
  for (std::thread& thread : threads) thread.join();
  double seconds = std::chrono::duration<double>(Clock_t::now() - begin).count();
  std::vector<double> all;
  std::ofstream ids(argv[6]);
  size_t acknowledged = 0, refused = 0;
  for (const Sender& sender : senders) {
    all.insert(all.end(), sender.took_ms.begin(), sender.took_ms.end());
    for (const std::string& id : sender.acknowledged) ids << id << "\n";
    acknowledged += sender.acknowledged.size();
    refused += sender.refused;
  }
  std::sort(all.begin(), all.end());
  auto at = [&](double part) {
    return all.empty() ? 0 : all[std::min(all.size() - 1, size_t(part * double(all.size())))];
  };
  fmt::print("{} {} {:.2f} {:.1f} {:.2f} {:.2f}\n", acknowledged, refused, seconds,
             double(acknowledged) / seconds, at(0.5), at(0.99));
}
