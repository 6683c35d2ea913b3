// Which texts of a delivery may be names: of refs, commits, people, addresses.
// Knows nothing of JSON or forges.
#pragma once

#include <string>
#include <string_view>

namespace lockstep {

constexpr size_t kHookTextLimit = 1024;
constexpr size_t kHookUrlLimit = 2048;

// ASCII letters only.
std::string lower_case(std::string_view text);

// Control characters: C0, DEL and, as terminals obey them too, U+0080 … U+009F.
bool has_control(std::string_view text);

// A name below refs/heads/ or refs/tags/ by the rules of git-check-ref-format(1), which also may
// not begin with '-', of at most kHookTextLimit bytes of UTF-8.
bool good_ref_name(std::string_view name);

// 40 or 64 lower-case hex digits (git), or 32 of 0-9a-v (Dolt).
bool good_commit_id(std::string_view id);
// The id of nothing: all zeros, in one of these lengths.
bool null_commit_id(std::string_view id);

// "owner/name" and longer paths, without control characters, spaces, empty or dot components.
bool good_repository_path(std::string_view path);

// Printable ASCII without spaces, at most kHookUrlLimit bytes, https, http, ssh, git or
// `user@host:path`; without a password.
bool good_hook_url(std::string_view url);

// An id that a forge gives to a delivery: 1 to 128 of A-Z a-z 0-9 _ and -.
bool good_delivery_id(std::string_view id);

}  // namespace lockstep
