#include "connectors/oci_registry/upload.h"

#include <map>

#include "connectors/oci_registry/registry.h"
#include "pipeline/base/error.h"
#include "tests/catch.h"
#include "tests/connectors/oci_layout/sample.h"
#include "tests/connectors/oci_registry/fake_registry.h"

using namespace lockstep;
using Request = FakeRegistry::Request;
using Response = FakeRegistry::Response;

namespace {

// One blob of ten bytes, and an upload of it that waits a millisecond where it has to.
struct Sending {
  TempFolder folder;
  std::string bytes = "0123456789";
  OciDescriptor blob{kOciLayerType, sha256(bytes), bytes.size(), {}};
  HttpClient http{[] {
    HttpOptions options;
    options.network.listed = {"127.0.0.1"};
    options.read_timeout_ms = options.write_timeout_ms = 2000;
    return options;
  }()};
  UploadDoor door;

  Sending(const FakeRegistry& registry, uint64_t chunk) {
    real_files().write_atomic(folder.path() / "blob", bytes);
    door.place = registry.place();
    door.start = parse_url(registry.origin() + "/v2/a/blobs/uploads/");
    door.chunk_bytes = chunk;
    door.first_pause_ms = 1;
    door.ask = [this](HttpRequest request) { return http.send(request); };
    door.refused = [](const HttpResponse& answer, const std::string& what) {
      throw Error(answer.status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kInvalid,
                  fmt::format("{} to {}", answer.status, what), "hint");
    };
  }
  void send() { BlobUpload(door, folder.path() / "blob", blob).send(); }
};

// A registry that keeps one upload: what it has of it, and under which digest it became a blob.
struct Kept {
  std::string part, digest;
  int begun = 0, patched = 0;
  std::vector<std::string> ranges;

  void operator()(const Request& request, Response& answer) {
    answer.set_header("Location", fmt::format("/up/{}?state={}", begun, part.size()));
    if (request.method == "POST") {
      ++begun;
      part.clear();
      answer.status = 202;
      answer.set_header("Location", fmt::format("/up/{}", begun));
    } else if (request.method == "PATCH") {
      ++patched;
      part += request.body;
      ranges.push_back(request.get_header_value("Content-Range"));
      answer.status = 202;
      say_range(answer);
    } else if (request.method == "PUT") {
      part += request.body;
      digest = request.get_param_value("digest");
      answer.status = sha256(part).str() == digest ? 201 : 400;
    } else {
      answer.status = 204;
      say_range(answer);
    }
  }
  void say_range(Response& answer) const {
    answer.set_header("Range", fmt::format("0-{}", part.empty() ? 0 : part.size() - 1));
  }
};

}  // namespace

TEST_CASE("upload: a small blob is one PUT, a larger one goes in pieces of a bounded size") {
  Kept kept;
  FakeRegistry registry([&](const Request& request, Response& answer) { kept(request, answer); });
  Sending whole(registry, 10);
  whole.send();
  CHECK(kept.patched == 0);
  CHECK(kept.part == whole.bytes);
  Sending pieces(registry, 4);
  pieces.send();
  CHECK(kept.ranges == std::vector<std::string>{"0-3", "4-7"});
  CHECK(kept.part == pieces.bytes);
  CHECK(kept.digest == pieces.blob.digest.str());
  CHECK_THAT(registry.seen().back(), Catch::Contains("PUT /up/2?state=4&digest=sha256%3A"));
}

TEST_CASE("upload: after a broken connection it goes on where the registry is") {
  Kept kept;
  int broken = 0;
  FakeRegistry registry([&](const Request& request, Response& answer) {
    // Of the second piece three bytes arrive, then the connection is gone.
    if (request.method == "PATCH" && kept.patched == 1 && broken++ == 0) {
      kept.part += request.body.substr(0, 3);
      answer.status = 503;
      return;
    }
    kept(request, answer);
  });
  Sending sending(registry, 4);
  sending.send();
  CHECK(broken == 1);
  CHECK(kept.begun == 1);
  CHECK(kept.ranges == std::vector<std::string>{"0-3"});  // the last three bytes are the PUT's
  CHECK(kept.part == sending.bytes);
}

