// Everything that could be wrong, each with its fix.
#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <thread>

#include "connectors/http/http.h"
#include "pipeline/base/process.h"
#include "pipeline/base/text.h"
#include "pipeline/calendar/cron.h"
#include "pipeline/daemon/backend.h"

namespace lockstep {
namespace {

constexpr int64_t kMinute_ms = 60'000, kDay_ms = 86'400'000, kSoon_ms = 14 * kDay_ms;

class Doctor {
 public:
  template <class F>
  void check(const std::string& name, const std::string& fix, F&& look) {
    Json one = {{"name", name}, {"ok", true}, {"message", ""}, {"fix", nullptr}};
    try {
      one["message"] = look();
    } catch (const std::exception& thrown) {
      const auto* error = dynamic_cast<const Error*>(&thrown);
      one["ok"] = false;
      one["message"] = error ? error->message : std::string(thrown.what());
      one["fix"] = error && !error->hint.empty() ? error->hint : fix;
      ok = false;
    }
    checks.push_back(one);
  }

  bool ok = true;
  Json checks = Json::array();
};

[[noreturn]] void wrong(const std::string& message, const std::string& fix = "") {
  throw Error(ErrorCode::kUnavailable, message, fix);
}

struct statvfs space_of(const fs::path& folder) {
  struct statvfs info {};
  if (statvfs(folder.c_str(), &info) != 0) {
    wrong("cannot ask for the free space of " + folder.string());
  }
  return info;
}

std::string gibibytes(uint64_t bytes) {
  return fmt::format("{:.1f} GiB", double(bytes) / double(1ull << 30));
}

std::string free_space(const fs::path& folder) {
  constexpr uint64_t kLow_bytes = 1ull << 30, kLow_inodes = 10'000;
  struct statvfs info = space_of(folder);
  uint64_t bytes = uint64_t{info.f_bavail} * info.f_frsize;
  if (bytes < kLow_bytes) wrong("only " + gibibytes(bytes) + " free");
  // A file system that counts none has as many as one likes.
  if (info.f_files > 0 && info.f_favail < kLow_inodes) {
    wrong(fmt::format("only {} inodes free", info.f_favail), "remove files nobody needs");
  }
  return gibibytes(bytes) + " free";
}

std::string may_execute(const fs::path& folder) {
  if ((space_of(folder).f_flag & ST_NOEXEC) != 0) {
    wrong(folder.string() + " is mounted noexec, and steps put programs there",
          "mount it without noexec, or set TMPDIR for the runner");
  }
  return folder.string();
}

std::string state_folder(const fs::path& state) {
  struct stat info {};
  if (stat(state.c_str(), &info) != 0) wrong("it is not there");
  if (info.st_uid != geteuid()) {
    wrong(state.string() + " belongs to another user", "chown -R it to the user that serves");
  }
  if ((info.st_mode & 077) != 0) {
    wrong(fmt::format("others may look into it: mode {:04o}", info.st_mode & 07777),
          "chmod 0700 " + state.string());
  }
  if (access(state.c_str(), R_OK | W_OK | X_OK) != 0) wrong("it can't be written");
  for (const char* name : {"tokens.json", "audit.jsonl", "state.db"}) {
    bool open = stat((state / name).c_str(), &info) == 0 && (info.st_mode & 022) != 0;
    if (open) wrong(fmt::format("others may write {}", name), "chmod 0600 it");
  }
  return state.string();
}

std::string store_intact(const fs::path& file) {
  Database db(file);
  int64_t version = 0;
  {
    Statement row = db.prepare("PRAGMA user_version");
    if (row.step()) version = row.number(0);
  }
  Statement row = db.prepare("PRAGMA quick_check(1)");
  std::string said = row.step() ? row.text(0) : "no answer";
  if (said != "ok") wrong("the store is damaged: " + printable(said));
  return fmt::format("format {}, {:.1f} MiB, intact", version,
                     double(fs::file_size(file)) / double(1 << 20));
}

ProcessResult runs(const std::string& name, const std::vector<std::string>& arguments) {
  ProcessRequest call;
  call.argv = {name};
  call.argv.insert(call.argv.end(), arguments.begin(), arguments.end());
  ProcessResult result = run_process(call);
  if (!result.ok()) wrong(name + " does not run: " + printable(result.err));
  return result;
}

std::string first_line(const std::string& name, const std::vector<std::string>& arguments) {
  const ProcessResult result = runs(name, arguments);
  std::string said = result.err.empty() ? result.out : result.err;
  return printable(said.substr(0, said.find('\n')), 80);
}

// What a program of built-in actions can do.
std::string actions_of(const std::string& name) {
  const std::string program = Parts::program(name).string();
  std::vector<std::string> names;
  for (const Json& action : parse_json(runs(program, {"actions", "--json"}).out, program)) {
    names.push_back(action.at("name").get<std::string>());
  }
  return printable(fmt::format("{}", fmt::join(names, ", ")));
}

// Who would refuse this machine's certificates and tokens if its clock were wrong.
std::string clock_beside(const RegistrySpec& spec, const NetworkRules& network) {
  constexpr int64_t kMost_s = 60;
  HttpOptions options;
  options.ca_file = spec.credentials.ca_file;
  options.read_timeout_ms = 5000;
  options.network = network;
  HttpRequest request;
  request.url = parse_url(fmt::format("{}://{}/v2/", spec.plain_http ? "http" : "https",
                                      spec.place.substr(0, spec.place.find('/'))));
  const std::string date = HttpClient(options).send(request).header("date");
  std::tm read{};
  if (date.empty() || !strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &read)) {
    return "it does not say what time it is";
  }
  const int64_t off_s = std::time(nullptr) - timegm(&read);
  if (std::abs(off_s) > kMost_s) {
    wrong(fmt::format("this clock is {} s {} that of the registry", std::abs(off_s),
                      off_s > 0 ? "before" : "behind"),
          "let a time service set the clock: `timedatectl set-ntp true`");
  }
  return fmt::format("{} s apart", std::abs(off_s));
}

std::string certificate_stands(const ListenerSpec& spec) {
  const bool loopback = spec.address.rfind("127.", 0) == 0 || spec.address == "::1";
  if (spec.certificate.empty()) {
    if (!loopback) wrong("it is open to others without TLS", "give it `tls`");
    return "without TLS, for this machine alone";
  }
  ApiServer::check({spec.address, spec.port, {}, spec.certificate, spec.key});
  std::unique_ptr<BIO, decltype(&BIO_free)> file(BIO_new_file(spec.certificate.c_str(), "r"),
                                                 BIO_free);
  std::unique_ptr<X509, decltype(&X509_free)> certificate(
      file ? PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr) : nullptr, X509_free);
  if (!certificate) wrong("its certificate can't be read");
  int days = 0, seconds = 0;
  ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(certificate.get()));
  if (days < 14) {
    wrong(days < 0 || seconds < 0 ? "its certificate has expired"
                                  : fmt::format("its certificate ends in {} days", days),
          "renew it, then `lockstep reload`");
  }
  return fmt::format("TLS, for {} more days", days);
}

