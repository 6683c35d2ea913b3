#include "tests/workflows/torch/binary.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"

namespace lockstep {
namespace {

std::string binary() {
  return (fs::read_symlink("/proc/self/exe").parent_path() / "../bin/lockstep-torch").string();
}

pid_t start(const Arguments& arguments, const Environment& environment, int in, int out, int err) {
  std::string path = binary();
  pid_t child = fork();
  if (child != 0) return child;
  dup2(in, 0);
  dup2(out, 1);
  dup2(err, 2);
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> pointers = {path.data()};
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  execv(path.c_str(), pointers.data());
  _exit(127);
}

}  // namespace

Ended run_binary(const Arguments& arguments, const Environment& environment,
                 const std::string& input) {
  TempFolder folder;
  real_files().write_atomic(folder.path() / "in", input);
  int in = open((folder.path() / "in").c_str(), O_RDONLY | O_CLOEXEC);
  int out = open((folder.path() / "out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  int err = open((folder.path() / "err").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  pid_t child = start(arguments, environment, in, out, err);
  for (int fd : {in, out, err}) close(fd);
  int status = 0;
  waitpid(child, &status, 0);
  Ended ended;
  ended.exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ended.out = real_files().read(folder.path() / "out");
  ended.err = real_files().read(folder.path() / "err");
  return ended;
}

WarmWorker::WarmWorker() {
  int in[2];
  int out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
    throw Error(ErrorCode::kUnavailable, "no pipe");
  pid_ = start({"serve"}, {}, in[0], out[1], 2);
  close(in[0]);
  close(out[1]);
  to_ = in[1];
  from_ = out[0];
}

WarmWorker::~WarmWorker() {
  close(to_);
  close(from_);
  waitpid(pid_, nullptr, 0);
}

void WarmWorker::send(const std::string& line) {
  std::string text = line + "\n";
  if (write(to_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw Error(ErrorCode::kUnavailable, "the worker takes no request");
  }
}

Json WarmWorker::ask_line(const std::string& line) {
  send(line);
  std::string answer;
  char c = 0;
  while (read(from_, &c, 1) == 1 && c != '\n') answer += c;
  return Json::parse(answer);
}

Json WarmWorker::ask(const Json& request) {
  return ask_line(request.dump());
}

}  // namespace lockstep
