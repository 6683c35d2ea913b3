#include "connectors/download/download.h"

#include <fmt/format.h>

#include <chrono>

#include "connectors/download/fetch.h"
#include "connectors/http/url.h"
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
        end_(SteadyClock::now() + std::chrono::milliseconds(options.limit_ms)) {
    url_ = usable([&] { return parse_url(url); });
    first_ = url_;
  }

  std::string run() {
    for (int left = options_.max_redirects;; --left) {
      FetchAnswer answer = ask();
      if (answer.status / 100 != 3) return take(std::move(answer));
      if (left == 0) throw error(ErrorCode::kInvalid, "redirects without end");
      follow(answer.location);
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

  void follow(const std::string& location) {
    const Url next = usable([&] { return resolve_url(url_, location); });
    if (url_.tls && !next.tls) throw error(ErrorCode::kInvalid, "redirects away from https");
    url_ = next;
  }

  FetchAnswer ask() {
    FetchRequest request{url_, {},  options_.ca_file, options_.network, options_.max_bytes,
                         {},   end_};
    request.network.own_host = first_.host;
    request.network.own_port = first_.port;
    request.stall = std::chrono::milliseconds(options_.stall_ms);
    request.headers["Accept"] = "text/csv, text/plain;q=0.9, */*;q=0.5";
    if (!options_.password.empty() && url_.same_origin(first_)) {
      const bool basic = !options_.username.empty();
      request.headers["Authorization"] =
          basic ? "Basic " + base64(options_.username + ":" + options_.password)
                : "Bearer " + options_.password;
    }
    FetchAnswer answer = fetch(request);
    check_end(answer);
    return answer;
  }

  void check_end(const FetchAnswer& answer) const {
    using End = FetchAnswer::End;
    switch (answer.end) {
      case End::kWhole:
      case End::kUnknown:  // of no concern unless it is what was asked for
        return;
      case End::kCut:
        throw error(ErrorCode::kCorrupt,
                    fmt::format("ended early, after {} bytes", answer.body.size()), "try again");
      case End::kTooLarge:
        throw error(ErrorCode::kInvalid,
                    fmt::format("is larger than {} bytes", options_.max_bytes));
      case End::kTooSlow:
        throw error(ErrorCode::kUnavailable, "did not answer in time, or not to its end",
                    "the server is slow; try again");
      case End::kUntrusted:
        throw error(ErrorCode::kDenied, "has a certificate that is not trusted",
                    "name the file of its authority as ca-file");
      case End::kNone:
        throw error(ErrorCode::kUnavailable, "gives no answer", "is the server there?");
    }
  }

  std::string take(FetchAnswer answer) {
    const int status = answer.status;
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
    const std::string encoding = lower(answer.content_encoding);
    if (!encoding.empty() && encoding != "identity") {
      throw error(ErrorCode::kInvalid, "comes compressed, though nobody asked for that");
    }
    if (lower(answer.content_type).rfind("text/html", 0) == 0) {
      throw error(ErrorCode::kInvalid, "is a web page, not CSV",
                  "give the address of the CSV export; is the sheet published?");
    }
    if (answer.end == FetchAnswer::End::kUnknown) {
      throw error(ErrorCode::kCorrupt, "does not say how long it is, so it may have been cut",
                  "serve it with a Content-Length");
    }
    return std::move(answer.body);
  }

  const DownloadOptions& options_;
  std::string shown_;
  SteadyClock::time_point end_;
  Url url_, first_;
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
