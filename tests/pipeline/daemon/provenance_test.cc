// A release's statement of what it was made of, and what its signatures are worth.
#include "pipeline/daemon/provenance.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/ed25519.h"
#include "pipeline/daemon/signing.h"
#include "tests/catch.h"
#include "tests/registry/rules/book.h"

using namespace lockstep;

namespace {

const char* kPem =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIMWqjfQ/n4N77bdELzHct7Fm04U1B28JS4XOOi4LRFj3\n"
    "-----END PRIVATE KEY-----\n";
const std::string kCode = std::string(40, 'c'), kDolt = "0123456789abcdefghijklmnopqrstuv";

// Two models of one code commit and one commit of rows; one of them on a trunk.
struct Made : Book {
  Made() {
    train("trunk", "one");
    for (const char* name : {"a", "b"}) add_model(name);
    CutRequest request = this->request();
    request.channel.models = {"a", "b"};
    request.why = "run r7";
    cut(request);
    add(ReleaseBuilt{tag(), sha256("image")});
  }
  void add_model(const std::string& name) {
    Version version = made(name, "rows", name);
    version.commits = {{"code", kCode}, {"rows", kDolt}};
    version.slices = Json::array({{{"input", "rows"},
                                   {"source", "rows"},
                                   {"table", "utterances"},
                                   {"slice", "utterances[client=" + name + "]"},
                                   {"digest", sha256("slice of " + name).str()},
                                   {"rows", 12},
                                   {"commit", kDolt}}});
    version.upstreams = Json::array({{{"input", "trunk"},
                                      {"model", "trunk"},
                                      {"version", 1},
                                      {"digest", sha256("trunk/one").str()}}});
    produced.insert(name);
    add(decide(registry, {version, {}, "lockstep", 0}).facts);
  }
  std::string tag() const { return registry.live("production"); }
  const ReleaseState& state() const { return *registry.release(tag()); }
  void sign(const std::string& bytes) {
    add(ReleaseSigned{tag(), ed25519_text(ed25519_public(kPem)),
                      base64(ed25519_sign(kPem, bytes))});
  }
};

}  // namespace

TEST_CASE("provenance: subjects, dependencies once each, and the run") {
  Made book;
  Json statement =
      provenance_statement(book.registry, book.state(), {{"code", "https://example.org/code.git"}});
  CHECK(statement.at("_type") == "https://in-toto.io/Statement/v1");
  CHECK(statement.at("predicateType") == "https://slsa.dev/provenance/v1");
  CHECK(statement.at("subject") ==
        Json::array({{{"name", book.tag()}, {"digest", {{"sha256", sha256("image").hex()}}}},
                     {{"name", "a@1"}, {"digest", {{"sha256", sha256("a").hex()}}}},
                     {{"name", "b@1"}, {"digest", {{"sha256", sha256("b").hex()}}}}}));
  const Json& build = statement.at("predicate").at("buildDefinition");
  CHECK(build.at("externalParameters").at("channel") == "production");
  CHECK(build.at("internalParameters").at("content") == book.state().release.content.hex());
  const Json& all = build.at("resolvedDependencies");
  REQUIRE(all.size() == 5);  // code, rows, two slices, the trunk
  CHECK(all[0] == Json{{"name", "code"},
                       {"uri", "https://example.org/code.git"},
                       {"digest", {{"gitCommit", kCode}}}});
  CHECK(all[1].at("digest").at("doltCommit") == kDolt);
  CHECK(all[2].at("digest").at("lockstepSliceV1") == sha256("slice of a").hex());
  CHECK(all[2].at("annotations").at("rows") == 12);
  CHECK(all[3].at("name") == "trunk@1");
  const Json& run = statement.at("predicate").at("runDetails");
  CHECK(run.at("metadata").at("invocationId") == "run r7");
  CHECK_FALSE(run.at("builder").at("id").get<std::string>().empty());
}

TEST_CASE("provenance: without an image only the models are its subjects") {
  Made book;
  ReleaseState state = book.state();
  state.image.reset();
  CHECK(provenance_statement(book.registry, state, {}).at("subject").size() == 2);
}

TEST_CASE("provenance: the envelope is DSSE's") {
  // The example of DSSE's protocol, with our type of payload.
  CHECK(dsse_text("hello world") == "DSSEv1 28 application/vnd.in-toto+json 11 hello world");
  Json envelope = dsse_envelope("{}", "ed25519:k", "c2ln");
  CHECK(base64_bytes(envelope.at("payload").get<std::string>()) == "{}");
  CHECK(envelope.at("signatures").at(0) == Json{{"keyid", "ed25519:k"}, {"sig", "c2ln"}});
}

TEST_CASE("signatures: a good one, a wrong one, one of nobody's, none") {
  const std::string key = ed25519_text(ed25519_public(kPem));
  Made unsigned_one;
  CHECK(distrust(unsigned_one.registry, unsigned_one.state(), {key}).empty());
  Made good;
  good.sign(signed_text(good.state().release.content));
  CHECK(distrust(good.registry, good.state(), {key}).empty());
  CHECK_THAT(distrust(good.registry, good.state(), {}), Catch::Contains("none of the keys"));
  CHECK(signatures_json(good.state(), {key}).at(0).at("valid") == true);
  Made wrong;
  wrong.sign("something else");
  CHECK_THAT(distrust(wrong.registry, wrong.state(), {key}),
             Catch::Contains("is not one of its content"));
  CHECK(signatures_json(wrong.state(), {key}).at(0).at("valid") == false);
  // Once releases are signed, a younger one without a signature is not what it should be.
  good.train("a", "other rows");
  good.cut();
  CHECK_THAT(distrust(good.registry, good.state(), {key}), Catch::Contains("it is not signed"));
  // Signed by hand long after it was cut: those beside it were cut before there was a key all the
  // same.
  Made late;
  const std::string old = late.tag();
  late.train("a", "other rows");
  late.cut();
  const std::string text = signed_text(late.registry.release(old)->release.content);
  late.add(ReleaseSigned{old, key, base64(ed25519_sign(kPem, text))});
  CHECK(distrust(late.registry, late.state(), {key}).empty());
  CHECK(distrust(late.registry, *late.registry.release(old), {key}).empty());
}
