// What the workspace file says of requests that go out: commit statuses, notifications, the address
// that links begin with, and which inner hosts may be spoken to.
#include <fmt/core.h>

#include <algorithm>

#include "workflows/language/readers.h"
#include "workflows/language/workspace_parts.h"

namespace lockstep {
namespace {

constexpr size_t kMostUrl_bytes = 2048;
const std::vector<std::string> kEvents = {"failure", "gate", "release", "rollback"};

bool begins(std::string_view text, std::string_view part) {
  return text.substr(0, part.size()) == part;
}

// http(s)://HOST[:PORT][/PATH], without a slash at its end; empty when it was none.
std::string read_web(const YamlNode& node, const std::string& what, Diagnostics& diagnostics) {
  std::string text = read_text(node, what, diagnostics).value_or("");
  if (text.empty()) return "";
  const size_t host = begins(text, "https://") ? 8 : begins(text, "http://") ? 7 : 0;
  const bool odd = text.find_first_of("@?# ") != text.npos || text.size() > kMostUrl_bytes;
  if (host == 0 || odd || host == text.size() || text[host] == '/') {
    // Not repeated: a password may stand in it.
    diagnostics.error(node.place(), what + " must be https://HOST[:PORT][/PATH]",
                      "without a user, a query or spaces");
    return "";
  }
  while (text.back() == '/') text.pop_back();
  return text;
}

bool repository_path(std::string_view text) {
  const bool plain =
      text.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/") == text.npos;
  return plain && text.find('/') != text.npos && text.find("//") == text.npos &&
         text.front() != '/' && text.back() != '/';
}

void read_hosts(const YamlNode& node, const std::string& what, Diagnostics& diagnostics,
                std::vector<std::string>& hosts) {
  for (std::string& host : read_texts(node, what, diagnostics)) {
    for (char& c : host) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    const bool good =
        host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.:-") == host.npos;
    if (!good || host.size() > 253) {
      diagnostics.error(node.place(), what + " has an entry that is no host",
                        "names or addresses, without scheme or port");
    }
    hosts.push_back(std::move(host));
  }
}

void read_command(const YamlNode& node, const std::string& what, Diagnostics& diagnostics,
                  NotificationSpec& out) {
  if (!node.is_list() || node.items().empty()) {
    return expected(node, what, "a list: a program and its arguments", diagnostics);
  }
  for (const YamlNode& item : node.items()) {
    out.command.push_back(read_text(item, "an entry of " + what, diagnostics).value_or(""));
  }
}

NotificationSpec read_notification(const YamlNode& node, const WorkspaceReading& reading) {
  Diagnostics& diagnostics = reading.diagnostics;
  NotificationSpec out;
  out.where = node.place().str();
  Fields fields(node, "a notification", diagnostics);
  if (!fields.is_map()) return out;
  if (const YamlNode* on = fields.need("on", "failure, gate, release or rollback")) {
    out.on = read_texts(*on, fields.of("on"), diagnostics);
    for (const std::string& event : out.on) {
      if (std::find(kEvents.begin(), kEvents.end(), event) != kEvents.end()) continue;
      diagnostics.error(on->place(), fmt::format("{} knows no \"{}\"", fields.of("on"), event),
                        "failure, gate, release or rollback");
    }
  }
  if (const YamlNode* command = fields.take("command")) {
    read_command(*command, fields.of("command"), diagnostics, out);
    fields.instead("url", "a notification has a url or a command, not both");
    fields.instead("secret", "it signs what goes to a url");
  } else {
    if (const YamlNode* url = fields.need("url", "https://…, or command")) {
      out.url = read_web(*url, fields.of("url"), diagnostics);
    }
    if (const YamlNode* secret = fields.need("secret", "env:NAME or file:PATH")) {
      out.secret = read_secret(*secret, fields.of("secret"), reading);
    }
    if (const YamlNode* file = fields.take("ca-file")) {
      out.ca_file = read_file_path(*file, fields.of("ca-file"), reading);
    }
  }
  fields.finish();
  return out;
}

void read_notifications(Fields& root, const WorkspaceReading& reading, Workspace& workspace) {
  const YamlNode* node = root.take("notifications");
  if (node == nullptr) return;
  if (!node->is_list() || node->items().empty()) {
    return expected(*node, "\"notifications\"", "a list of who is told", reading.diagnostics);
  }
  for (const YamlNode& item : node->items()) {
    workspace.notifications.push_back(read_notification(item, reading));
  }
}

}  // namespace

void take_status(Fields& fields, const WorkspaceReading& reading, SourceSpec& source) {
  const YamlNode* node = fields.take("status");
  if (node == nullptr) return;
  Diagnostics& diagnostics = reading.diagnostics;
  StatusSpec status;
  Fields words(*node, fields.of("status"), diagnostics);
  if (!words.is_map()) return;
  if (const YamlNode* forge = words.need("forge", "github, gitlab or gitea")) {
    status.forge =
        read_choice(*forge, words.of("forge"), {"github", "gitlab", "gitea"}, diagnostics)
            .value_or("");
  }
  if (const YamlNode* api = words.take("api")) {
    status.api = read_web(*api, words.of("api"), diagnostics);
  }
  if (const YamlNode* path = words.take("repository")) {
    status.repository = read_text(*path, words.of("repository"), diagnostics).value_or("");
    if (!status.repository.empty() && !repository_path(status.repository)) {
      expected(*path, words.of("repository"), "OWNER/NAME as text", diagnostics);
    }
  }
  if (const YamlNode* token = words.need("token", "env:NAME or file:PATH")) {
    status.token = read_secret(*token, words.of("token"), reading).value_or(SecretRef());
  }
  if (const YamlNode* file = words.take("ca-file")) {
    status.ca_file = read_file_path(*file, words.of("ca-file"), reading);
  }
  if (!status.repository.empty() && status.api.empty()) {
    diagnostics.error(words.place(), words.what() + " names a repository and no api",
                      "the host is not known from the place then: add api: https://…");
  }
  words.finish();
  source.status = status;
}

void read_outgoing(Fields& root, const WorkspaceReading& reading, Workspace& workspace) {
  if (const YamlNode* node = root.take("network")) {
    Fields fields(*node, "\"network\"", reading.diagnostics);
    if (const YamlNode* hosts = fields.need("private", "hosts with inner addresses")) {
      read_hosts(*hosts, fields.of("private"), reading.diagnostics, workspace.private_hosts);
    }
    fields.finish();
  }
  if (const YamlNode* node = root.take("public-url")) {
    workspace.public_url = read_web(*node, "\"public-url\"", reading.diagnostics);
  }
  read_notifications(root, reading, workspace);
}

}  // namespace lockstep
