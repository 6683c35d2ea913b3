#include "pipeline/cli/context.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "pipeline/cli/pager.h"
#include "pipeline/cli/render.h"

namespace lockstep {

Terminal Terminal::real() {
  Terminal terminal{isatty(STDOUT_FILENO) == 1, isatty(STDERR_FILENO) == 1, true, 80, ""};
  if (terminal.out) terminal.pager = pager_command();
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  terminal.colour = !(no_color && *no_color) && !(term && std::string_view(term) == "dumb");
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    terminal.columns = size.ws_col;
  }
  return terminal;
}

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
    case ErrorCode::kNotFound:
      return kExitUsage;
    case ErrorCode::kUnavailable:
      return kExitUnavailable;
    case ErrorCode::kConflict:
    case ErrorCode::kDenied:
      return kExitRefused;
    case ErrorCode::kCorrupt:
      break;
  }
  return kExitFailed;
}

fs::path find_workspace(const fs::path& folder) {
  std::error_code ignored;
  fs::path start = fs::weakly_canonical(folder, ignored);
  if (!fs::is_directory(start, ignored)) {
    throw Error(ErrorCode::kNotFound, "no such folder", "", folder.string());
  }
  for (fs::path at = start;; at = at.parent_path()) {
    if (fs::exists(at / kWorkspaceFile, ignored)) return at;
    if (at == at.parent_path()) break;
  }
  throw Error(ErrorCode::kNotFound,
              std::string("no ") + kWorkspaceFile + " here or in any folder above",
              "make a workspace with `lockstep init`, or name one with -C DIR", start.string());
}

Context::Context(const CliEnvironment& environment)
    : environment_(environment), style_{environment.terminal.out && environment.terminal.colour} {}

int64_t Context::now_ms() const {
  static SystemClock system;
  return (environment_.clock ? *environment_.clock : system).now_ms();
}

fs::path Context::folder() const {
  return folder_option.empty() ? environment_.folder : environment_.folder / folder_option;
}

fs::path Context::workspace() const {
  return find_workspace(folder());
}

ApiResponse Context::ask(const ApiRequest& request) {
  if (!api_ && environment_.remote) api_ = environment_.remote();
  if (!api_) api_ = environment_.open(workspace());
  ApiResponse response = api_(request);
  if (response.status < 400) return response;
  std::vector<Error> all;
  Error error = read_error(response.body, &all);
  if (all.size() > 1) throw Errors(std::move(all));
  throw error;
}

Json Context::call(const ApiRequest& request) {
  ApiResponse response = ask(request);
  return response.text.empty() ? std::move(response.body) : parse_json(response.text, "an answer");
}

Json Context::get(const std::vector<std::string>& segments,
                  const std::map<std::string, std::string>& query) {
  return call({"GET", api_path(segments), query, Json::object(), ""});
}

Json Context::post(const std::vector<std::string>& segments, const Json& body) {
  return call({"POST", api_path(segments), {}, body, ""});
}

void Context::page(const std::function<void(std::ostream&)>& print) {
  const Terminal& terminal = environment_.terminal;
  if (json || no_pager || !terminal.out || terminal.pager.empty()) return print(out());
  Pager pager(terminal.pager);
  print(pager.out());
  api_ = nullptr;  // who reads for long holds up nobody
}

void Context::print_json(const Json& document) {
  out() << json_text(document);
}

int Context::print_error(const Error& error) {
  Json document = error_document(error);
  if (json) {
    print_json(document);
    return exit_code(error.code);
  }
  Style style{environment_.terminal.err && environment_.terminal.colour};
  const Json& one = document["error"];
  if (!one.contains("all")) err() << render_problem(one, style);
  for (const Doc& each : Doc(one).list("all")) err() << render_problem(each, style);
  return exit_code(error.code);
}

ModelName read_model_name(const std::string& text) {
  size_t at = text.rfind('@');
  if (at == std::string::npos) return {text, std::nullopt};
  std::string_view digits = std::string_view(text).substr(at + 1);
  int64_t version = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), version);
  if (at == 0 || error != std::errc() || end != digits.data() + digits.size() || version < 1) {
    throw Error(ErrorCode::kInvalid, "`" + text + "` names no version",
                "write NAME@VERSION, as in intent-client-3@2");
  }
  return {text.substr(0, at), version};
}

}  // namespace lockstep
