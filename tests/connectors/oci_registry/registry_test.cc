#include "connectors/oci_registry/registry.h"

#include <cstdlib>

#include "tests/catch.h"
#include "tests/connectors/oci_layout/sample.h"
#include "tests/connectors/oci_registry/server.h"

using namespace lockstep;

namespace {

struct Releases {
  SampleStore store;
  TempFolder folder;
  ImageSpec one = sample_release(store), two = sample_release(store, 8, {{3, 2}});
  Digest first = build_image(one, store.reader(), folder.path());
  Digest second = build_image(two, store.reader(), folder.path());
  fs::path path() const { return folder.path(); }
};

// Built once: every test but one only reads it.
Releases& releases() {
  static Releases shared;
  return shared;
}

// One server for all tests that need no other; each has a repository of its own.
RealRegistry& shared_server() {
  static RealRegistry shared;
  return shared;
}

int run(const std::string& command) {
  return std::system((command + " 2>&1").c_str());
}

ErrorCode code_of(const std::function<void()>& act, std::string* text = nullptr) {
  try {
    act();
  } catch (const Error& e) {
    if (text) *text = e.message;
    CHECK_FALSE(e.hint.empty());
    return e.code;
  }
  FAIL("no error");
  return ErrorCode::kInvalid;
}

}  // namespace

TEST_CASE("a release is pushed once, read back, and pointed to") {
  RealRegistry& server = shared_server();
  Releases& r = releases();
  RegistryClient client(server.place("r1"), {});
  CHECK_FALSE(client.resolve(r.one.tag).has_value());
  PushReport report = client.push(r.path(), r.one.tag, "production");
  size_t blobs = Layout(r.path()).manifest(Layout(r.path()).at(r.one.tag)).layers.size() + 1;
  CHECK(report.image == r.first);
  CHECK_FALSE(report.was_there);
  CHECK(report.moved);
  CHECK(report.blobs_sent == static_cast<int>(blobs));
  CHECK(client.resolve(r.one.tag) == r.first);
  CHECK(client.resolve("production") == r.first);
  CHECK(client.release(r.one.tag).manifest == r.one.manifest);
  CHECK(client.verify(r.one.tag, r.first).empty());
  CHECK(client.verify("production", r.first).empty());

  report = client.push(r.path(), r.one.tag, "production");
  CHECK(report.was_there);
  CHECK_FALSE(report.moved);
  CHECK(report.blobs_sent == 0);
  CHECK(report.requests == 2);
  // One changed model: its layer, the release's layer, the configuration. Asked are tag and
  // channel, each blob is begun and sent, both manifests are put and read back.
  report = client.push(r.path(), r.two.tag, "production");
  CHECK(report.blobs_sent == 3);
  CHECK(report.requests == 2 + 3 * 2 + 2 * 2);
  CHECK(client.resolve("production") == r.second);
  CHECK(client.resolve(r.one.tag) == r.first);
  // Back again without the layout.
  CHECK(client.point("production", r.one.tag));
  CHECK_FALSE(client.point("production", r.one.tag));
  CHECK(client.resolve("production") == r.first);
}

TEST_CASE("blobs that a killed push has left are found and not sent again") {
  RealRegistry& server = shared_server();
  Releases& r = releases();
  RegistryClient client(server.place("r1b"), {});
  client.push(r.path(), r.one.tag);  // no channel says that its blobs are there
  PushReport report = client.push(r.path(), r.two.tag);
  CHECK(report.blobs_sent == 3);
  CHECK(report.blobs_mounted == 0);
  CHECK(client.verify(r.two.tag, r.second).empty());
}

