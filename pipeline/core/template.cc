#include <algorithm>

#include "pipeline/base/error.h"
#include "pipeline/core/workflow.h"

namespace lockstep {
namespace {

constexpr const char* kHint =
    "write ${{ matrix.NAME }}, ${{ env.NAME }}, ${{ inputs.NAME }} or ${{ commit.SOURCE }}; no "
    "expressions";

[[noreturn]] void malformed(const std::string& text, const std::string& what) {
  throw Error(ErrorCode::kInvalid, what + " in \"" + text.substr(0, 200) + "\"", kHint);
}

std::string trimmed(const std::string& text) {
  size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '~' || c == '-';
}

// "matrix.client": a known family, a dot, a name.
void check_reference(const std::string& text, const std::string& reference) {
  if (reference.empty()) malformed(text, "empty reference");
  size_t dot = reference.find('.');
  std::string family = reference.substr(0, dot);
  if (family != "matrix" && family != "env" && family != "inputs" && family != "commit") {
    malformed(text, "unknown reference `" + reference.substr(0, 100) + "`");
  }
  std::string name = dot == std::string::npos ? "" : reference.substr(dot + 1);
  if (name.empty() || name[0] == '.' || !std::all_of(name.begin(), name.end(), name_byte)) {
    malformed(text, "malformed reference `" + reference.substr(0, 100) + "`");
  }
}

}  // namespace

TemplateText parse_template(const std::string& text) {
  TemplateText out;
  size_t at = 0;
  while (at < text.size()) {
    size_t open = text.find("${{", at);
    if (open != at) out.parts.push_back({false, text.substr(at, open - at)});
    if (open == std::string::npos) break;
    size_t close = text.find("}}", open + 3);
    if (close == std::string::npos) malformed(text, "`${{` without `}}`");
    std::string reference = trimmed(text.substr(open + 3, close - open - 3));
    check_reference(text, reference);
    out.parts.push_back({true, reference});
    at = close + 2;
  }
  return out;
}

}  // namespace lockstep
