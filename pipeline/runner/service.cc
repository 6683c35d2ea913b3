#include "pipeline/runner/service.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/base/folder.h"
#include "pipeline/base/point.h"

namespace lockstep {
namespace {

constexpr uint64_t kMaxPiece = 4 << 20;
constexpr size_t kMaxUploads = 64;
constexpr size_t kMaxAsked = 100'000;
constexpr uint64_t kMaxBlob = 1ull << 42;

[[noreturn]] void bad(std::string_view field, std::string_view why) {
  throw Error(ErrorCode::kInvalid, fmt::format("request: `{}` {}", field, why));
}

std::string text(const Json& header, const char* key) {
  auto it = header.find(key);
  if (it == header.end() || !it->is_string()) bad(key, "is missing or no text");
  return *it;
}

Digest digest(const Json& header) {
  return Digest::parse(text(header, "digest"));
}

uint64_t number(const Json& header, const char* key, uint64_t fallback) {
  auto it = header.find(key);
  if (it == header.end()) return fallback;
  if (!it->is_number_integer() || (!it->is_number_unsigned() && it->get<int64_t>() < 0)) {
    bad(key, "is not a whole number");
  }
  return it->get<uint64_t>();
}

bool flag(const Json& header, const char* key) {
  auto it = header.find(key);
  if (it == header.end()) return false;
  if (!it->is_boolean()) bad(key, "is not true or false");
  return *it;
}

std::string state(const Attempt& attempt) {
  return attempt.running() ? "running" : attempt.result.value("end", "lost");
}

// Bytes [offset, offset + length) of a file, fewer at its end; `size` receives the file's.
std::string read_piece(const fs::path& file, uint64_t offset, uint64_t length, uint64_t* size) {
  Fd fd(open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  *size = 0;
  if (!fd.open() && errno == ENOENT) return "";
  if (!fd.open() || fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    throw Error(ErrorCode::kUnavailable, "cannot read " + file.string());
  }
  *size = static_cast<uint64_t>(info.st_size);
  if (offset >= *size) return "";
  std::string bytes(std::min({length, kMaxPiece, *size - offset}), '\0');
  ssize_t n = pread(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
  if (n < 0) throw Error(ErrorCode::kUnavailable, "cannot read " + file.string());
  bytes.resize(static_cast<size_t>(n));
  return bytes;
}

Json error_json(const Error& e) {
  return {{"code", std::string(word(e.code))},
          {"message", printable(e.message, 4000)},
          {"hint", printable(e.hint, 4000)}};
}

}  // namespace

Service::Service(const RunnerPaths& paths, Attempts& attempts, Blobs& blobs, Json machine,
                 std::function<void(Attempt&)> started)
    : paths_(paths),
      attempts_(attempts),
      blobs_(blobs),
      machine_(std::move(machine)),
      started_(std::move(started)) {}

std::string Service::handle(Session& session, const Frame& request) {
  Reply reply;
  try {
    reply = dispatch(session, request);
  } catch (const Error& e) {
    reply.header = {{"error", error_json(e)}};
  } catch (const std::exception& e) {
    reply.header = {{"error", error_json(Error(ErrorCode::kUnavailable, e.what()))}};
  }
  if (auto seq = request.header.find("seq");
      seq != request.header.end() && seq->is_number_integer()) {
    reply.header["re"] = *seq;
  }
  return encode_frame(reply.header, reply.payload);
}

Service::Reply Service::dispatch(Session& session, const Frame& request) {
  static const std::map<std::string, Operation> kOperations = {
      {"hello", &Service::hello},   {"has", &Service::has},
      {"put", &Service::put},       {"start", &Service::start},
      {"list", &Service::list},     {"subscribe", &Service::subscribe},
      {"result", &Service::result}, {"get", &Service::get},
      {"log", &Service::log},       {"cancel", &Service::cancel},
      {"forget", &Service::forget}, {"slots", &Service::slots},
      {"bye", &Service::bye}};
  std::string op = text(request.header, "op");
  auto it = kOperations.find(op);
  if (!session.greeted && op != "hello") {
    session.closing = true;
    throw Error(ErrorCode::kInvalid, "the first request must be hello");
  }
  if (it == kOperations.end()) bad("op", "is none this runner knows: " + printable(op));
  return (this->*it->second)(session, request);
}

Service::Reply Service::hello(Session& session, const Frame& request) {
  uint64_t asked = number(request.header, "protocol", 0);
  if (asked != kRunnerProtocol) {
    session.closing = true;
    throw Error(ErrorCode::kConflict,
                fmt::format("this runner speaks protocol {}, not {}", kRunnerProtocol, asked),
                "let its attempts end, stop it, and start the runner of the other version");
  }
  session.greeted = true;
  return {{{"protocol", kRunnerProtocol}, {"pid", getpid()}}, ""};
}

Service::Reply Service::has(Session&, const Frame& request) {
  auto it = request.header.find("digests");
  if (it == request.header.end() || !it->is_array() || it->size() > kMaxAsked) {
    bad("digests", "is not a list");
  }
  Json missing = Json::array();
  for (const Json& item : *it) {
    if (!item.is_string()) bad("digests", "is not a list of digests");
    Digest one = Digest::parse(item.get_ref<const std::string&>());
    if (!blobs_.has(one)) missing.push_back(one.str());
  }
  return {{{"missing", missing}}, ""};
}

Service::Reply Service::put(Session& session, const Frame& request) {
  Digest name = digest(request.header);
  uint64_t size = number(request.header, "size", request.payload.size());
  uint64_t offset = number(request.header, "offset", 0);
  if (size > kMaxBlob) bad("size", "is larger than any blob");
  if (blobs_.has(name)) {
    session.uploads.erase(name);
    return {{{"done", true}}, ""};
  }
  if (offset == 0) {
    session.uploads.erase(name);
    if (session.uploads.size() >= kMaxUploads) bad("digest", "is one upload too many at a time");
    session.uploads[name] = std::make_unique<Upload>(paths_.incoming(), name, size);
  }
  auto upload = session.uploads.find(name);
  if (upload == session.uploads.end()) bad("offset", "continues an upload that was not begun");
  try {
    bool done = upload->second->add(offset, request.payload, blobs_);
    if (done) session.uploads.erase(upload);
    return {{{"done", done}}, ""};
  } catch (...) {
    session.uploads.erase(name);
    throw;
  }
}

Service::Reply Service::start(Session&, const Frame& request) {
  auto it = request.header.find("attempt");
  if (it == request.header.end()) bad("attempt", "is missing");
  Order order = read_order(*it);
  std::vector<Digest> missing;
  size_t known = attempts_.all().size();
  Attempt* attempt = attempts_.start(order, &missing);
  if (!attempt) {
    Json names = Json::array();
    for (const Digest& one : missing) names.push_back(one.str());
    return {{{"state", "missing"}, {"missing", names}}, ""};
  }
  bool fresh = attempts_.all().size() > known;
  if (fresh) point("runner.start.answer");
  if (fresh) started_(*attempt);
  return {{{"state", state(*attempt)}, {"new", fresh}}, ""};
}

Service::Reply Service::list(Session&, const Frame&) {
  Json all = Json::object();
  for (const auto& [id, attempt] : attempts_.all()) all[id] = state(*attempt);
  return {{{"attempts", all}}, ""};
}

Service::Reply Service::subscribe(Session& session, const Frame&) {
  session.subscribed = true;
  return {};
}

Service::Reply Service::result(Session&, const Frame& request) {
  Attempt& attempt = attempts_.get(text(request.header, "attempt"));
  if (attempt.running()) {
    throw Error(ErrorCode::kConflict, "attempt " + attempt.id + " is still running");
  }
  return {{{"result", attempt.result}}, ""};
}

Service::Reply Service::get(Session&, const Frame& request) {
  Digest name = digest(request.header);
  blobs_.size(name);
  uint64_t size = 0;
  std::string bytes = read_piece(blobs_.path(name), number(request.header, "offset", 0),
                                 number(request.header, "length", kMaxPiece), &size);
  return {{{"size", size}}, std::move(bytes)};
}

Service::Reply Service::log(Session&, const Frame& request) {
  Attempt& attempt = attempts_.get(text(request.header, "attempt"));
  std::string what = request.header.contains("what") ? text(request.header, "what") : "log";
  if (what != "log" && what != "metrics") bad("what", "is neither log nor metrics");
  // Asked before reading: when it says so, what is read is all there will be.
  bool end = !attempt.running();
  uint64_t size = 0;
  std::string bytes = read_piece(what == "log" ? attempt.paths.log() : attempt.paths.metrics(),
                                 number(request.header, "offset", 0),
                                 number(request.header, "length", kMaxPiece), &size);
  return {{{"end", end}, {"size", size}}, std::move(bytes)};
}

Service::Reply Service::cancel(Session&, const Frame& request) {
  Attempt& attempt = attempts_.get(text(request.header, "attempt"));
  attempts_.cancel(attempt);
  return {{{"state", state(attempt)}}, ""};
}

Service::Reply Service::forget(Session&, const Frame& request) {
  attempts_.forget(text(request.header, "attempt"), flag(request.header, "final"));
  return {};
}

Service::Reply Service::slots(Session&, const Frame&) {
  return {{{"machine", machine_}}, ""};
}

Service::Reply Service::bye(Session& session, const Frame&) {
  session.closing = true;
  return {};
}

std::string Service::finished_event(const Attempt& attempt) {
  return encode_frame({{"event", "finished"}, {"attempt", attempt.id}, {"result", attempt.result}});
}

}  // namespace lockstep