TEST_CASE("skopeo reads the registry and gives the same digests") {
  if (run("command -v skopeo >/dev/null") != 0) {
    WARN("skopeo is not installed");
    return;
  }
  RealRegistry& server = shared_server();
  Releases& r = releases();
  RegistryClient client(server.place("r2"), {});
  client.push(r.path(), r.two.tag, "production");
  TempFolder out;
  std::string from = "docker://" + server.place("r2") + ":", to = out.path().string();
  REQUIRE(run("skopeo inspect --tls-verify=false " + from + "production > " + to + "/seen") == 0);
  Json seen = parse_json(real_files().read(out.path() / "seen"), "skopeo");
  CHECK(seen["Digest"] == r.second.str());
  CHECK(seen["Labels"]["dev.lockstep.content"] == r.two.content.hex());
  CHECK(seen["RepoTags"].size() == 2);
  REQUIRE(run("skopeo copy -q --preserve-digests --src-tls-verify=false " + from + r.two.tag +
              " oci:" + to + "/copy:" + r.two.tag) == 0);
  CHECK(Layout(out.path() / "copy").at(r.two.tag).digest == r.second);
  CHECK(verify_layout(out.path() / "copy", r.two.tag).empty());
  // And the other way: what skopeo pushes is what we read.
  REQUIRE(run("skopeo copy -q --preserve-digests --dest-tls-verify=false oci:" + to + "/copy:" +
              r.two.tag + " docker://" + server.place("r2/other") + ":" + r.two.tag) == 0);
  RegistryClient other(server.place("r2/other"), {});
  CHECK(other.verify(r.two.tag, r.second).empty());
}

TEST_CASE("a fixed tag that is there as another image is a conflict that shows both") {
  RealRegistry& server = shared_server();
  Releases& r = releases();
  RegistryClient client(server.place("r3"), {});
  client.push(r.path(), r.one.tag);
  TempFolder elsewhere;
  ImageSpec other = r.one;
  other.code = {{"serve.py", r.store.put("print()"), false}};
  Digest image = build_image(other, r.store.reader(), elsewhere.path());
  std::string text;
  CHECK(code_of([&] { client.push(elsewhere.path(), other.tag, "production"); }, &text) ==
        ErrorCode::kConflict);
  CHECK_THAT(text, Catch::Contains(r.first.str()) && Catch::Contains(image.str()) &&
                       Catch::Contains(server.place("r3")));
  CHECK(client.resolve(r.one.tag) == r.first);
  CHECK_FALSE(client.resolve("production").has_value());
  CHECK_THROWS_AS(client.push(r.path(), "production"), Error);
  CHECK_THROWS_AS(client.point(r.two.tag, r.one.tag), Error);
  CHECK_THROWS_AS(client.resolve("sha256:../../x"), Error);
}

TEST_CASE("verify sees what the registry lost or changed") {
  RealRegistry server;
  Releases& r = releases();
  RegistryClient client(server.place(), {});
  CHECK(client.verify(r.one.tag, r.first).size() == 2);
  client.push(r.path(), r.one.tag);
  CHECK_THAT(client.verify(r.one.tag, r.second).at(0), Catch::Contains("not " + r.second.str()));
  Layout layout(r.path());
  Digest layer = layout.manifest(layout.at(r.one.tag)).layers[0].digest;
  std::string bytes = real_files().read(server.blob(layer.hex()));
  bytes[700] ^= 1;
  real_files().write_atomic(server.blob(layer.hex()), bytes);
  std::vector<std::string> problems = client.verify(r.one.tag, r.first);
  REQUIRE(problems.size() == 1);
  CHECK_THAT(problems[0], Catch::Contains(layer.str() + " has other bytes"));
  CHECK(client.verify(r.one.tag, r.first, false).empty());
  real_files().remove(server.blob(layer.hex()));
  CHECK(client.verify(r.one.tag, r.first, false).size() == 1);
}

