#include "connectors/forge/body.h"

#include "tests/catch.h"
#include "tests/connectors/forge/samples.h"

namespace lockstep {
namespace {

template <typename Act>
std::string refusal(Act act) {
  try {
    act();
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::kInvalid);
    return error.message;
  }
  return "";
}

std::string json_refusal(const std::string& text) {
  return refusal([&] { hook_json(text); });
}

// A push of the generic kind, rightly signed, with this body.
Outcome generic(const std::string& body) {
  Sample s = sample("generic_push");
  s.body = body;
  sign_standard(s, kSecret);
  return outcome(s);
}

TEST_CASE("JSON is read strictly and within limits") {
  CHECK(hook_json(R"({"a":[1,{"b":null}]})")["a"][1]["b"].is_null());
  for (const char* bad : {"", " ", "{", "[]", "1", "null", "\"a\"", "{}{}", "{\"a\":1,}", "{'a':1}",
                          "{\"a\":NaN}", "{\"a\":01}", "{\"a\":1e999}", "{\"a\":\"\n\"}",
                          "{\"a\":\"\xff\"}", "{\"a\":\"\\ud800\"}", "{/**/}", "{\"a\":\"\\x\"}"}) {
    INFO(bad);
    CHECK_FALSE(json_refusal(bad).empty());
  }
  const auto nested = [](int levels) {
    return "{\"a\":" + std::string(levels - 1, '[') + std::string(levels - 1, ']') + "}";
  };
  CHECK(json_refusal(nested(32)).empty());
  CHECK(json_refusal(nested(34)) == "the body is nested too deeply");
  CHECK(json_refusal(nested(2'000'000)) == "the body is nested too deeply");
  std::string many = "{\"a\":[0";
  for (int i = 0; i < 1'000'000; ++i) many += ",0";
  CHECK(json_refusal(many + "]}") == "the body has too many values");
}

TEST_CASE("no key occurs twice in an object, at any depth, in any spelling") {
  for (const char* twice : {R"({"ref":1,"ref":2})", R"({"a":{"b":1,"b":1}})",
                            R"({"a":[{"c":1},{"c":1,"c":2}]})", R"({"ref":1,"\u0072ef":2})"}) {
    INFO(twice);
    CHECK(json_refusal(twice).find("twice in one object") != std::string::npos);
  }
  CHECK(json_refusal(R"({"a":{"b":1},"b":{"a":1},"c":[{"a":1},{"a":1}]})").empty());
}

TEST_CASE("a refusal shows nothing long, and no control characters, of the body") {
  const std::string key(5000, 'k');
  const Outcome got = generic("{\"event\":\"ping\",\"" + key + "\":1}");
  CHECK(got.code == "invalid");
  CHECK(got.text.size() < 300);
  const std::string text =
      generic(R"({"event":"push","repository":"a/b","ref":"refs/heads/\u001b[31mred"})").text;
  CHECK(text.find("control characters") != std::string::npos);
  CHECK(text.find('\x1b') == std::string::npos);
}

TEST_CASE("a form is one strictly encoded payload") {
  CHECK(form_payload("payload=%7B%22a%22%3A1%7D") == "{\"a\":1}");
  CHECK(form_payload("payload=a+b*-._~%2b%2B") == "a b*-._~++");
  CHECK(form_payload("payload=").empty());
  for (const char* bad :
       {"", "payload", "Payload=a", "a=1&payload=b", "payload=a&payload=b", "payload=a&b=1",
        "payload=a;b", "payload=%", "payload=%4", "payload=%zz", "payload={}", "payload=a b",
        "payload=\xc3\xa4", "payload=a=b", " payload=a", "payload=a\n"}) {
    INFO(bad);
    CHECK_FALSE(refusal([&] { form_payload(bad); }).empty());
  }
}

TEST_CASE("two encodings are known") {
  for (const char* good : {"application/json", "Application/JSON; charset=UTF-8",
                           "application/json;charset=\"utf-8\"", "application/json ;"}) {
    CHECK(hook_encoding(good) == HookEncoding::kJson);
  }
  CHECK(hook_encoding("application/x-www-form-urlencoded") == HookEncoding::kForm);
  for (const char* bad : {"", "text/json", "application/json, text/plain", "application/jsonx",
                          "application/json; charset=latin1", "multipart/form-data",
                          "application/json; boundary=x"}) {
    INFO(bad);
    CHECK_FALSE(refusal([&] { hook_encoding(bad); }).empty());
  }
}

TEST_CASE("a form is taken of those that send forms") {
  Sample s = sample("bitbucket_push");
  *s.header("content-type") = "application/x-www-form-urlencoded";
  CHECK(outcome(s).text.find("a form from a forge that sends JSON") != std::string::npos);
}

// Each body is rightly signed, and refused for what it says.
TEST_CASE("what a name can't be is refused") {
  const auto push = [](const std::string& more) {
    return generic(R"({"event":"push","repository":"team/intents",)" + more + "}");
  };
  CHECK(push(R"("ref":"refs/heads/main")").code == "accepted");
  const std::string id(40, '1'), long_name(1014, 'a');
  CHECK(push(R"("ref":"refs/heads/main","after":")" + id + "\"").code == "accepted");
  for (const std::string& bad : std::vector<std::string>{
           R"("ref":"main")", R"("ref":"refs/heads/")", R"("ref":"refs/heads/a..b")",
           R"("ref":"refs/heads/-rf")", R"("ref":"refs/notes/x")", R"("ref":7)", R"("ref":null)",
           R"("ref":"refs/heads/a b")", R"("ref":"refs/heads/a\u0000")",
           R"("ref":"refs/heads/a\u0085b")", R"("ref":"refs/heads/)" + long_name + "aaaaaaa\"",
           R"("ref":"refs/heads/main","after":"HEAD")",
           R"("ref":"refs/heads/main","after":")" + id + "1\"",
           R"("ref":"refs/heads/main","after":"--upload-pack=x")",
           R"("ref":"refs/heads/main","forced":"yes")",
           R"("ref":"refs/heads/main","sender":"a\nb")",
           R"("ref":"refs/heads/main","sender":["a"])", R"("ref":"refs/heads/main","run":"rm")"}) {
    INFO(bad);
    CHECK(push(bad).code == "invalid");
  }
  for (const char* place :
       {"intents", "../intents", "team/../x", "team//x", "/team/x", "team/x/", "team/a b",
        "https://u:p@git.example.org/team/x", "file:///team/x", "https://git.example.org/",
        "team/\\u001b", "https://git.example.org/a/../b"}) {
    const std::string body =
        R"({"event":"push","ref":"refs/heads/main","repository":")" + std::string(place) + "\"}";
    INFO(body);
    CHECK(generic(body).code == "invalid");
  }
}