std::string pool_fits(const PoolSpec& pool) {
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  for (uint32_t device : pool.devices) {
    if (!fs::exists(fmt::format("/dev/nvidia{}", device))) {
      wrong(fmt::format("device {} is not there", device),
            "correct `devices`, or look at the driver: `nvidia-smi`");
    }
  }
  if (!pool.devices.empty()) return fmt::format("{} devices", pool.devices.size());
  if (pool.slots > 4 * cores) {
    wrong(fmt::format("{} slots on {} cores", pool.slots, cores), "give it fewer slots");
  }
  return fmt::format("{} slots, {} cores", pool.slots > 0 ? pool.slots : cores, cores);
}

uint64_t bytes_below(const fs::path& folder) {
  uint64_t bytes = 0;
  std::error_code failed;
  for (fs::recursive_directory_iterator it(folder, failed), end; !failed && it != end;
       it.increment(failed)) {
    std::error_code gone;
    if (it->is_regular_file(gone) && !it->is_symlink(gone)) bytes += it->file_size(gone);
  }
  return bytes;
}

// Of an import its rows are written; a push tells only when it is tried.
std::string may_write(const SourceSpec& spec) {
  const fs::path place = spec.place;
  if (spec.kind != SourceKind::kGitTables || !place.is_absolute()) {
    return "known when it is tried: `lockstep import NAME --dry-run`";
  }
  for (const fs::path& objects : {place / ".git" / "objects", place / "objects"}) {
    if (fs::exists(objects) && access(objects.c_str(), W_OK) != 0) {
      wrong("its repository can't be written by this user", "give it the right to");
    }
  }
  return "writable";
}