TEST_CASE("a layout that rotted sends nothing wrong") {
  RealRegistry& server = shared_server();
  Releases r;
  Layout layout(r.path());
  Digest layer = layout.manifest(layout.at(r.one.tag)).layers[2].digest;
  std::string bytes = real_files().read(layout.blob_path(layer));
  bytes[700] ^= 1;
  real_files().write_atomic(layout.blob_path(layer), bytes);
  RegistryClient client(server.place("r4"), {});
  std::string text;
  CHECK(code_of([&] { client.push(r.path(), r.one.tag); }, &text) == ErrorCode::kCorrupt);
  CHECK_THAT(text, Catch::Contains(layer.str()));
  CHECK_FALSE(client.resolve(r.one.tag).has_value());
}

TEST_CASE("a large layer streams") {
  RealRegistry& server = shared_server();
  SampleStore store;
  TempFolder folder;
  ImageSpec spec = sample_release(store, 1);
  std::string big(40 << 20, 'x');
  for (size_t i = 0; i < big.size(); i += 997) big[i] = static_cast<char>(i);
  spec.models[0].digest = store.put(big);
  Digest image = build_image(spec, store.reader(), folder.path());
  RegistryClient client(server.place("r5"), {});
  CHECK(client.push(folder.path(), spec.tag).bytes_sent > big.size());
  CHECK(client.verify(spec.tag, image).empty());
}

TEST_CASE("user and password: missing, wrong, right") {
  TempFolder secrets;
  // bcrypt of "secret", cost 5.
  real_files().write_atomic(secrets.path() / "users",
                            "ann:$2b$05$luapQBtYsbARg7tnW46MG.c7/nwvrWM0efAVAnQvXfhd3PjPW08c2\n");
  RealRegistry server("", fmt::format("auth:\n  htpasswd:\n    realm: r\n    path: {}\n",
                                      (secrets.path() / "users").string()));
  Releases& r = releases();
  RegistryClient nobody(server.place(), {});
  CHECK(code_of([&] { nobody.push(r.path(), r.one.tag); }) == ErrorCode::kDenied);
  RegistryOptions options;
  options.credentials = {"ann", "wrong"};
  RegistryClient wrong(server.place(), options);
  std::string text;
  CHECK(code_of([&] { wrong.push(r.path(), r.one.tag); }, &text) == ErrorCode::kDenied);
  CHECK_THAT(text,
             Catch::Contains("127.0.0.1") && Catch::Contains("401") && !Catch::Contains("wrong"));
  options.credentials.password = "secret";
  RegistryClient right(server.place(), options);
  CHECK(right.push(r.path(), r.one.tag).image == r.first);
}

TEST_CASE("TLS: an unknown certificate is refused, a named authority is believed") {
  TempFolder keys;
  std::string cert = (keys.path() / "cert.pem").string(), key = (keys.path() / "key.pem").string();
  REQUIRE(run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "
              "/CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout " +
              key + " -out " + cert + " > " + (keys.path() / "log").string()) == 0);
  RealRegistry server(fmt::format("  tls:\n    certificate: {}\n    key: {}\n", cert, key));
  Releases& r = releases();
  RegistryOptions options;
  options.plain_http = false;
  std::string text;
  RegistryClient strict(server.place(), options);
  CHECK(code_of([&] { strict.push(r.path(), r.one.tag); }, &text) == ErrorCode::kDenied);
  CHECK_THAT(text, Catch::Contains("certificate"));
  options.http.ca_file = cert;
  RegistryClient believing(server.place(), options);
  CHECK(believing.push(r.path(), r.one.tag, "production").image == r.first);
  CHECK(believing.verify(r.one.tag, r.first).empty());
}

TEST_CASE("a registry that is down is unavailable, and named") {
  Releases& r = releases();
  std::string place = fmt::format("127.0.0.1:{}/team/intents", free_port());
  RegistryClient client(place, {});
  std::string text;
  CHECK(code_of([&] { client.push(r.path(), r.one.tag); }, &text) == ErrorCode::kUnavailable);
  CHECK_THAT(text, Catch::Contains(place.substr(0, place.find('/'))));
}
