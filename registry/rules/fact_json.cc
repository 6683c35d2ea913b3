// Facts as JSON: one list of fields per kind, walked by a writer and by a reader, so that the two
// can't disagree.
#include <array>

#include "pipeline/base/error.h"
#include "registry/rules/registry.h"

namespace lockstep {
namespace {

constexpr std::array<const char*, 12> kKinds = {
    "version", "alias-move", "pin",     "unpin",         "withdrawal",   "gate",
    "retired", "renamed",    "release", "release-built", "channel-move", "release-withdrawn"};
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
  void operator()(const char* name, const Json& value) { out[name] = value; }
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
  void operator()(const char* name, const ReleaseModels& value) {
    Json object = Json::object();
    for (const auto& [key, model] : value) {
      object[key] = {{"version", model.version}, {"digest", model.digest.str()}};
    }
    out[name] = std::move(object);
  }
};

class Reader {
 public:
  explicit Reader(const Json& in) : in_(in) {}

  void operator()(const char* name, std::string& value) { value = text(field(name), name); }
  void optional(const char* name, std::string& value) {
    if (in_.is_object() && in_.contains(name)) value = text(field(name), name);
  }
  void operator()(const char* name, int64_t& value) { value = integer(field(name), name); }
  void operator()(const char* name, bool& value) {
    if (!field(name).is_boolean()) corrupt(std::string(name) + " is not true or false");
    value = field(name).get<bool>();
  }
  void operator()(const char* name, Json& value) { value = field(name); }
  void operator()(const char* name, Digest& value) { value = digest(field(name), name); }
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
    for (const auto& item : object(name).items()) value[item.key()] = text(item.value(), name);
  }
  void operator()(const char* name, ReleaseModels& value) {
    for (const auto& item : object(name).items()) {
      Reader model(item.value());
      ReleaseModel entry;
      model("version", entry.version);
      model("digest", entry.digest);
      value.put(item.key(), entry);
    }
  }

 private:
  const Json& field(const char* name) const {
    if (!in_.is_object()) corrupt("not an object");
    auto it = in_.find(name);
    if (it == in_.end()) corrupt(std::string(name) + " is missing");
    return *it;
  }
  const Json& object(const char* name) const {
    if (!field(name).is_object()) corrupt(std::string(name) + " is not an object");
    return field(name);
  }
  static const std::string& text(const Json& json, const char* name) {
    if (!json.is_string()) corrupt(std::string(name) + " is not text");
    return json.get_ref<const std::string&>();
  }
  static int64_t integer(const Json& json, const char* name) {
    if (!json.is_number_integer() || (json.is_number_unsigned() && json.get<uint64_t>() >> 63)) {
      corrupt(std::string(name) + " is not a number");
    }
    return json.get<int64_t>();
  }
  static Digest digest(const Json& json, const char* name) {
    try {
      return Digest::parse(text(json, name));
    } catch (const Error& e) {
      corrupt(std::string(name) + ": " + e.message);
    }
  }

  const Json& in_;
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
  } else if constexpr (kIs<T, ReleaseWithdrawn>) {
    visit("tag", f.tag);
    visit("channel", f.channel);
    visit("who", f.who);
    visit("reason", f.reason);
    visit("lifted", f.lifted);
  } else {
    alias_fields(f, visit);
  }
}

template <size_t I = 0>
Fact read_fact(const std::string& kind, const Json& json) {
  if constexpr (I == std::variant_size_v<Fact>) {
    corrupt("unknown kind `" + kind.substr(0, 100) + "`; was it written by a newer version?");
  } else {
    if (kind != kKinds[I]) return read_fact<I + 1>(kind, json);
    std::variant_alternative_t<I, Fact> fact;
    Reader reader(json);
    fields(fact, reader);
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

Fact fact_from_json(const Json& json) {
  Reader reader(json);
  std::string kind;
  reader("kind", kind);
  return read_fact(kind, json);
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
