#include <atomic>
#include <thread>

#include "connectors/oci_registry/registry.h"
#include "tests/catch.h"
#include "tests/connectors/oci_layout/sample.h"
#include "tests/connectors/oci_registry/fake_registry.h"

using namespace lockstep;
using httplib::Request;
using httplib::Response;

namespace {

const std::string kTag(32, 'a');

using Fake = FakeRegistry;

RegistryOptions options(const char* user = "") {
  RegistryOptions o;
  if (*user) o.credentials = {user, "secret"};
  o.http.network.listed = {"127.0.0.1"};  // storage and tokens have ports of their own
  o.http.connect_timeout_ms = o.http.read_timeout_ms = o.http.write_timeout_ms = 2000;
  return o;
}

Error error_of(Fake::Handler handler, const char* user = "") {
  Fake fake(std::move(handler));
  RegistryClient client(fake.place(), options(user));
  try {
    client.resolve(kTag);
  } catch (const Error& e) {
    return e;
  }
  FAIL("no error");
  throw std::logic_error("unreachable");
}

Fake::Handler status(int code, const char* header = "", const char* value = "") {
  return [=](const Request&, Response& answer) {
    answer.status = code;
    if (*header) answer.set_header(header, value);
  };
}

}  // namespace

TEST_CASE("answers become errors that say what to do") {
  CHECK(error_of(status(403)).code == ErrorCode::kDenied);
  CHECK(error_of(status(401)).code == ErrorCode::kDenied);
  CHECK(error_of(status(401, "WWW-Authenticate", "Negotiate"), "ann").code == ErrorCode::kDenied);
  CHECK(error_of(status(500)).code == ErrorCode::kUnavailable);
  Error busy = error_of(status(429, "Retry-After", "7"));
  CHECK(busy.code == ErrorCode::kUnavailable);
  CHECK_THAT(busy.hint, Catch::Contains("7 s"));
  CHECK(error_of(status(418)).code == ErrorCode::kInvalid);
  Error told = error_of([](const Request&, Response& answer) {
    answer.status = 400;
    answer.set_content(R"({"errors":[{"code":"NAME_INVALID","message":"bad\u001b[2J"}]})", "text");
  });
  CHECK_THAT(told.message, Catch::Contains("NAME_INVALID bad?[2J"));
  for (const char* body : {"[]", "{\"errors\":[]}", "{\"errors\":[{\"code\":1}]}", "\xff"}) {
    CHECK(error_of([&](const Request&, Response& answer) {
            answer.status = 400;
            answer.set_content(body, "text");
          }).code == ErrorCode::kInvalid);
  }
}

TEST_CASE("a registry that lies about digests is found out") {
  Error e = error_of([](const Request&, Response& answer) {
    answer.set_header("Docker-Content-Digest", sha256("other").str());
    answer.set_content("{}", kOciManifestType);
  });
  CHECK(e.code == ErrorCode::kCorrupt);
  CHECK_THAT(e.message,
             Catch::Contains(sha256("{}").str()) && Catch::Contains(sha256("other").str()));
  Fake fake([](const Request&, Response& answer) { answer.set_content("{}", "x"); });
  RegistryClient client(fake.place(), options());
  CHECK(client.resolve(sha256("{}").str()) == sha256("{}"));
  CHECK_THROWS_AS(client.resolve(sha256("wanted").str()), Error);
}

TEST_CASE("a registry that takes a manifest and gives another is found out") {
  SampleStore store;
  TempFolder folder;
  ImageSpec spec = sample_release(store, 1);
  const Digest image = build_image(spec, store.reader(), folder.path());
  // What it says of the manifest when it takes it, and what it then gives.
  for (auto [said, given] : {std::pair(std::string(), "{}"), std::pair(image.str(), "{}"),
                             std::pair(sha256("{}").str(), ""), std::pair(image.str(), "")}) {
    INFO(said << " " << given);
    bool put = false;
    Fake fake([&, said = said, given = given](const Request& request, Response& answer) {
      bool manifest = request.path.find("/manifests/") != std::string::npos;
      answer.status = request.method == "PUT" ? 201 : request.method == "POST" ? 202 : 404;
      answer.set_header("Location", "up");
      if (request.method == "PUT" && manifest) {
        put = true;
        if (!said.empty()) answer.set_header("Docker-Content-Digest", said);
      }
      if (request.method == "GET" && manifest && put && *given) {
        answer.status = 200;
        answer.set_content(given, kOciManifestType);
      }
    });
    RegistryClient client(fake.place(), options());
    CHECK_THROWS_WITH(client.push(folder.path(), spec.tag, "production"),
                      Catch::Contains("changes images") || Catch::Contains("with bytes") ||
                          Catch::Contains("now gives"));
    CHECK(put);
    for (const std::string& line : fake.seen()) {
      CHECK_THAT(line, !Catch::Contains("PUT /v2/a/manifests/production"));
    }
  }
}

TEST_CASE("a registry that says it has a blob is asked for its size, and is sent what it lacks") {
  SampleStore store;
  TempFolder folder;
  ImageSpec spec = sample_release(store, 1);
  build_image(spec, store.reader(), folder.path());
  const std::vector<OciDescriptor> layers =
      Layout(folder.path()).manifest(Layout(folder.path()).at(spec.tag)).layers;
  for (const char* has : {"nothing", "half"}) {
    std::string manifest;
    size_t sent = 0;
    Fake fake([&](const Request& request, Response& answer) {
      const bool about_manifest = request.path.find("/manifests/") != std::string::npos;
      answer.status = 404;
      if (request.method == "POST") {
        answer.status = request.has_param("mount") ? 201 : 202;
        answer.set_header("Location", "up");
      } else if (request.method == "PUT") {
        answer.status = 201;
        if (about_manifest) manifest = request.body;
        if (!about_manifest) ++sent;
      } else if (about_manifest && !manifest.empty()) {
        answer.status = 200;
        answer.set_content(manifest, kOciManifestType);
      } else if (!about_manifest && *has == 'h') {
        answer.status = 200;
        answer.set_content("half of it", "x");
      }
    });
    RegistryClient client(fake.place(), options());
    if (*has == 'h') {
      CHECK_THROWS_WITH(client.push(folder.path(), spec.tag), Catch::Contains("with 10 bytes"));
      CHECK(manifest.empty());
    } else {
      client.push(folder.path(), spec.tag);
      CHECK(sent == layers.size() + 1);
    }
  }
}

// docker-registry 2.8 does so where it was killed while it took the manifest.
TEST_CASE("a registry that has a manifest cut off gets no tag for it") {
  SampleStore store;
  TempFolder folder;
  ImageSpec spec = sample_release(store, 1);
  const Digest image = build_image(spec, store.reader(), folder.path());
  std::vector<std::string> put;
  Fake fake([&](const Request& request, Response& answer) {
    const std::string name = request.path.substr(request.path.rfind('/') + 1);
    const bool about_manifest = request.path.find("/manifests/") != std::string::npos;
    answer.status = request.method == "POST" || request.method == "PUT" ? 201 : 404;
    if (request.method == "PUT" && about_manifest) put.push_back(name);
    if (request.method == "HEAD") {
      answer.status = 200;
      const fs::path blob = Layout(folder.path()).blob_path(Digest::parse(name));
      answer.set_content(real_files().read(blob), "application/octet-stream");
    } else if (about_manifest && !put.empty() && request.method == "GET") {
      answer.status = 500;
    }
  });
  RegistryClient client(fake.place(), options());
  try {
    client.push(folder.path(), spec.tag, "production");
    FAIL("pushed");
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::kUnavailable);
    CHECK_THAT(error.hint, Catch::Contains("cut off"));
  }
  CHECK(put == std::vector<std::string>{image.str()});
}