class Examination {
 public:
  Examination(WorkspaceBackend& backend, Daemon& daemon, bool deep)
      : backend_(backend), daemon_(daemon), deep_(deep) {}

  Json run() {
    machine();
    sources();
    workflows();
    programs();
    doors();
    work();
    champions();
    registry();
    return {{"ok", doctor_.ok}, {"checks", doctor_.checks}};
  }

 private:
  const Workspace& workspace() const { return daemon_.parts().workspace(); }
  fs::path state() const { return daemon_.parts().state(); }

  void machine() {
    doctor_.check("workspace", "", [&] { return (workspace().folder / "lockstep.yaml").string(); });
    doctor_.check("state", "", [&] { return state_folder(state()); });
    doctor_.check("disk", "free some space", [&] { return free_space(state()); });
    doctor_.check("store", "restore .lockstep from a backup",
                  [&] { return store_intact(state() / "state.db"); });
    doctor_.check("programs may run", "", [&] {
      may_execute(fs::temp_directory_path());
      return may_execute(state());
    });
    doctor_.check("time zones", "install tzdata", [] {
      CronSchedule("0 0 * * *", "Europe/Berlin");
      return "known";
    });
    for (const PoolSpec& pool : workspace().pools) {
      doctor_.check("pool " + pool.name, "", [&] { return pool_fits(pool); });
    }
  }

  void sources() {
    std::unique_ptr<SourceSet> sources;
    doctor_.check("credentials", "set what is missing where lockstep runs", [&] {
      sources = daemon_.parts().open_sources();
      for (const auto& [name, secret] : workspace().secrets) daemon_.parts().secret(name);
      return fmt::format("{} secrets can be read", workspace().secrets.size());
    });
    for (const SourceSpec& spec : workspace().sources) {
      if (!sources) break;
      doctor_.check("source " + spec.name, "look at its place and branch in lockstep.yaml", [&] {
        return spec.branch + " is at " + sources->at(spec.name).head().substr(0, 7);
      });
      bool written = std::any_of(
          workspace().imports.begin(), workspace().imports.end(),
          [&](const ImportSpec& import) { return import.table.rfind(spec.name + "/", 0) == 0; });
      if (written) doctor_.check("write " + spec.name, "", [&] { return may_write(spec); });
    }
    const fs::path mirrors = state() / "mirrors";
    if (!fs::exists(mirrors)) return;
    doctor_.check("mirrors", "free some space", [&] {
      const uint64_t bytes = bytes_below(mirrors);
      struct statvfs info = space_of(mirrors);
      if (bytes > uint64_t{info.f_bavail} * info.f_frsize) {
        wrong(fmt::format("copies of sources take {}, more than is free", gibibytes(bytes)));
      }
      return gibibytes(bytes);
    });
  }

  void workflows() {
    doctor_.check("workflows", "`lockstep check` shows every error", [&] {
      Json checked = backend_.check();
      if (checked.at("ok").get<bool>()) {
        return fmt::format("{} steps, {} models", checked.at("instances").get<size_t>(),
                           checked.at("models").get<size_t>());
      }
      wrong(fmt::format("{} errors, the first: {}", checked.at("errors").size(),
                        checked.at("errors")[0].at("message").get<std::string>()));
    });
  }

  void programs() {
    doctor_.check("runner", "build or install lockstep-runner beside lockstep", [&] {
      const std::string program = Parts::program("lockstep-runner").string();
      if (!daemon_.effects().working()) return program;
      // Answers only one of its own version: the protocol begins with it.
      const size_t known = daemon_.effects().executor().known().size();
      return fmt::format("{}, answers, {} attempts", program, known);
    });
    doctor_.check("lockstep-torch", "only torch/… actions need it; build it with libtorch",
                  [] { return actions_of("lockstep-torch"); });
    doctor_.check("lockstep-quality", "only data/quality needs it; build it beside lockstep",
                  [] { return actions_of("lockstep-quality"); });
    doctor_.check("git", "install git; remote sources are fetched with it",
                  [] { return first_line("git", {"--version"}); });
    for (const SourceSpec& spec : workspace().sources) {
      if (spec.remote.address.empty()) continue;
      doctor_.check("dolt", "install it, or name it as LOCKSTEP_DOLT", [&] {
        const char* named = std::getenv("LOCKSTEP_DOLT");
        const bool own = spec.remote.program != RemoteSpec().program;
        return first_line(own || !named ? spec.remote.program : named, {"version"});
      });
      break;
    }
  }

