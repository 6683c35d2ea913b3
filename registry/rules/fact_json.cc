// Facts as JSON: one list of fields per kind, walked by a writer and by a reader, so that the two
// can't disagree.
#include <array>

#include "pipeline/base/error.h"
#include "pipeline/base/json_spans.h"
#include "registry/rules/registry.h"

namespace lockstep {
namespace {

constexpr std::array<const char*, 18> kKinds = {
    "version",  "alias-move",     "pin",      "unpin",         "withdrawal",   "gate",
    "retired",  "renamed",        "release",  "release-built", "channel-move", "release-withdrawn",
    "restored", "release-signed", "approval", "note",          "tagged",       "release-kept"};
static_assert(kKinds.size() == std::variant_size_v<Fact>);

constexpr std::array<const char*, 3> kPinKinds = {"hand", "rollback", "release-rollback"};

[[noreturn]] void corrupt(const std::string& what) {
  throw Error(ErrorCode::kCorrupt, "ledger fact: " + what);
}

class Writer {
 public:
  Json out = Json::object();

  void operator()(const char* name, const std::string& value) { out[name] = value; }
  void operator()(const char* name, int64_t value) { out[name] = value; }
  void operator()(const char* name, bool value) { out[name] = value; }
  void operator()(const char* name, const PackedJson& value) { out[name] = value.json(); }
  void operator()(const char* name, const Digest& value) { out[name] = value.str(); }
  void operator()(const char* name, PinKind value) {
    out[name] = kPinKinds[static_cast<size_t>(value)];
  }
  void operator()(const char* name, const std::map<std::string, std::string>& value) {
    Json object = Json::object();
    for (const auto& [key, text] : value) object[key] = text;
    out[name] = std::move(object);
  }
  // Left out where empty: entries written before the field was known have none.
  void optional(const char* name, const std::string& value) {
    if (!value.empty()) out[name] = value;
  }
  void optional(const char* name, int64_t value) {
    if (value != 0) out[name] = value;
  }
  void optional(const char* name, bool value) {
    if (value) out[name] = value;
  }
  void operator()(const char* name, const ReleaseModels& value) {
    Json object = Json::object();
    for (const auto& [key, model] : value) {
      object[key] = {{"version", model.version}, {"digest", model.digest.str()}};
    }
    out[name] = std::move(object);
  }
};

// The members of an object, found by name.
class Reader {
 public:
  explicit Reader(std::string_view object) : members_(members_of(object)) {}

  void operator()(const char* name, std::string& value) { value = text(field(name), name); }
  template <class T>
  void optional(const char* name, T& value) {
    if (find(name)) (*this)(name, value);
  }
  void operator()(const char* name, int64_t& value) {
    std::optional<int64_t> number = json_integer(field(name));
    if (!number) corrupt(std::string(name) + " is not a number");
    value = *number;
  }
  void operator()(const char* name, bool& value) {
    value = field(name) == "true";
    if (!value && field(name) != "false") corrupt(std::string(name) + " is not true or false");
  }
  void operator()(const char* name, PackedJson& value) { value = PackedJson::of_text(field(name)); }
  void operator()(const char* name, Digest& value) {
    try {
      value = Digest::parse(text(field(name), name));
    } catch (const Error& e) {
      corrupt(std::string(name) + ": " + e.message);
    }
  }
  void operator()(const char* name, PinKind& value) {
    std::string word = text(field(name), name);
    for (size_t i = 0; i < kPinKinds.size(); ++i) {
      if (word == kPinKinds[i]) {
        value = static_cast<PinKind>(i);
        return;
      }
    }
    corrupt("unknown kind of pin: " + word);
  }
  void operator()(const char* name, std::map<std::string, std::string>& value) {
    for (const auto& [key, item] : object(name)) value[text(key, name)] = text(item, name);
  }
  void operator()(const char* name, ReleaseModels& value) {
    std::vector<ReleaseModels::value_type> all;
    for (const auto& [key, item] : object(name)) {
      auto& [model, entry] = all.emplace_back(text(key, name), ReleaseModel());
      Reader reader(item);
      reader("version", entry.version);
      reader("digest", entry.digest);
    }
    value = ReleaseModels(std::move(all));
  }

 private:
  static std::vector<JsonMember> members_of(std::string_view object) {
    if (object.substr(0, 1) != "{") corrupt("not an object");
    return json_members(object);
  }
  const JsonMember* find(std::string_view name) const {
    for (auto it = members_.rbegin(); it != members_.rend(); ++it) {
      if (it->name.size() == name.size() + 2 && it->name.substr(1, name.size()) == name) {
        return &*it;
      }
    }
    return nullptr;
  }
  std::string_view field(const char* name) const {
    const JsonMember* member = find(name);
    if (!member) corrupt(std::string(name) + " is missing");
    return member->value;
  }
  std::vector<JsonMember> object(const char* name) const {
    if (field(name).front() != '{') corrupt(std::string(name) + " is not an object");
    return json_members(field(name));
  }
  static std::string text(std::string_view value, const char* name) {
    std::optional<std::string> text = json_text(value);
    if (!text) corrupt(std::string(name) + " is not text");
    return std::move(*text);
  }

