#include "pipeline/api/server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "pipeline/api/peer.h"
#include "pipeline/api/session.h"

namespace lockstep {
namespace {

namespace beast = boost::beast;
namespace net = boost::asio;
using Local = net::local::stream_protocol;

using Tcp = net::ip::tcp;

// Sends a short refusal without waiting: the socket's buffer takes it whole, or it is lost.
template <class Socket>
void turn_away(Socket& socket, int status, const Error& error) {
  beast::error_code ignored;
  socket.non_blocking(true, ignored);
  net::write(socket, net::buffer(plain_answer(status, error)), ignored);
}

Error too_many() {
  return Error(ErrorCode::kUnavailable, "the daemon has too many connections", "try again");
}

std::shared_ptr<net::ssl::context> tls_of(const Listener& listener) {
  auto tls = std::make_shared<net::ssl::context>(net::ssl::context::tls_server);
  tls->set_options(net::ssl::context::default_workarounds | net::ssl::context::no_tlsv1 |
                   net::ssl::context::no_tlsv1_1 | net::ssl::context::no_compression);
  beast::error_code error;
  tls->use_certificate_chain_file(listener.certificate.string(), error);
  if (error) {
    throw Error(ErrorCode::kInvalid, "the certificate can't be read: " + error.message(),
                "it is a file in PEM, with the chain behind it", listener.certificate.string());
  }
  tls->use_private_key_file(listener.key.string(), net::ssl::context::pem, error);
  if (error || SSL_CTX_check_private_key(tls->native_handle()) != 1) {
    throw Error(ErrorCode::kInvalid, "the key can't be read, or is not that of the certificate",
                "it is a file in PEM, without a password", listener.key.string());
  }
  return tls;
}

}  // namespace

// An address that is listened on.
struct Gate {
  Gate(net::io_context& io, const Listener& listener_in, Tokens& tokens_in)
      : address(listener_in.address),
        port(listener_in.port),
        listener(std::make_shared<const Listener>(listener_in)),
        seats(std::make_shared<Seats>(listener_in.connections, listener_in.connections_of_address)),
        tokens(tokens_in),
        acceptor(io),
        pause(io) {}

  const std::string address;
  const uint16_t port;
  std::shared_ptr<const Listener> listener;  // with `tls`, of the I/O thread once it runs
  const std::shared_ptr<Seats> seats;
  Tokens& tokens;
  std::shared_ptr<net::ssl::context> tls;  // null: none
  Tcp::acceptor acceptor;
  net::steady_timer pause;
};

struct ServerLoop {
  net::io_context io{1};
  Local::acceptor acceptor{io};
  net::steady_timer pause{io};
  net::steady_timer news{io};
  std::atomic<bool> news_waits{false};
  std::vector<std::unique_ptr<Gate>> gates;
};

struct ApiServer::State {
  State(Api& api, fs::path path_in, const ServerLimits& limits, EventFeed* feed)
      : path(std::move(path_in)),
        core(api, feed, limits),
        seats(std::make_shared<Seats>(limits.connections, limits.connections)) {}

  void bind();
  template <class Door, class Socket>
  void accept(Door& door, Socket socket);
  void welcome(ServerLoop& door, Local::socket socket);
  void welcome(Gate& gate, Tcp::socket socket);
  void drain();
  void tell_news();

