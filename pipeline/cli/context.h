// What every command has at hand: the global options, the API and the way to print.
// Knows nothing of single commands.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "pipeline/cli/cli.h"
#include "pipeline/cli/document.h"
#include "pipeline/cli/table.h"

namespace lockstep {

class Context {
 public:
  explicit Context(const CliEnvironment& environment);

  bool json = false;
  std::string folder_option;  // -C
  bool no_pager = false;

  const CliEnvironment& environment() const { return environment_; }
  const Style& style() const { return style_; }
  std::ostream& out() const { return *environment_.out; }
  std::ostream& err() const { return *environment_.err; }
  int64_t now_ms() const;
  fs::path folder() const;     // the current one, or -C
  fs::path workspace() const;  // found from folder()

  // One call; errors in the answer are thrown. Segments are encoded here.
  Json get(const std::vector<std::string>& segments,
           const std::map<std::string, std::string>& query = {});
  Json post(const std::vector<std::string>& segments, const Json& body = Json::object());

  // Prints the document as JSON, or what `render` makes of it. Gives `code` back.
  template <class Render>
  int show(const Json& document, const Render& render, int code = kExitDone) {
    if (json) {
      print_json(document);
    } else {
      out() << render(Doc(document));
    }
    return code;
  }
  // The same of one question's answer, which as JSON needs no reading where it is text already.
  template <class Render>
  int show_answer(const std::vector<std::string>& segments, const Render& render) {
    ApiResponse answer = ask({"GET", api_path(segments), {}, Json::object(), ""});
    if (answer.text.empty()) return show(answer.body, render);
    if (!json) return show(parse_json(answer.text, "an answer"), render);
    out() << answer.text;
    return kExitDone;
  }
  void print_json(const Json& document);
  // Text that may be long: to a pager where stdout is a terminal, else to out(). `print` stops
  // where the stream is no longer good: the user has seen enough. The API is closed behind it.
  void page(const std::function<void(std::ostream&)>& print);
  // The error as the contract has it; gives its exit code.
  int print_error(const Error& error);

 private:
  ApiResponse ask(const ApiRequest& request);
  Json call(const ApiRequest& request);

  const CliEnvironment& environment_;
  Style style_;
  ApiCall api_;
};

// "intent-client-3@2": a name and perhaps a version; throws invalid.
struct ModelName {
  std::string name;
  std::optional<int64_t> version;
};
ModelName read_model_name(const std::string& text);

}  // namespace lockstep