TEST_CASE("uploads follow relative and absolute places; credentials stay with the registry") {
  SampleStore store;
  TempFolder folder;
  ImageSpec spec = sample_release(store, 1);
  build_image(spec, store.reader(), folder.path());
  std::map<std::string, std::string> stored;  // digest → bytes
  auto take = [&](const Request& request, Response& answer) {
    std::string bytes = request.body;
    stored[request.get_param_value("digest")] = bytes;
    answer.status = 201;
  };
  Fake elsewhere(take);
  int uploads = 0;
  std::map<std::string, std::string> manifests;
  Fake fake([&](const Request& request, Response& answer) {
    std::string name = request.path.substr(request.path.rfind('/') + 1);
    bool manifest = request.path.find("/manifests/") != std::string::npos;
    if (request.get_header_value("Authorization").empty()) {
      answer.status = 401;
      answer.set_header("WWW-Authenticate", "Basic realm=\"r\"");
    } else if (request.method == "POST") {
      answer.status = 202;
      const std::string places[] = {"up1?_state=a%2Bb%3D%3D", "/v2/a/blobs/uploads/up2",
                                    elsewhere.origin() + "/up3?x=1"};
      answer.set_header("Location", places[uploads++ % 3]);
    } else if (request.method == "PUT" && manifest) {
      manifests[name] = request.body;
      answer.status = 201;
    } else if (request.method == "PUT") {
      take(request, answer);
    } else if (manifest && manifests.count(name)) {
      answer.set_content(manifests[name], kOciManifestType);
    } else {
      answer.status = 404;
    }
  });
  RegistryClient client(fake.place(), options("ann"));
  PushReport report = client.push(folder.path(), spec.tag);
  CHECK(report.blobs_sent == 4);
  CHECK(stored.size() == 4);
  for (const auto& [digest, bytes] : stored) CHECK(sha256(bytes).str() == digest);
  REQUIRE(elsewhere.seen().size() == 1);
  CHECK_THAT(elsewhere.seen()[0], Catch::Contains("PUT /up3?x=1&digest=sha256%3A"));
  CHECK_THAT(elsewhere.seen()[0], !Catch::Contains("Basic"));
  std::string all;
  for (const std::string& line : fake.seen()) all += line + "\n";
  CHECK_THAT(all, Catch::Contains("PUT /v2/a/blobs/uploads/up1?_state=a%2Bb"));
  CHECK_THAT(all, Catch::Contains("PUT /v2/a/blobs/uploads/up2?digest=sha256%3A"));
}

