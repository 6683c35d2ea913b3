#include "connectors/forge/names.h"

#include <algorithm>

#include "connectors/forge/place.h"
#include "pipeline/base/json.h"

namespace lockstep {
namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz";

bool only(std::string_view text, std::string_view some, std::string_view more = "") {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return some.find(c) != some.npos || more.find(c) != more.npos;
  });
}

bool good_ref_part(std::string_view part) {
  return !part.empty() && part.front() != '.' && !part.ends_with(".lock");
}

template <typename Good>
bool every_part(std::string_view path, const Good& good) {
  for (size_t from = 0; from <= path.size();) {
    const size_t to = std::min(path.find('/', from), path.size());
    if (!good(path.substr(from, to - from))) return false;
    from = to + 1;
  }
  return true;
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return out;
}

bool has_control(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c == 0x7f) return true;
    const bool c1 =
        c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (c1) return true;
  }
  return false;
}

bool good_ref_name(std::string_view name) {
  if (name.empty() || name.size() > kHookTextLimit || name == "@" || name.front() == '-') {
    return false;
  }
  const bool bad_text = !valid_utf8(name) || has_control(name) ||
                        name.find_first_of(" ~^:?*[\\") != name.npos ||
                        name.find("..") != name.npos || name.find("@{") != name.npos;
  return !bad_text && name.back() != '.' && every_part(name, good_ref_part);
}

bool good_commit_id(std::string_view id) {
  if (id.size() == 40 || id.size() == 64) return only(id, kDigits, kLetters.substr(0, 6));
  return id.size() == 32 && only(id, kDigits, kLetters.substr(0, 22));
}

bool null_commit_id(std::string_view id) {
  return good_commit_id(id) && only(id, "0");
}

bool good_repository_path(std::string_view path) {
  const auto good = [](std::string_view part) {
    return !part.empty() && part != "." && part != ".." &&
           part.find_first_of(" \\?#%:@") == part.npos;
  };
  return path.size() <= kHookTextLimit && valid_utf8(path) && !has_control(path) &&
         path.find('/') != path.npos && every_part(path, good);
}

bool good_hook_url(std::string_view url) {
  const auto plain = [](char c) { return c > 0x20 && c < 0x7f; };
  const bool with_user = url.find('@') < url.find(':');  // else `word:…` could be any scheme
  return url.size() <= kHookUrlLimit && std::all_of(url.begin(), url.end(), plain) &&
         (with_user || url.find("://") != url.npos) && remote_place(url).has_value();
}

bool good_delivery_id(std::string_view id) {
  return !id.empty() && id.size() <= 128 && only(lower_case(id), kLetters, "0123456789_-");
}

}  // namespace lockstep
