// Every way to change a delivery that we could think of, on every sample of every forge.
#include <functional>
#include <map>

#include "tests/catch.h"
#include "tests/connectors/forge/samples.h"

namespace lockstep {
namespace {

// The headers that prove a delivery.
std::vector<std::string> proofs(Sample& s) {
  switch (s.spec.forge) {
    case Forge::kGithub:
      return {"x-hub-signature-256"};
    case Forge::kGitea:
      return s.header("x-forgejo-signature")
                 ? std::vector<std::string>{"x-gitea-signature", "x-forgejo-signature"}
                 : std::vector<std::string>{"x-gitea-signature"};
    case Forge::kBitbucket:
      return {"x-hub-signature"};
    case Forge::kDolthub:
      return {s.spec.signature_header};
    case Forge::kGitlab:
      if (s.header("x-gitlab-token")) return {"x-gitlab-token"};
      return {"webhook-signature"};
    case Forge::kGeneric:
      return {"webhook-signature"};
  }
  return {};
}

void each_proof(Sample& s, const std::function<void(std::string&)>& change) {
  for (const std::string& name : proofs(s)) change(*s.header(name));
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

// "v1,", "sha256=" or nothing.
size_t prefix_of(const std::string& proof) {
  for (const std::string prefix : {"v1,", "sha256="}) {
    if (proof.starts_with(prefix)) return prefix.size();
  }
  return 0;
}

struct Mutation {
  const char* what;
  const char* refusal;
  std::function<void(Sample&)> change;
};

// Gone, doubled, under another name.
const std::vector<Mutation> kPlaces = {
    {"proof removed", "denied",
     [](Sample& s) {
       for (const std::string& name : proofs(s)) s.drop(name);
     }},
    {"proof empty", "denied", [](Sample& s) { each_proof(s, [](auto& v) { v.clear(); }); }},
    {"proof renamed", "denied",
     [](Sample& s) {
       for (const std::string& name : proofs(s)) {
         const std::string value = *s.header(name);
         s.drop(name);
         s.headers.emplace_back("x-" + name, value);
       }
     }},
    {"proof twice", "invalid",
     [](Sample& s) {
       const std::string name = proofs(s).front(), value = *s.header(name);
       s.headers.emplace_back(upper(name), value);
     }},
    {"proof twice, one wrong", "invalid",
     [](Sample& s) {
       const std::string name = proofs(s).front();
       s.headers.insert(s.headers.begin(), {name, "sha256=00"});
     }},
};

// Of another form or algorithm.
const std::vector<Mutation> kForms = {
    {"proof cut", "denied", [](Sample& s) { each_proof(s, [](auto& v) { v.pop_back(); }); }},
    {"proof longer", "denied", [](Sample& s) { each_proof(s, [](auto& v) { v += '0'; }); }},
    {"proof's prefix alone", "denied",
     [](Sample& s) { each_proof(s, [](auto& v) { v = v.substr(0, prefix_of(v)) + " "; }); }},
    {"proof in upper case", "denied",
     [](Sample& s) {
       each_proof(s, [](auto& v) {
         const size_t from = prefix_of(v);
         v = v.substr(0, from) + upper(v.substr(from));
       });
     }},
    {"last of the proof changed", "denied",
     [](Sample& s) {
       each_proof(s, [](auto& v) { v[v.size() - 2] = v[v.size() - 2] == 'a' ? 'b' : 'a'; });
     }},
    {"two proofs in one", "denied",
     [](Sample& s) { each_proof(s, [](auto& v) { v = v + "," + v; }); }},
    {"algorithm called SHA-1", "denied",
     [](Sample& s) {
       each_proof(s, [](auto& v) { v = "sha1=" + v.substr(prefix_of(v)).substr(0, 40); });
     }},
    {"algorithm called SHA-512", "denied",
     [](Sample& s) { each_proof(s, [](auto& v) { v = "sha512=" + v.substr(prefix_of(v)); }); }},
    {"algorithm called none", "denied",
     [](Sample& s) { each_proof(s, [](auto& v) { v = "none="; }); }},
    {"signed by another", "denied",
     [](Sample& s) { s.spec.secrets = {"a secret of somebody else"}; }},
};

// Around it.
const std::vector<Mutation> kSurroundings = {
    {"body empty", "denied", [](Sample& s) { s.body.clear(); }},
    {"content type removed", "invalid", [](Sample& s) { s.drop("content-type"); }},
    {"content type of text", "invalid",
     [](Sample& s) { *s.header("content-type") = "text/plain"; }},
    {"content type twice", "invalid",
     [](Sample& s) { s.headers.emplace_back("CONTENT-TYPE", "application/json"); }},
    {"another alphabet", "invalid",
     [](Sample& s) { *s.header("content-type") += "; charset=utf-7"; }},
    {"compressed", "invalid",
     [](Sample& s) { s.headers.emplace_back("Content-Encoding", "gzip"); }},
    {"a header with a line break", "invalid",
     [](Sample& s) { s.headers.emplace_back("X-More", "a\r\nX-Less: b"); }},
    {"too many headers", "invalid",
     [](Sample& s) {
       s.headers.resize(201, {"x-filler", "1"});
     }},
    {"over the size", "invalid", [](Sample& s) { s.spec.max_body_bytes = s.body.size() - 1; }},
};

std::vector<Mutation> all_mutations() {
  std::vector<Mutation> all = kPlaces;
  all.insert(all.end(), kForms.begin(), kForms.end());
  all.insert(all.end(), kSurroundings.begin(), kSurroundings.end());
  return all;
}

// A GitLab token proves no body: what it guards against is another sender.
bool signs_body(const Sample& s) {
  return s.spec.forge != Forge::kGitlab || s.spec.secrets.front() != kSecret;
}

bool is_form(const Sample& s) {
  return s.body.starts_with("payload=");
}

TEST_CASE("every mutation of every delivery is refused, with the right status") {
  int tried = 0;
  std::map<std::string, int> codes;
  const std::vector<Mutation> all = all_mutations();
  for (const std::string& name : sample_names()) {
    for (const Sample& good : in_every_way(name)) {
      REQUIRE(outcome(good).code == "accepted");
      for (const Mutation& m : all) {
        Sample s = good;
        m.change(s);
        const Outcome got = outcome(s);
        INFO(name << ", " << m.what << ": " << got.text);
        // An empty form is none, and an empty body under GitLab's token no JSON.
        const bool unread = s.body.empty() && (is_form(good) || !signs_body(good));
        CHECK(got.code == (unread ? "invalid" : m.refusal));
        CHECK(got.text.find(kSecret) == std::string::npos);
        CHECK(got.text.find(kStandardSecret) == std::string::npos);
        CHECK(got.text.find(hex_mac(kSecret, s.body)) == std::string::npos);
        ++tried;
        ++codes[got.code];
      }
    }
  }
  CHECK(tried > 2000);
  CHECK(codes["accepted"] == 0);
}

TEST_CASE("no byte of a body can change, go or come") {
  int tried = 0;
  for (const std::string& name : sample_names()) {
    for (const Sample& good : in_every_way(name)) {
      if (!signs_body(good)) continue;
      const size_t step = std::max<size_t>(1, good.body.size() / 40);
      for (size_t at = 0; at < good.body.size(); at += step) {
        for (int kind = 0; kind < 4; ++kind) {
          Sample s = good;
          if (kind == 0) s.body[at] = static_cast<char>(s.body[at] ^ 1);
          if (kind == 1) s.body[at] = static_cast<char>(s.body[at] ^ 0x80);
          if (kind == 2) s.body.erase(at, 1);
          if (kind == 3) s.body.insert(at, 1, ' ');
          const Outcome got = outcome(s);
          INFO(name << " byte " << at << " kind " << kind << ": " << got.text);
          // A form that is none is refused before it is anything that could be signed.
          const bool broken_form = is_form(good) && got.code == "invalid";
          CHECK((got.code == "denied" || broken_form));
          ++tried;
        }
      }
    }
  }
  CHECK(tried > 10'000);
}

TEST_CASE("header names have no case, and their order says nothing") {
  for (const std::string& name : sample_names()) {
    for (Sample s : in_every_way(name)) {
      for (auto& one : s.headers) one.first = upper(one.first);
      std::reverse(s.headers.begin(), s.headers.end());
      for (auto& one : s.headers) one.second = "  " + one.second + "\t";
      INFO(name);
      CHECK(outcome(s).code == "accepted");
    }
  }
}

TEST_CASE("a signed time is taken within the window, to the second, and cannot be moved") {
  for (const char* name : {"generic_push", "gitlab_push", "gitlab_pipeline"}) {
    Sample s = sample(name);
    const auto at = [&](int64_t age_s) {
      HookRequest request = s.request();
      request.received_ms = kNow + age_s * 1000;
      return outcome(s.spec, request);
    };
    CHECK(at(300).code == "accepted");
    CHECK(at(-300).code == "accepted");
    CHECK(at(301).code == "denied");
    CHECK(at(301).text.find("signed 301 s ago, at most 300 s are taken") != std::string::npos);
    CHECK(at(-301).text.find("301 s ahead of now") != std::string::npos);
    CHECK(at(10 * 365 * 86'400ll).code == "denied");
    for (const char* moved : {"1772546401", "01772546400", "+1772546400", "-1", "1772546400.0", "",
                              "soon", "99999999999999999999", "1772546400 "}) {
      Sample changed = s;
      *changed.header("webhook-timestamp") = moved;
      INFO(moved);
      const bool only_space = std::string(moved) == "1772546400 ";  // around a value: no matter
      CHECK(outcome(changed).code == (only_space ? "accepted" : "denied"));
    }
    Sample renamed = s;
    *renamed.header("webhook-id") = "0eb7bd12-2f0f-4d6e-9d4e-fe2b6b3f1b5d";
    CHECK(outcome(renamed).code == "denied");
  }
}

TEST_CASE("signed times that are no times are refused") {
  Sample s = sample("generic_push");
  for (const std::string time : {"-5", "x", "1e9", "1772546400000000"}) {
    const std::string id = "a1", text = id + "." + time + "." + s.body;
    *s.header("webhook-id") = id;
    *s.header("webhook-timestamp") = time;
    *s.header("webhook-signature") = "v1," + base64(hmac_sha256(kSecret, text));
    const Outcome got = outcome(s);
    INFO(time);
    CHECK(got.code == "denied");
    CHECK(got.text.find("no Unix time") != std::string::npos);
  }
}

TEST_CASE("an id that could move the border between id, time and body is refused") {
  Sample s = sample("generic_push");
  const std::string time = std::to_string(kNow / 1000);
  for (const std::string id : {"a.1", "a b", "ä", "a:1"}) {
    *s.header("webhook-id") = id;
    *s.header("webhook-signature") =
        "v1," + base64(hmac_sha256(kSecret, id + "." + time + "." + s.body));
    INFO(id);
    CHECK(outcome(s).text.find("webhook-id is no id") != std::string::npos);
  }
}

TEST_CASE("a delivery of another forge is refused, and its forge named") {
  int tried = 0;
  for (const std::string& name : sample_names()) {
    for (Sample s : in_every_way(name)) {
      const std::string sender(word(s.spec.forge));
      for (const char* other : {"github", "gitlab", "gitea", "bitbucket", "generic"}) {
        // GitLab's signed deliveries and ours are of one scheme, bodies apart.
        if (sender == other || sender == "dolthub") continue;
        Sample mine = s;
        mine.spec.forge = forge_named(other);
        const Outcome got = outcome(mine);
        INFO(name << " to " << other << ": " << got.text);
        const bool standard = sender == "gitlab" && std::string(other) == "generic";
        CHECK((got.code == "denied" || got.code == "invalid"));
        if (got.code == "denied" && !standard) {
          CHECK((got.text.find("is forge: " + sender + " meant?") != std::string::npos ||
                 got.text.find("is none that its secrets make") != std::string::npos));
        }
        ++tried;
      }
    }
  }
  CHECK(tried > 300);
}

TEST_CASE("the hint names the forge whose headers came") {
  const auto hint = [](const char* name, Forge forge) {
    Sample s = sample(name);
    s.spec.forge = forge;
    s.spec.secrets = {kSecret};
    return outcome(s).text;
  };
  const auto says = [](const std::string& text, const std::string& what) {
    INFO(text);
    CHECK(text.find(what) != std::string::npos);
  };
  says(hint("github_push", Forge::kGitea), "is forge: github meant?");
  says(hint("gitea_push", Forge::kGithub), "is forge: gitea meant?");
  says(hint("gitlab_push", Forge::kGithub), "is forge: gitlab meant?");
  says(hint("github_push", Forge::kGitlab), "is forge: github meant?");
  says(hint("bitbucket_push", Forge::kGithub), "is forge: bitbucket meant?");
  says(hint("github_push", Forge::kBitbucket), "is forge: github meant?");
  says(hint("github_push", Forge::kGeneric), "is forge: github meant?");
  says(hint("generic_push", Forge::kGithub), "is forge: generic meant?");
}

TEST_CASE("GitHub: SHA-1 alone is refused by name") {
  Sample s = sample("github_push");
  s.drop("x-hub-signature-256");
  CHECK(outcome(s).text.find("signed with SHA-1 alone") != std::string::npos);
  CHECK(outcome(s).code == "denied");
}

// It is kept as a text; what is no UTF-8 can't be written into JSON.
TEST_CASE("an event's name that is no text is refused") {
  for (const char* name : {"github_push", "gitea_push", "bitbucket_status"}) {
    for (const std::string& event : {std::string("repo:\xff\xff"), std::string(1025, 'a')}) {
      Sample s = sample(name);
      for (auto& [key, value] : s.headers) {
        if (lower_case(key).find("-event") != std::string::npos) value = event;
      }
      INFO(name << " " << printable(event));
      CHECK(outcome(s).code == "invalid");
    }
  }
}

TEST_CASE("a body under another event's name is no such event") {
  const std::vector<std::string> events = {"push",         "create",  "delete",
                                           "pull_request", "release", "workflow_run",
                                           "check_suite",  "status",  "repository_dispatch"};
  for (const std::string name :
       {"push", "delete", "pull_request", "release", "workflow_run", "check_suite", "status"}) {
    for (const std::string& event : events) {
      Sample s = sample("github_" + name);
      *s.header("x-github-event") = event;
      INFO(name << " as " << event << " " << outcome(s).text);
      if (event == name) {
        CHECK(outcome(s).code == "accepted");
      } else if (!(name == "delete" && event == "create")) {
        CHECK(outcome(s).code == "invalid");
      }
    }
  }
}

}  // namespace
}  // namespace lockstep