TEST_CASE("what the generic kind does not know, it does not pass over") {
  CHECK(generic(R"({"event":"deploy","repository":"a/b"})").code == "invalid");
  CHECK(generic(R"({"repository":"a/b"})").code == "invalid");
  const auto ci = [](const std::string& inner) {
    return generic(R"({"event":"ci","repository":"a/b","ci":)" + inner + "}").code;
  };
  const std::string id = std::string(40, 'a');
  const std::string good = R"({"name":"t","conclusion":"success","commit":")" + id + "\"";
  CHECK(ci(good + "}") == "accepted");
  CHECK(ci(good + R"(,"more":1})") == "invalid");
  CHECK(ci(R"({"name":"t","conclusion":"grand","commit":")" + id + "\"}") == "invalid");
  CHECK(ci(R"({"name":"t","conclusion":"success","commit":")" + std::string(40, '0') + "\"}") ==
        "invalid");
  CHECK(ci("[]") == "invalid");
  CHECK(generic(R"({"event":"dispatch","repository":"a/b","inputs":[1]})").code == "invalid");
  const auto inputs = [](size_t bytes) {
    return generic(R"({"event":"dispatch","repository":"a/b","inputs":{"k":")" +
                   std::string(bytes - 8, 'v') + "\"}}")
        .code;
  };
  CHECK(inputs(65'536) == "accepted");
  CHECK(inputs(65'537) == "invalid");
}

bool optional_there(const std::string& name, const std::string& key) {
  return (name == "generic_ci" && key == "ref") || (name == "gitea_create" && key == "sha");
}

TEST_CASE("a body that lost a field it needs, or has it of another kind, is refused") {
  int tried = 0;
  for (const std::string& name : sample_names()) {
    Sample s = sample(name);
    if (s.file["expect"]["event"] == "other" || s.file["expect"]["event"] == "ping") continue;
    for (const char* key : {"repository", "project", "ref", "push", "pull_request", "release",
                            "workflow_run", "check_suite", "sha", "object_attributes", "event",
                            "commit_status", "pullrequest", "changes", "pullRequest", "ci"}) {
      if (!s.file["body"].contains(key) || optional_there(name, key)) continue;
      // GitLab's bodies have a `repository` that only old jobs need.
      if (s.spec.forge == Forge::kGitlab && std::string(key) == "repository") continue;
      if (s.spec.forge == Forge::kGitlab && std::string(key) == "changes") continue;
      for (const Json& other : {Json(), Json(7), Json::array(), Json("")}) {
        Json file = s.file;
        file["body"][key] = other;
        const Outcome got = outcome(made(name, file, Way::kPlain));
        INFO(name << " " << key << " " << other.dump() << " " << got.text);
        CHECK(got.code == "invalid");
        CHECK(got.text.find("the body") != std::string::npos);
        ++tried;
      }
    }
  }
  CHECK(tried > 150);
}

// Bytes from nowhere, the same ones every time (Knuth's MMIX constants).
class Dice {
 public:
  size_t below(size_t n) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return (state_ >> 33) % n;
  }

 private:
  uint64_t state_ = 20260303;
};

TEST_CASE("whatever is rightly signed is read or refused, and what is read keeps its promises") {
  const std::string marks = "{}[]\",:0\\\x1b\xff u";
  Dice dice;
  int read = 0, refused = 0;
  for (const std::string& name : sample_names()) {
    const Sample good = sample(name);
    const std::string& whole = good.body;
    for (int round = 0; round < 200; ++round) {
      Sample s = good;
      for (size_t i = 0; i <= dice.below(3); ++i) {
        const size_t at = dice.below(s.body.size() + 1), kind = dice.below(3);
        if (kind == 0) s.body.replace(at, 1, 1, marks[dice.below(marks.size())]);
        if (kind == 1) s.body.erase(at, 1 + dice.below(20));
        if (kind == 2) s.body.insert(at, whole.substr(dice.below(whole.size()), 30));
      }
      for (const char* header : {"x-hub-signature", "x-hub-signature-256", "x-gitea-signature",
                                 "x-gogs-signature", "x-forgejo-signature"}) {
        s.drop(header);
      }
      sign(s, s.body, Way::kPlain);
      try {
        const Delivery d = read_delivery(s.spec, s.request());
        for (const HookRef& ref : d.refs) {
          CHECK((ref.branch.empty() || good_ref_name(ref.branch)));
          CHECK((ref.tag.empty() || good_ref_name(ref.tag)));
          CHECK((ref.after.empty() || good_commit_id(ref.after)));
        }
        CHECK_FALSE(has_control(d.sender + d.action + d.repository + d.target));
        ++read;
      } catch (const Error& error) {
        INFO(name << ": " << s.body);
        CHECK(error.code == ErrorCode::kInvalid);
        ++refused;
      }
    }
  }
  CHECK(read > 500);
  CHECK(refused > 5'000);
}

TEST_CASE("a push of 2,048 commits and 25 MiB is read in time") {
  Json file = sample("github_push").file;
  Json commits = Json::array();
  for (int i = 0; i < 2048; ++i) commits.push_back({{"message", std::string(12'000, 'm')}});
  file["body"]["commits"] = commits;
  const Sample s = made("github_push", file, Way::kPlain);
  REQUIRE(s.body.size() > 24'000'000);
  REQUIRE(s.body.size() < (25u << 20));
  CHECK(outcome(s).code == "accepted");
  Sample over = s;
  over.body.resize((25u << 20) + 1, ' ');
  CHECK(outcome(over).text.find("at most 26214400 are taken") != std::string::npos);
}

}  // namespace
}  // namespace lockstep