  void doors() {
    for (const ListenerSpec& spec : workspace().listeners) {
      doctor_.check(fmt::format("listener {}:{}", spec.address, spec.port), "",
                    [&] { return certificate_stands(spec); });
    }
    if (!workspace().listeners.empty()) {
      doctor_.check("tokens", "`lockstep token create` a new one, then revoke the old", [&] {
        size_t live = 0;
        const int64_t now_ms = SystemClock().now_ms();
        for (const Json& token : daemon_.tokens().list(now_ms)) {
          if (!token.at("live").get<bool>()) continue;
          ++live;
          if (token.at("expires").is_null()) continue;
          const int64_t left_ms = parse_time(token.at("expires").get<std::string>()) - now_ms;
          if (left_ms < kSoon_ms) {
            wrong(fmt::format("{} ends in {} days", token.at("name").get<std::string>(),
                              left_ms / kDay_ms));
          }
        }
        return fmt::format("{} live", live);
      });
    }
    for (const HookSource& hook : workspace().hooks) {
      doctor_.check("hook " + hook.name, "docs/WEBHOOKS.md says how the forge is set up", [&] {
        daemon_.parts().hook(hook);
        const size_t kept = daemon_.in_loop([&](Engine& engine) {
          return engine.store().all("delivery/" + hook.name + "/").size();
        });
        if (kept == 0) wrong("no delivery of it was ever taken");
        return fmt::format("{} deliveries in 90 days", kept);
      });
    }
  }

  void work() {
    doctor_.check("outbox", "the log of `lockstep serve` says what hinders them", [&] {
      const Json troubles = daemon_.effects().outbox().troubles();
      if (!troubles.empty()) {
        wrong(fmt::format("{} not taken, the first: {} {}: {}", troubles.size(),
                          troubles[0].at("what").get<std::string>(),
                          troubles[0].at("target").get<std::string>(),
                          troubles[0].at("error").get<std::string>()),
              "look at `status` and `notifications` in lockstep.yaml");
      }
      return daemon_.in_loop([&](Engine& engine) {
        std::vector<Intent> intents = engine.store().intents();
        const int64_t age_ms = daemon_.metrics().oldest_intent_ms(intents, engine.now_ms());
        if (age_ms > 10 * kMinute_ms) {
          wrong(fmt::format("{} of {} waits since {} min", intents[0].kind, intents[0].target,
                            age_ms / kMinute_ms));
        }
        return fmt::format("{} waiting", intents.size());
      });
    });
  }

  void champions() {
    doctor_.check("champions", "run `lockstep run`: what is damaged or missing is trained again",
                  [&] {
                    constexpr size_t kSome = 20;
                    std::vector<Digest> digests = daemon_.in_loop([](Engine& engine) {
                      std::vector<Digest> all;
                      for (const auto& [name, model] : engine.registry().models) {
                        const Version* version = model.version(model.alias(kChampion));
                        if (version) all.push_back(version->digest);
                      }
                      return all;
                    });
                    const size_t step = deep_ ? 1 : std::max<size_t>(1, digests.size() / kSome);
                    size_t read = 0;
                    for (size_t i = 0; i < digests.size(); ++i) {
                      if (!daemon_.artifacts().has(digests[i])) {
                        wrong("the bytes of " + digests[i].str() + " are missing");
                      }
                      if (i % step != 0) continue;
                      daemon_.artifacts().get(digests[i]);
                      ++read;
                    }
                    return fmt::format("{} models, bytes of {} verified", digests.size(), read);
                  });
  }

  void registry() {
    if (!workspace().registry) return;
    const RegistrySpec& spec = *workspace().registry;
    doctor_.check("registry", "look at its place and credentials in lockstep.yaml", [&] {
      daemon_.parts().registry()->resolve("latest");
      return spec.place;
    });
    doctor_.check("clock", "is the registry there?",
                  [&] { return clock_beside(spec, daemon_.parts().network()); });
  }

  WorkspaceBackend& backend_;
  Daemon& daemon_;
  const bool deep_;
  Doctor doctor_;
};

}  // namespace

Json WorkspaceBackend::doctor(bool deep) {
  return Examination(*this, daemon_, deep).run();
}

}  // namespace lockstep