TEST_CASE("redirects: another host gets no credentials, another scheme and loops are refused") {
  Fake storage([](const Request&, Response& answer) { answer.set_content("{}", "x"); });
  auto redirecting = [](const std::string& to) {
    return [to](const Request& request, Response& answer) {
      if (request.get_header_value("Authorization").empty()) {
        answer.status = 401;
        answer.set_header("WWW-Authenticate", "Basic realm=\"r\"");
        return;
      }
      answer.status = 307;
      answer.set_header("Location", to);
    };
  };
  Fake fake(redirecting(storage.origin() + "/blob?signature=1"));
  RegistryClient client(fake.place(), options("ann"));
  CHECK(client.resolve(kTag) == sha256("{}"));
  REQUIRE(storage.seen().size() == 1);
  CHECK(storage.seen()[0] == "GET /blob?signature=1 ");
  CHECK(fake.seen().size() == 2);
  CHECK(error_of(redirecting("https://127.0.0.1:1/x"), "ann").code == ErrorCode::kDenied);
  CHECK_THAT(error_of(redirecting("/v2/again"), "ann").message, Catch::Contains("too often"));
  CHECK(error_of(redirecting("file:///etc/passwd"), "ann").code == ErrorCode::kInvalid);
  CHECK(error_of(redirecting(""), "ann").code == ErrorCode::kInvalid);
}

TEST_CASE("a storage host that asks for credentials gets none") {
  Fake storage(status(401, "WWW-Authenticate", "Basic realm=\"r\""));
  Error e = error_of(
      [&](const Request&, Response& answer) {
        answer.status = 302;
        answer.set_header("Location", storage.origin() + "/x");
      },
      "ann");
  CHECK(e.code == ErrorCode::kDenied);
  REQUIRE(storage.seen().size() == 1);
  CHECK_THAT(storage.seen()[0], !Catch::Contains("Basic"));
}

