// The workspace file's `listeners`: addresses on the network on which the daemon serves its API.
#include <arpa/inet.h>
#include <fmt/core.h>

#include <algorithm>

#include "workflows/language/readers.h"
#include "workflows/language/workspace_parts.h"

namespace lockstep {
namespace {

bool is_address(const std::string& text) {
  in6_addr ignored{};
  return inet_pton(AF_INET, text.c_str(), &ignored) == 1 ||
         inet_pton(AF_INET6, text.c_str(), &ignored) == 1;
}

bool is_loopback(const std::string& address) {
  return address.rfind("127.", 0) == 0 || address == "::1";
}

// 127.0.0.1:8443, [::1]:8443
void read_address(const YamlNode& node, const std::string& what, Diagnostics& diagnostics,
                  ListenerSpec& listener) {
  const std::string text = read_text(node, what, diagnostics).value_or("");
  if (text.empty()) return;
  const size_t colon = text.rfind(':');
  std::string address = text.substr(0, colon);
  const bool bracketed = address.size() > 2 && address.front() == '[' && address.back() == ']';
  if (bracketed) address = address.substr(1, address.size() - 2);
  const std::string port = colon == text.npos ? "" : text.substr(colon + 1);
  const bool number =
      !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == port.npos;
  const int value = number ? std::stoi(port) : 0;
  const bool good = is_address(address) && bracketed == (address.find(':') != address.npos);
  if (!good || value < 1 || value > 65535) {
    return expected(node, what, "ADDRESS:PORT with an IP address of this machine", diagnostics);
  }
  listener.address = address;
  listener.port = static_cast<uint16_t>(value);
}

void read_tls(Fields& fields, const WorkspaceReading& reading, ListenerSpec& listener) {
  const YamlNode* node = fields.take("tls");
  if (node == nullptr) return;
  Fields tls(*node, fields.of("tls"), reading.diagnostics);
  if (const YamlNode* file = tls.need("certificate", "a file in PEM")) {
    listener.certificate = read_file_path(*file, tls.of("certificate"), reading);
  }
  if (const YamlNode* file = tls.need("key", "a file in PEM")) {
    listener.key = read_file_path(*file, tls.of("key"), reading);
  }
  tls.finish();
}

void read_limits(Fields& fields, const WorkspaceReading& reading, ListenerSpec& listener) {
  constexpr int64_t kMost = 60'000;
  const YamlNode* node = fields.take("limits");
  if (node == nullptr) return;
  Fields limits(*node, fields.of("limits"), reading.diagnostics);
  auto read = [&](const char* name, uint32_t& value) {
    const YamlNode* number = limits.take(name);
    if (number == nullptr) return;
    value = static_cast<uint32_t>(
        read_integer(*number, limits.of(name), 1, kMost, reading.diagnostics).value_or(value));
  };
  read("connections", listener.connections);
  listener.connections_of_address = std::min(listener.connections_of_address, listener.connections);
  read("connections-of-address", listener.connections_of_address);
  limits.finish();
}

void read_hosts(const YamlNode& node, const std::string& what, Diagnostics& diagnostics,
                ListenerSpec& listener) {
  for (std::string& host : read_texts(node, what, diagnostics)) {
    const bool odd = std::any_of(host.begin(), host.end(), [](unsigned char c) {
      return !(std::isalnum(c) || c == '.' || c == '-' || c == ':');
    });
    if (odd || (host.find(':') != host.npos && !is_address(host))) {
      diagnostics.error(node.place(),
                        fmt::format("{} names {}, which is no host", what, shown(host)),
                        "a name or an address, without port");
    }
    std::transform(host.begin(), host.end(), host.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    listener.hosts.push_back(std::move(host));
  }
}

void read_listener(const YamlNode& node, const WorkspaceReading& reading, Workspace& workspace) {
  Diagnostics& diagnostics = reading.diagnostics;
  Fields fields(node, "a listener", diagnostics);
  if (!fields.is_map()) return;
  ListenerSpec listener;
  listener.where = node.place().str();
  if (const YamlNode* address = fields.need("address", "ADDRESS:PORT")) {
    read_address(*address, fields.of("address"), diagnostics, listener);
  }
  read_tls(fields, reading, listener);
  read_limits(fields, reading, listener);
  if (const YamlNode* hosts = fields.take("hosts")) {
    read_hosts(*hosts, fields.of("hosts"), diagnostics, listener);
  }
  fields.finish();
  const bool loopback = is_loopback(listener.address);
  const bool known = !listener.address.empty();
  if (known && !loopback && listener.certificate.empty()) {
    diagnostics.error(node.place(), "a listener that others can reach needs tls",
                      "tls: {certificate: FILE, key: FILE}, or an address of this machine alone");
  }
  if (known && !loopback && listener.hosts.empty()) {
    diagnostics.error(node.place(), "a listener that others can reach needs hosts",
                      "hosts: [NAME]: the names under which it is called");
  }
  if (loopback && listener.hosts.empty()) {
    listener.hosts = {"localhost", "127.0.0.1", "::1", listener.address};
  }
  workspace.listeners.push_back(std::move(listener));
}

}  // namespace

void read_listeners(Fields& root, const WorkspaceReading& reading, Workspace& workspace) {
  const YamlNode* node = root.take("listeners");
  if (node == nullptr) return;
  if (!node->is_list() || node->items().empty()) {
    return expected(*node, "\"listeners\"", "a list of listeners", reading.diagnostics);
  }
  for (const YamlNode& item : node->items()) read_listener(item, reading, workspace);
}

}  // namespace lockstep
