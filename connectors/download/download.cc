#include "connectors/download/download.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "connectors/oci_registry/http.h"
#include "connectors/oci_registry/url.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

using SteadyClock = std::chrono::steady_clock;

bool loopback(const Url& url) {
  return url.host == "localhost" || url.host == "::1" || url.host.rfind("127.", 0) == 0;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return text;
}

class Download {
 public:
  Download(const std::string& url, const DownloadOptions& options)
      : options_(options),
        shown_(shown_url(url)),
        end_(SteadyClock::now() + std::chrono::milliseconds(options.limit_ms)),
        client_({options.ca_file, options.stall_ms, options.stall_ms, options.stall_ms}) {
    url_ = usable([&] { return parse_url(url); });
    first_ = url_;
  }

  std::string run() {
    for (int left = options_.max_redirects;; --left) {
      body_.clear();
      const HttpResponse response = ask();
      if (response.status / 100 != 3) return take(response);
      if (left == 0) throw error(ErrorCode::kInvalid, "redirects without end");
      follow(response);
    }
  }

 private:
  Error error(ErrorCode code, const std::string& what, const std::string& hint = "") const {
    return Error(code, fmt::format("{} {}", shown_, what), hint);
  }

  // Runs what may say more of a URL than its host and path, and says it without.
  template <typename Parse>
  Url usable(const Parse& parse) const {
    Url url;
    try {
      url = parse();
    } catch (const Error&) {
      throw error(ErrorCode::kInvalid, "is not, or does not lead to, a usable URL",
                  "https:// and a host; without a user name, spaces or a fragment");
    }
    if (!url.tls && !loopback(url)) {
      throw error(ErrorCode::kInvalid, "is not, or does not lead to, an https:// address",
                  "plain http:// is for this machine only");
    }
    return url;
  }

  void follow(const HttpResponse& response) {
    const Url next =
        usable([&] { return resolve_url(url_, wire_location(response.header("location"))); });
    if (url_.tls && !next.tls) throw error(ErrorCode::kInvalid, "redirects away from https");
    url_ = next;
  }

  HttpResponse ask() {
    HttpRequest request;
    request.url = url_;
    request.headers = {{"Accept", "text/csv, text/plain;q=0.9, */*;q=0.5"}};
    if (!options_.password.empty() && url_.same_origin(first_)) {
      const bool basic = !options_.username.empty();
      request.headers["Authorization"] =
          basic ? "Basic " + base64(options_.username + ":" + options_.password)
                : "Bearer " + options_.password;
    }
    request.max_body = UINT64_MAX;  // counted here, where the message has no query
    request.sink = [this](std::string_view part) { receive(part); };
    try {
      return client_.send(request);
    } catch (const Error& failed) {
      if (failed.message.rfind(shown_, 0) == 0) throw;  // our own
      if (failed.code == ErrorCode::kUnavailable && !body_.empty()) {
        throw error(ErrorCode::kCorrupt, fmt::format("ended early, after {} bytes", body_.size()),
                    "try again");
      }
      const bool denied = failed.code == ErrorCode::kDenied;
      throw error(failed.code,
                  denied ? "has a certificate that is not trusted" : "can't be read: no answer",
                  denied ? "name the file of its authority as ca-file" : "is the server there?");
    }
  }

  void receive(std::string_view part) {
    if (SteadyClock::now() > end_) {
      throw error(ErrorCode::kUnavailable,
                  fmt::format("was not whole after {} s", (options_.limit_ms + 999) / 1000),
                  "the server is slow; try again");
    }
    if (part.size() > options_.max_bytes - body_.size()) {
      throw error(ErrorCode::kInvalid, fmt::format("is larger than {} bytes", options_.max_bytes));
    }
    body_.append(part);
  }

  std::string take(const HttpResponse& response) {
    const int status = response.status;
    if (status == 401 || status == 403) {
      throw error(ErrorCode::kDenied, fmt::format("answers {}", status),
                  "publish the sheet, or give the import credentials");
    }
    if (status == 404 || status == 410) {
      throw error(ErrorCode::kNotFound, fmt::format("answers {}", status), "check the address");
    }
    if (status != 200) {
      throw error(ErrorCode::kUnavailable, fmt::format("answers {}", status), "try again later");
    }
    check_whole(response);
    return std::move(body_);
  }

  void check_whole(const HttpResponse& response) const {
    const std::string encoding = lower(response.header("content-encoding"));
    if (!encoding.empty() && encoding != "identity") {
      throw error(ErrorCode::kInvalid, "comes compressed, though nobody asked for that");
    }
    if (lower(response.header("content-type")).rfind("text/html", 0) == 0) {
      throw error(ErrorCode::kInvalid, "is a web page, not CSV",
                  "give the address of the CSV export; is the sheet published?");
    }
    const bool chunked = lower(response.header("transfer-encoding")) == "chunked";
    const std::string length = response.header("content-length");
    if (!chunked && length.empty()) {
      throw error(ErrorCode::kCorrupt, "does not say how long it is, so it may have been cut",
                  "serve it with a Content-Length");
    }
    if (!chunked && length != std::to_string(body_.size())) {
      throw error(ErrorCode::kCorrupt,
                  fmt::format("ended early: {} bytes of {}", body_.size(), printable(length, 20)),
                  "try again");
    }
  }

  const DownloadOptions& options_;
  std::string shown_;
  SteadyClock::time_point end_;
  HttpClient client_;
  Url url_, first_;
  std::string body_;
};

}  // namespace

std::string shown_url(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme != url.npos) url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("?#"));
  const size_t at = url.substr(0, url.find('/')).rfind('@');
  if (at != url.npos) url.remove_prefix(at + 1);
  return printable(url, 120);
}

std::string download(const std::string& url, const DownloadOptions& options) {
  return Download(url, options).run();
}

}  // namespace lockstep
