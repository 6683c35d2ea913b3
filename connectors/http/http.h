// One HTTP exchange with limits: sizes, times, verified certificates, addresses that may be spoken
// to, no redirects followed.
// Knows nothing of registries, credentials or digests.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "connectors/http/network.h"
#include "connectors/http/url.h"
#include "pipeline/base/files.h"
#include "pipeline/formats/oci.h"
#include "pipeline/formats/tar.h"

namespace lockstep {

struct HttpOptions {
  fs::path ca_file;  // PEM; empty: the system's certificates
  int connect_timeout_ms = 5000;
  int read_timeout_ms = 60000;  // between two reads, not in all
  int write_timeout_ms = 60000;
  NetworkRules network;
};

struct HttpRequest {
  std::string method = "GET";
  Url url;
  StringMap headers;
  std::string body;
  // Instead of `body`: `length` bytes, given piece by piece (at most `max` bytes from `offset`).
  std::function<std::string(uint64_t offset, size_t max)> upload;
  uint64_t length = 0;
  // Where the body of a 2xx answer goes; without it, to HttpResponse::body.
  ByteSink sink;
  uint64_t max_body = kOciDocumentLimit;  // of the answer; bytes
};

struct HttpResponse {
  int status = 0;
  std::multimap<std::string, std::string> headers;  // names in lower case
  std::string body;

  std::string header(const std::string& lower_case_name) const;  // the first, or empty
};

// Keeps one connection per host, to the very address that was judged. Used by one thread at a time.
class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();
  // Any answer is returned. Throws unavailable when there is none (or a broken or too large one),
  // denied when the certificate is not trusted or the host's address refused (network.h), and what
  // `upload` and `sink` throw.
  HttpResponse send(const HttpRequest& request);

 private:
  struct Connections;
  HttpOptions options_;
  std::unique_ptr<Connections> connections_;
};

}  // namespace lockstep