  const fs::path path;
  ServerCore core;
  const std::shared_ptr<Seats> seats;  // of the Unix socket
  ServerLoop loop;  // after `core`: its destruction ends the sessions, which use `core`
  std::thread thread;
  struct stat made {};  // the socket file as we made it
};

void ApiServer::State::bind() {
  std::error_code ignored;
  if (socket_answers(path)) {
    throw Error(ErrorCode::kConflict, "a daemon already serves this socket",
                "stop it, or speak to it: `lockstep status`", path.string());
  }
  if (fs::exists(fs::symlink_status(path, ignored))) {
    if (!fs::is_socket(fs::symlink_status(path, ignored))) {
      throw Error(ErrorCode::kConflict, "there is a file where the socket belongs", "move it away",
                  path.string());
    }
    fs::remove(path, ignored);
  }
  SocketAddress address(path);
  beast::error_code error;
  loop.acceptor.open(Local(), error);
  if (!error) loop.acceptor.bind(Local::endpoint(address.text()), error);
  // Nobody can connect before listen(), so nobody ever meets other permissions.
  if (!error && chmod(path.c_str(), 0600) != 0)
    error.assign(errno, boost::system::system_category());
  if (!error) loop.acceptor.listen(net::socket_base::max_listen_connections, error);
  if (error) {
    throw Error(ErrorCode::kUnavailable, "can't serve the socket: " + error.message(),
                "is its folder there and writable?", path.string());
  }
  stat(path.c_str(), &made);
}

template <class Door, class Socket>
void ApiServer::State::accept(Door& door, Socket socket) {
  auto place = std::make_shared<Socket>(std::move(socket));
  door.acceptor.async_accept(*place, [this, &door, place](beast::error_code error) {
    if (core.stopping || error == net::error::operation_aborted) return;
    if (!error) {
      try {
        welcome(door, std::move(*place));
      } catch (const std::exception&) {
        // This connection is closed; the others go on.
      }
      return accept(door, Socket(loop.io));
    }
    // Out of descriptors, most likely: a connection that ends gives one back.
    door.pause.expires_after(std::chrono::milliseconds(100));
    door.pause.async_wait([this, &door](beast::error_code cancelled) {
      if (!cancelled) accept(door, Socket(loop.io));
    });
  });
}

void ApiServer::State::welcome(ServerLoop&, Local::socket socket) {
  Peer peer = peer_of(socket.native_handle());
  if (!peer_allowed(peer.uid, geteuid())) {
    return turn_away(socket, 403,
                     Error(ErrorCode::kDenied, "this daemon belongs to " + user_name(geteuid())));
  }
  if (!seats->enter("socket")) return turn_away(socket, 503, too_many());
  Visit visit{"socket", {user_name(peer.uid), std::string(kAdmin)}, nullptr, nullptr, seats};
  std::make_shared<Session<LocalStream>>(core, LocalStream(std::move(socket)), std::move(visit))
      ->start();
}

void ApiServer::State::welcome(Gate& gate, Tcp::socket socket) {
  beast::error_code ignored;
  socket.set_option(Tcp::no_delay(true), ignored);
  std::string address = socket.remote_endpoint().address().to_string();
  if (!gate.seats->enter(address)) {
    if (!gate.tls) turn_away(socket, 503, too_many());
    return;
  }
  Visit visit{address, {}, &gate.tokens, gate.listener, gate.seats};
  if (gate.tls) {
    std::make_shared<Session<TlsStream>>(core, TlsStream(std::move(socket), *gate.tls),
                                         std::move(visit))
        ->start();
  } else {
    std::make_shared<Session<PlainStream>>(core, PlainStream(std::move(socket)), std::move(visit))
        ->start();
  }
}

void ApiServer::State::drain() {
  for (int i = 0; i < 100 && core.writing > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

// Many turns of the engine in a row are told together: a thousand followers cost little.
void ApiServer::State::tell_news() {
  static constexpr auto kPause = std::chrono::milliseconds(20);
  if (loop.news_waits.exchange(true)) return;
  net::post(loop.io, [this] {
    loop.news.expires_after(kPause);
    loop.news.async_wait([this](beast::error_code cancelled) {
      loop.news_waits = false;
      if (!cancelled) core.wake_all();
    });
  });
}

ApiServer::ApiServer(Api& api, fs::path socket, ServerLimits limits, EventFeed* feed)
    : state_(std::make_unique<State>(api, std::move(socket), limits, feed)) {}

ApiServer::~ApiServer() {
  stop();
}

uint16_t ApiServer::listen(const Listener& listener, Tokens& tokens) {
  auto gate = std::make_unique<Gate>(state_->loop.io, listener, tokens);
  if (!listener.certificate.empty()) gate->tls = tls_of(listener);
  beast::error_code error;
  Tcp::endpoint place(net::ip::make_address(listener.address, error), listener.port);
  if (!error) gate->acceptor.open(place.protocol(), error);
  if (!error) gate->acceptor.set_option(net::socket_base::reuse_address(true), error);
  if (!error) gate->acceptor.bind(place, error);
  if (!error) gate->acceptor.listen(net::socket_base::max_listen_connections, error);
  if (error) {
    throw Error(ErrorCode::kUnavailable,
                "can't listen on " + listener.address + " port " + std::to_string(listener.port) +
                    ": " + error.message(),
                "is the address this machine's, and the port free?");
  }
  state_->loop.gates.push_back(std::move(gate));
  return state_->loop.gates.back()->acceptor.local_endpoint().port();
}

void ApiServer::check(const Listener& listener) {
  if (!listener.certificate.empty()) tls_of(listener);
}

void ApiServer::change(const Listener& listener) {
  std::shared_ptr<net::ssl::context> tls;
  if (!listener.certificate.empty()) tls = tls_of(listener);
  for (auto& gate : state_->loop.gates) {
    if (gate->address != listener.address || gate->port != listener.port) continue;
    gate->seats->limit(listener.connections, listener.connections_of_address);
    // Sessions have a listener and a context of their own to the end.
    net::post(state_->loop.io, [gate = gate.get(), tls, listener] {
      gate->listener = std::make_shared<const Listener>(listener);
      gate->tls = tls;
    });
    return;
  }
  throw Error(ErrorCode::kNotFound,
              "nothing listens on " + listener.address + " port " + std::to_string(listener.port));
}

std::map<std::string, size_t> ApiServer::connections() const {
  std::map<std::string, size_t> all = {{"socket", state_->seats->taken()}};
  for (const auto& gate : state_->loop.gates) {
    all[gate->address + ":" + std::to_string(gate->port)] = gate->seats->taken();
  }
  return all;
}

size_t ApiServer::followers() const {
  return state_->core.followers();
}

void ApiServer::start() {
  state_->bind();
  if (state_->core.feed) state_->core.feed->on_news([state = state_.get()] { state->tell_news(); });
  state_->accept(state_->loop, Local::socket(state_->loop.io));
  for (auto& gate : state_->loop.gates) state_->accept(*gate, Tcp::socket(state_->loop.io));
  state_->thread = std::thread([state = state_.get()] {
    while (!state->loop.io.stopped()) {
      try {
        state->loop.io.run();
      } catch (const std::exception&) {
        // Out of memory in one session: that one is gone, the loop goes on.
      }
    }
  });
}

void ApiServer::stop() {
  if (!state_->thread.joinable()) return;
  state_->core.stopping = true;
  if (state_->core.feed) state_->core.feed->on_news(nullptr);
  struct stat now {};
  bool ours = stat(state_->path.c_str(), &now) == 0 && now.st_ino == state_->made.st_ino &&
              now.st_dev == state_->made.st_dev;
  if (ours) unlink(state_->path.c_str());
  state_->core.quick.stop();
  state_->core.slow.stop();
  state_->drain();
  state_->loop.io.stop();
  state_->thread.join();
  beast::error_code ignored;
  state_->loop.acceptor.close(ignored);
  for (auto& gate : state_->loop.gates) gate->acceptor.close(ignored);
}

}  // namespace lockstep