  std::vector<JsonMember> members_;
};

// T is the kind, const for writing.
template <class T, class U>
constexpr bool kIs = std::is_same_v<std::remove_const_t<T>, U>;

template <class T, class V>
void version_fields(T& f, V& visit) {
  visit("model", f.model);
  visit("number", f.number);
  visit("fingerprint", f.fingerprint);
  visit("digest", f.digest);
  visit("step", f.step);
  visit("attempt", f.attempt);
  visit("commits", f.commits);
  visit("recipe", f.recipe);
  visit("slices", f.slices);
  visit("upstreams", f.upstreams);
  visit("metrics", f.metrics);
  visit("environment", f.environment);
  visit("committers", f.committers);
  visit("trigger", f.trigger);
  visit("code_tree", f.code_tree);
  visit("nondeterministic", f.nondeterministic);
  visit.optional("preview", f.preview);
  visit.optional("inputs", f.inputs);
  visit.optional("imported", f.imported);
}

template <class T, class V>
void release_fields(T& f, V& visit) {
  visit("channel", f.channel);
  visit("tag", f.tag);
  visit("manifest", f.manifest);
  visit("manifest_sha256", f.manifest_sha256);
  visit("content", f.content);
  visit("models", f.models);
  visit("base", f.base);
  visit("code", f.code);
  visit("missing", f.missing);
}

template <class T, class V>
void alias_fields(T& f, V& visit) {
  visit("model", f.model);
  if constexpr (!kIs<T, Withdrawal>) visit("alias", f.alias);
  if constexpr (kIs<T, AliasMove>) {
    visit("from", f.from);
    visit("to", f.to);
    visit("why", f.why);
  } else {
    visit("reason", f.reason);
  }
  if constexpr (kIs<T, Pin>) visit("pin", f.kind);
  if constexpr (kIs<T, Pin> || kIs<T, Withdrawal>) visit("version", f.version);
  if constexpr (kIs<T, Withdrawal>) {
    visit("channel", f.channel);
    visit("lifted", f.lifted);
  }
  visit("who", f.who);
}

template <class T, class V>
void remark_fields(T& f, V& visit) {
  visit("model", f.model);
  visit("version", f.version);
  visit("release", f.release);
  visit("who", f.who);
  if constexpr (kIs<T, Note>) {
    visit("text", f.text);
  } else {
    visit("key", f.key);
    visit("value", f.value);
    visit("removed", f.removed);
  }
}

template <class T, class V>
void fields(T& f, V& visit) {
  if constexpr (kIs<T, Version>) {
    version_fields(f, visit);
  } else if constexpr (kIs<T, Release>) {
    release_fields(f, visit);
  } else if constexpr (kIs<T, GateReport>) {
    visit("model", f.model);
    visit("version", f.version);
    visit("passed", f.passed);
    visit("verdict", f.verdict);
    visit("checks", f.checks);
    visit.optional("champion", f.champion);
    visit.optional("action", f.action);
    visit.optional("basis", f.basis);
    visit.optional("by_other", f.by_other);
    visit.optional("report", f.report);
  } else if constexpr (kIs<T, Retired>) {
    visit("model", f.model);
    visit("retired", f.retired);
    visit("why", f.why);
  } else if constexpr (kIs<T, Renamed>) {
    visit("from", f.from);
    visit("to", f.to);
  } else if constexpr (kIs<T, ReleaseBuilt>) {
    visit("tag", f.tag);
    visit("image", f.image);
  } else if constexpr (kIs<T, ChannelMove>) {
    visit("channel", f.channel);
    visit("from", f.from);
    visit("to", f.to);
    visit("who", f.who);
    visit("why", f.why);
    visit("as_built", f.as_built);
    visit.optional("told_ms", f.told_ms);
  } else if constexpr (kIs<T, ReleaseWithdrawn>) {
    visit("tag", f.tag);
    visit("channel", f.channel);
    visit("who", f.who);
    visit("reason", f.reason);
    visit("lifted", f.lifted);
  } else if constexpr (kIs<T, Approval>) {
    visit("model", f.model);
    visit("version", f.version);
    visit("basis", f.basis);
    visit("who", f.who);
    visit("reason", f.reason);
  } else if constexpr (kIs<T, Restored>) {
    visit("above", f.above);
    visit("backup", f.backup);
  } else if constexpr (kIs<T, ReleaseSigned>) {
    visit("tag", f.tag);
    visit("key", f.key);
    visit("signature", f.signature);
  } else if constexpr (kIs<T, Note> || kIs<T, Tagged>) {
    remark_fields(f, visit);
  } else if constexpr (kIs<T, ReleaseKept>) {
    visit("tag", f.tag);
    visit("who", f.who);
    visit("reason", f.reason);
    visit("kept", f.kept);
  } else {
    alias_fields(f, visit);
  }
}

template <size_t I = 0>
Fact read_fact(const std::string& kind, Reader& reader) {
  if constexpr (I == std::variant_size_v<Fact>) {
    corrupt("unknown kind `" + kind.substr(0, 100) + "`; was it written by a newer version?");
  } else {
    if (kind != kKinds[I]) return read_fact<I + 1>(kind, reader);
    Fact fact(std::in_place_index<I>);  // a large one: made where it stays
    fields(std::get<I>(fact), reader);
    return fact;
  }
}

}  // namespace

Json fact_json(const Fact& fact) {
  Writer writer;
  writer("kind", std::string(kKinds[fact.index()]));
  std::visit([&](const auto& f) { fields(f, writer); }, fact);
  return std::move(writer.out);
}

Fact fact_from_text(std::string_view text) {
  Reader reader(text);
  std::string kind;
  reader("kind", kind);
  return read_fact(kind, reader);
}

Fact fact_from_json(const Json& json) {
  return fact_from_text(json.dump());
}

std::string fact_kind(const Fact& fact) {
  return kKinds[fact.index()];
}

std::string fact_model(const Fact& fact) {
  return std::visit(
      [](const auto& f) -> std::string {
        if constexpr (requires { f.model; }) return f.model;
        if constexpr (kIs<decltype(f), const Renamed&>) return f.to;
        return "";
      },
      fact);
}

}  // namespace lockstep
