// Bodies of the API's requests, as `METHOD TARGET`, a line end and JSON: an answer, never a failure
// that nobody expected.
#include "pipeline/base/frames.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/served.h"

using namespace lockstep;
using fuzz::claim;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static std::unique_ptr<FakeBackend> backend;
  static size_t inputs = 0;
  if (inputs++ % 10'000 == 0) backend = std::make_unique<FakeBackend>();
  std::string_view body;
  const std::string_view line = fuzz::first_line(fuzz::text_of(data, size), &body);
  const size_t space = line.find(' ');
  ApiRequest request;
  request.method = std::string(line.substr(0, space));
  request.user = "fuzz";
  request.role = "admin";
  request.peer = "socket";
  const bool good = fuzz::reads([&] {
    read_target(space == line.npos ? "" : line.substr(space + 1), request);
    const Route* route = Api::find(request.method, request.path);
    if (route && route->bytes) {
      request.bytes = std::string(body);
    } else if (!body.empty()) {
      request.body = parse_bounded_json(body, "the body");
    }
  });
  if (!good) return 0;
  Api api(*backend);
  for (const char* role : {"", "viewer", "admin"}) {
    request.role = role;
    const Route* route = Api::find(request.method, request.path);
    const ApiResponse answer = api.handle(request);
    claim(answer.status != 500, "nothing fails that nobody expected");
    const bool denied = route && route->role != kAnyone && !may(role, route->role);
    claim(!denied || answer.status == 403, "who may not is denied, whatever is asked");
    if (answer.status != 200) claim(answer.body.contains("error"), "an error says so");
  }
  return 0;
}