TEST_CASE("upload: what the registry has lost, or can't say, is begun again") {
  for (int answer_status : {404, 500, 204}) {
    Kept kept;
    int broken = 0;
    FakeRegistry registry([&](const Request& request, Response& answer) {
      if (request.method == "PATCH" && broken == 0) {
        ++broken;
        answer.status = answer_status == 404 ? 404 : 502;
        return;
      }
      if (request.method == "GET" && answer_status != 204) {
        answer.status = answer_status;
        return;
      }
      kept(request, answer);  // of nothing it says 0-0, as it would of one byte
    });
    Sending sending(registry, 4);
    sending.send();
    CHECK(kept.begun == 2);
    CHECK(kept.part == sending.bytes);
  }
}

TEST_CASE("upload: a registry that never gets further is given up, and says so") {
  Kept kept;
  FakeRegistry registry([&](const Request& request, Response& answer) {
    if (request.method == "POST") return kept(request, answer);
    kept.patched += request.method == "PATCH";
    answer.status = request.method == "PATCH" ? 202 : 204;
    answer.set_header("Range", "0-1");
  });
  Sending sending(registry, 4);
  CHECK_THROWS_WITH(sending.send(), Catch::Contains("has 2 bytes of blob"));
  CHECK(kept.patched == sending.door.tries);
  Sending full(registry, 4);
  FakeRegistry no_space([](const Request& request, Response& answer) {
    answer.status = request.method == "POST" ? 202 : 507;
    answer.set_header("Location", "/up");
  });
  full.door.start = parse_url(no_space.origin() + "/v2/a/blobs/uploads/");
  CHECK_THROWS_WITH(full.send(), Catch::Contains("507 to a part of blob"));
}

TEST_CASE("upload: bytes that are not the blob's are found before they count") {
  Kept kept;
  FakeRegistry registry([&](const Request& request, Response& answer) {
    kept(request, answer);
    if (request.method == "PUT") answer.status = 201;  // it believes anything
  });
  Sending sending(registry, 4);
  real_files().write_atomic(sending.folder.path() / "blob", "0123x56789");
  CHECK_THROWS_WITH(sending.send(), Catch::Contains("has other bytes"));
  real_files().write_atomic(sending.folder.path() / "blob", "012");
  CHECK_THROWS_AS(sending.send(), Error);
}

TEST_CASE("upload: mounted where the registry has it, sent where it does not take it over") {
  for (int status : {201, 202, 404, 405, 503}) {
    Kept kept;
    FakeRegistry registry([&](const Request& request, Response& answer) {
      kept(request, answer);
      if (request.has_param("mount")) answer.status = status;
    });
    Sending sending(registry, 10);
    BlobUpload upload(sending.door, sending.folder.path() / "blob", sending.blob);
    CHECK(upload.mount("library/base") == (status == 201));
    CHECK(upload.begun() == (status == 202));
    CHECK_THAT(registry.seen()[0],
               Catch::Contains("?mount=sha256%3A" + sending.blob.digest.hex()) &&
                   Catch::Contains("&from=library%2Fbase"));
    if (status == 201) continue;
    upload.send();
    CHECK(kept.part == sending.bytes);
    CHECK(kept.begun == (status == 202 ? 1 : 2));  // 202 was the beginning of an upload
  }
}

TEST_CASE("upload: pieces go to another host without the token, and never without TLS") {
  Kept kept;
  std::string there;
  FakeRegistry storage([&](const Request& request, Response& answer) {
    kept(request, answer);
    if (request.method == "PUT") kept.part.clear();
  });
  FakeRegistry registry([&](const Request& request, Response& answer) {
    if (request.method == "GET" || request.method == "HEAD") {
      answer.status = 404;
      return;
    }
    if (request.get_header_value("Authorization").empty()) {
      answer.status = 401;
      answer.set_header("WWW-Authenticate", "Basic realm=\"r\"");
      return;
    }
    answer.status = request.method == "POST" ? 202 : 500;
    answer.set_header("Location", there);
  });
  SampleStore store;
  TempFolder folder;
  ImageSpec spec = sample_release(store, 1);
  build_image(spec, store.reader(), folder.path());
  RegistryOptions options;
  options.credentials = {"ann", "secret", ""};
  options.chunk_bytes = 300;
  options.http.network.listed = {"127.0.0.1"};
  RegistryClient client(registry.place(), options);
  there = storage.origin() + "/up/1";
  CHECK_THROWS_WITH(client.push(folder.path(), spec.tag), Catch::Contains("500"));
  REQUIRE(kept.patched > 3);
  for (const std::string& line : storage.seen()) CHECK_THAT(line, !Catch::Contains("Basic"));
  there = "https://127.0.0.1:1/up";
  CHECK_THROWS_WITH(client.push(folder.path(), spec.tag), Catch::Contains("with TLS"));
}