TEST_CASE("a bearer token is fetched, kept, and fetched again when it has run out") {
  int given = 0;
  std::string good;
  Fake tokens([&](const Request&, Response& answer) {
    good = fmt::format("t{}", ++given);
    answer.set_content(R"({"token":")" + good + R"(","expires_in":60})", "application/json");
  });
  Fake fake([&](const Request& request, Response& answer) {
    if (good.empty() || request.get_header_value("Authorization") != "Bearer " + good) {
      answer.status = 401;
      answer.set_header("WWW-Authenticate", "Bearer realm=\"" + tokens.origin() +
                                                "/token\",service=\"reg istry\","
                                                "scope=\"repository:a:pull,push\"");
    } else {
      answer.set_content("{}", kOciManifestType);
    }
  });
  RegistryClient client(fake.place(), options("ann"));
  CHECK(client.resolve(kTag).has_value());
  CHECK(client.resolve(kTag).has_value());
  CHECK(given == 1);
  good = "changed";
  CHECK(client.resolve(kTag).has_value());
  CHECK(given == 2);
  CHECK(tokens.seen()[0] ==
        "GET /token?scope=repository%3Aa%3Apull%2Cpush&service=reg%20istry "
        "Basic YW5uOnNlY3JldA==");
}

TEST_CASE("token servers that refuse, fail or answer nonsense") {
  for (auto [code, body, expected] :
       {std::tuple(401, "", ErrorCode::kDenied), std::tuple(503, "", ErrorCode::kUnavailable),
        std::tuple(200, "", ErrorCode::kDenied), std::tuple(200, "[]", ErrorCode::kDenied),
        std::tuple(200, R"({"token":5})", ErrorCode::kDenied),
        std::tuple(200, R"({"token":"a\r\nX: y"})", ErrorCode::kDenied),
        std::tuple(200, R"({"token":"still refused"})", ErrorCode::kDenied),
        std::tuple(200, R"({"token":"still-refused"})", ErrorCode::kDenied)}) {
    Fake tokens([&, code = code, body = body](const Request&, Response& answer) {
      answer.status = code;
      answer.set_content(body, "x");
    });
    std::string header = "Bearer realm=\"" + tokens.origin() + "/token\"";
    INFO(code << " " << body);
    CHECK(error_of(status(401, "WWW-Authenticate", header.c_str()), "ann").code == expected);
  }
  CHECK(error_of(status(401, "WWW-Authenticate", "Bearer realm=\"nowhere\""), "ann").code ==
        ErrorCode::kInvalid);
}

TEST_CASE("sizes and times have limits") {
  CHECK(error_of([](const Request&, Response& answer) {
          answer.set_content(std::string(kOciDocumentLimit + 1, ' '), "x");
        }).code == ErrorCode::kCorrupt);
  CHECK(error_of([](const Request&, Response& answer) {
          answer.set_chunked_content_provider("x", [](size_t, httplib::DataSink& sink) {
            std::string part(1 << 20, ' ');
            return sink.write(part.data(), part.size());
          });
        }).code == ErrorCode::kCorrupt);
  CHECK(error_of([](const Request&, Response& answer) {
          answer.status = 500;
          answer.set_content(std::string((1 << 20) + 1, ' '), "x");
        }).code == ErrorCode::kCorrupt);
  std::atomic<bool> done{false};
  Fake slow([&](const Request&, Response&) {
    while (!done) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  RegistryOptions o = options();
  o.http.read_timeout_ms = 50;
  RegistryClient client(slow.place(), o);
  CHECK_THROWS_WITH(client.resolve(kTag), Catch::Contains("does not answer"));
  done = true;
}

TEST_CASE("compressed answers are not unpacked") {
  Error e = error_of([](const Request&, Response& answer) {
    answer.set_header("Content-Encoding", "gzip");
    answer.set_header("Docker-Content-Digest", sha256("unpacked").str());
    answer.set_content("not really gzip", "x");
  });
  CHECK(e.code == ErrorCode::kCorrupt);
}
