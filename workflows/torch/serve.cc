#include "workflows/torch/serve.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <istream>
#include <string>

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"
#include "workflows/torch/attempt.h"

namespace lockstep {
namespace {

constexpr size_t kMaxMessageBytes = 4096;

struct Request {
  std::string id;
  std::string folder;
  std::string log;
  std::string action;
  Variables variables;
};

Request parse_request(const std::string& line) {
  Json json = parse_json(line, "the request");
  auto text = [&](const char* key) {
    if (!json.is_object() || !json.contains(key) || !json[key].is_string()) {
      throw Error(ErrorCode::kInvalid, fmt::format("the request lacks the text {}", key));
    }
    return json[key].get<std::string>();
  };
  Request request{text("id"), text("cwd"), text("log"), "", {}};
  Json args = json.value("args", Json());
  if (!args.is_array() || args.size() != 2 || args[0] != "run" || !args[1].is_string()) {
    throw Error(ErrorCode::kInvalid, "the request's args are not [\"run\", ACTION]");
  }
  request.action = args[1].get<std::string>();
  Json variables = json.value("env", Json::object());
  if (!variables.is_object()) throw Error(ErrorCode::kInvalid, "the request's env is not a map");
  for (const auto& [name, value] : variables.items()) {
    if (!value.is_string()) throw Error(ErrorCode::kInvalid, "the request's env holds no text");
    request.variables[name] = value.get<std::string>();
  }
  return request;
}

// A card is chosen once per process, before CUDA starts, so the child takes the attempt's.
void enter(const Request& request) {
  int log = open(request.log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (log < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("cannot open the log {}: {}", request.log, std::strerror(errno)));
  }
  if (chdir(request.folder.c_str()) != 0) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("cannot enter {}: {}", request.folder, std::strerror(errno)));
  }
  auto card = request.variables.find("CUDA_VISIBLE_DEVICES");
  if (card == request.variables.end()) {
    unsetenv("CUDA_VISIBLE_DEVICES");
  } else {
    setenv("CUDA_VISIBLE_DEVICES", card->second.c_str(), 1);
  }
}

// In the child: the exit status, and the message for the parent through `pipe`.
int attempt_in_child(const Request& request, int pipe) {
  std::string message;
  try {
    enter(request);
    run_attempt(request.action, request.variables, load_trainer, std::cerr);
    return 0;
  } catch (const std::exception& error) {
    message = error.what();
  }
  std::cerr << "error: " << message << std::endl;
  message.resize(std::min(message.size(), kMaxMessageBytes));
  // When the worker is gone there is nobody to tell; the log has it.
  (void)!write(pipe, message.data(), message.size());
  return 1;
}

std::string read_all(int fd) {
  std::string out;
  char buffer[512];
  while (true) {
    ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return out;
    out.append(buffer, static_cast<size_t>(n));
  }
}

struct Outcome {
  int exit = 1;
  std::string message;
};

Outcome wait_for(pid_t child, int pipe) {
  Outcome outcome;
  outcome.message = read_all(pipe);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFSIGNALED(status)) {
    outcome.exit = 128 + WTERMSIG(status);
    outcome.message = fmt::format("ended by signal {}", WTERMSIG(status));
  } else {
    outcome.exit = WEXITSTATUS(status);
  }
  return outcome;
}

Outcome run_in_child(const Request& request, int answers_fd) {
  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC) != 0) return {1, std::strerror(errno)};
  pid_t parent = getpid();
  pid_t child = fork();
  if (child == 0) {
    // The worker's end is the attempt's: nothing goes on training unseen.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    close(answers_fd);
    close(pipe[0]);
    int status = attempt_in_child(request, pipe[1]);
    std::fflush(nullptr);
    _exit(status);
  }
  int number = errno;
  close(pipe[1]);
  Outcome outcome = child < 0 ? Outcome{1, std::strerror(number)} : wait_for(child, pipe[0]);
  close(pipe[0]);
  return outcome;
}

void answer(int fd, const std::string& id, const Outcome& outcome) {
  Json line = {{"id", id}, {"exit", outcome.exit}, {"message", outcome.message}};
  std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  for (size_t at = 0; at < text.size();) {
    ssize_t n = write(fd, text.data() + at, text.size() - at);
    if (n < 0 && errno != EINTR) throw Error(ErrorCode::kUnavailable, "nobody reads the answers");
    if (n > 0) at += static_cast<size_t>(n);
  }
}

}  // namespace

int serve(std::istream& requests, int answers_fd) {
  load_trainer();
  signal(SIGPIPE, SIG_IGN);
  for (std::string line; std::getline(requests, line);) {
    std::string id;
    try {
      Request request = parse_request(line);
      id = request.id;
      answer(answers_fd, id, run_in_child(request, answers_fd));
    } catch (const Error& error) {
      if (error.code == ErrorCode::kUnavailable) throw;
      answer(answers_fd, id, {2, error.what()});
    }
  }
  return 0;
}

}  // namespace lockstep
