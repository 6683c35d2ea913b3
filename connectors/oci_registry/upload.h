// One blob on its way to a registry: mounted from another repository, or sent in pieces that go on
// where a broken connection left off.
// Knows nothing of manifests, credentials or which blobs are missing.
//
// Distribution specification 1.1, "Pushing blobs": POST, then one PUT for a small blob; PATCH for
// each piece of a larger one. After a broken connection the registry is asked how much it has.
#pragma once

#include <functional>
#include <string>

#include "connectors/http/http.h"
#include "pipeline/formats/oci.h"

namespace lockstep {

struct UploadDoor {
  std::string place;  // for messages
  Url start;          // …/blobs/uploads/
  uint64_t chunk_bytes = 16u << 20;
  int tries = 5;             // of one blob, with 0.1, 0.2, 0.4, … s between them
  int first_pause_ms = 100;  // ms
  std::function<HttpResponse(HttpRequest)> ask;
  // Throws what an answer means that nobody expected.
  std::function<void(const HttpResponse&, const std::string& what)> refused;
};

class BlobUpload {
 public:
  // The file of the blob is read and hashed on the way; nothing of it is held in memory.
  BlobUpload(const UploadDoor& door, fs::path file, const OciDescriptor& blob)
      : door_(door), file_(std::move(file)), blob_(blob) {}

  // Has the registry take the blob from one of its repositories, which may be this one. False: it
  // did not, send() it; it may have begun() the upload then.
  bool mount(const std::string& repository);
  bool begun() const { return open_; }
  // Throws corrupt when the file is not the blob, denied when the registry wants it elsewhere
  // without TLS, unavailable when the connection broke as often as `tries` says.
  void send();

 private:
  void begin();
  void take_place(const HttpResponse& answer);
  void find_offset();
  void transfer();
  void patch(uint64_t bytes);
  void finish();
  HttpRequest part(const char* method, uint64_t bytes);
  void check_sent();

  const UploadDoor& door_;
  const fs::path file_;
  const OciDescriptor& blob_;
  Url at_;             // where the next piece goes
  bool open_ = false;  // the registry has given us a place
  uint64_t offset_ = 0;
  Sha256 hash_;  // of the first `hashed_` bytes, as they were read to be sent
  uint64_t hashed_ = 0;
};

}  // namespace lockstep
