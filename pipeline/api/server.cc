#include "pipeline/api/server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "pipeline/api/peer.h"
#include "pipeline/api/session.h"

namespace lockstep {
namespace {

namespace beast = boost::beast;
namespace net = boost::asio;
using Local = net::local::stream_protocol;

// Sends a short refusal without waiting: the socket's buffer takes it whole, or it is lost.
void turn_away(Local::socket& socket, int status, const Error& error) {
  beast::error_code ignored;
  socket.non_blocking(true, ignored);
  net::write(socket, net::buffer(plain_answer(status, error)), ignored);
}

}  // namespace

struct ServerLoop {
  net::io_context io{1};
  Local::acceptor acceptor{io};
  net::steady_timer pause{io};
};

struct ApiServer::State {
  State(Api& api, fs::path path_in, const ServerLimits& limits)
      : path(std::move(path_in)), core(api, limits) {}

  void bind();
  void accept();
  void welcome(Local::socket socket);
  void drain();

  const fs::path path;
  ServerCore core;
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

void ApiServer::State::accept() {
  loop.acceptor.async_accept([this](beast::error_code error, Local::socket socket) {
    if (core.stopping || error == net::error::operation_aborted) return;
    if (!error) {
      welcome(std::move(socket));
      return accept();
    }
    // Out of descriptors, most likely: a connection that ends gives one back.
    loop.pause.expires_after(std::chrono::milliseconds(100));
    loop.pause.async_wait([this](beast::error_code cancelled) {
      if (!cancelled) accept();
    });
  });
}

void ApiServer::State::welcome(Local::socket socket) {
  try {
    Peer peer = peer_of(socket.native_handle());
    if (!peer_allowed(peer.uid, geteuid())) {
      return turn_away(socket, 403,
                       Error(ErrorCode::kDenied, "this daemon belongs to " + user_name(geteuid())));
    }
    if (core.connections >= core.limits.connections) {
      return turn_away(
          socket, 503,
          Error(ErrorCode::kUnavailable, "the daemon has too many connections", "try again"));
    }
    std::make_shared<Session>(core, std::move(socket), user_name(peer.uid))->start();
  } catch (const std::exception&) {
    // This connection is closed; the others go on.
  }
}

void ApiServer::State::drain() {
  for (int i = 0; i < 100 && core.writing > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

ApiServer::ApiServer(Api& api, fs::path socket, ServerLimits limits)
    : state_(std::make_unique<State>(api, std::move(socket), limits)) {}

ApiServer::~ApiServer() {
  stop();
}

void ApiServer::start() {
  state_->bind();
  state_->accept();
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
}

}  // namespace lockstep
